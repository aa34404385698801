"""What came of asking for a while: how many answers a second, and how long they took."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.bench.flat import start, tell

if TYPE_CHECKING:
    import subprocess

    from tests.lab.lan import Host

TENTHS = 10


@dataclass
class Answers:
    """Answers of one contestant, of any number of rounds together."""

    seconds: float = 0.0
    taken: Counter[int] = field(default_factory=Counter)
    """Tenths of a microsecond → answers."""
    repeated: int = 0
    """Requests that got no answer within a second."""

    def add(self, other: Answers) -> None:
        """Take in another round."""
        self.seconds += other.seconds
        self.taken.update(other.taken)
        self.repeated += other.repeated

    @property
    def count(self) -> int:
        """How many there were."""
        return self.taken.total()

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.seconds

    def quantile_us(self, share: float) -> float:
        """Microseconds within which this share of the answers came."""
        left = share * self.count
        for tenths, answers in sorted(self.taken.items()):
            left -= answers
            if left <= 0:
                return tenths / TENTHS
        raise ValueError("there were no answers")


class Asker:
    """The asking program on a host."""

    def __init__(self, host: Host) -> None:
        self._program: subprocess.Popen[str] = start(host, "tests.bench.asker")

    def wait(self, interface: str, many: int, limit_s: float) -> None:
        """Return once all of the first so many addresses are answered for over an interface."""
        self._obey("wait", interface, many, limit_s)

    def ask(self, interface: str, many: int, outstanding: int, seconds: float, looks: int = 0) -> Answers:
        """Ask for that long, looking so often for an answer before sleeping until one comes."""
        took_s, taken, repeated = self._obey("ask", interface, many, outstanding, seconds, looks)
        return Answers(took_s, Counter({int(tenths): answers for tenths, answers in taken.items()}), repeated)

    def _obey(self, *words: Any) -> Any:
        return json.loads(tell(self._program, json.dumps(words)))

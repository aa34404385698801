"""A client of the ARP benchmarks: `python -m tests.bench.asker`, told one JSON array a line, answering each likewise.

`["wait", INTERFACE, MANY, SECONDS]` returns `true` once each of the first MANY addresses is answered for.
`["ask", INTERFACE, MANY, OUTSTANDING, SECONDS, LOOKS]` asks for them in random order for that long, with so many
requests on their way at a time, looking so often for an answer before it sleeps until one comes. It returns
`[SECONDS, {"TENTHS OF A MICROSECOND": ANSWERS}, REPEATED]`. It asks again after a second without an answer, and gives
up after ten, as flat_asker.py does.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import sys
import time
from collections import Counter, deque
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.bench.flat_asker import ANSWERED, ASKED, REPEAT_S, address, frames, mac_of, opened, patiently, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TENTH_NS = 100
WINDOW = 64
"""Requests on their way while it is waited for all answers: fewer than a socket buffer holds."""
_ASKED, _ANSWERED = ASKED["arp"], ANSWERED["arp"]


def wait(interface: str, many: int, limit_s: float) -> bool:
    """Ask until all have answered. Raises `TimeoutError`."""
    mac = mac_of(interface)
    missing = {
        target: request("arp", mac, target) for number in range(many) if (target := address("arp", number).packed)
    }
    end_s = time.monotonic() + limit_s
    with opened("arp", interface, 0.1) as wire:
        while missing:
            if time.monotonic() > end_s:
                raise TimeoutError(f"no answer over {interface} for {len(missing)} addresses within {limit_s} s")
            some = list(itertools.islice(missing.values(), WINDOW))
            for each in some:
                wire.send(each)
            with contextlib.suppress(BlockingIOError):  # an answer is late: ask again
                enough = len(missing) - len(some)
                while len(missing) > enough:
                    missing.pop(wire.recv(128)[_ANSWERED], None)
    return True


def ask(interface: str, many: int, outstanding: int, seconds: float, looks: int) -> tuple[float, Counter[int], int]:
    """Ask for that long.

    Gives the exact time, how many answers took how many tenths of a microsecond, and how many requests were repeated.
    """
    requests = frames("arp", interface, many)
    taken_ns: list[int] = []
    repeated = 0
    answer = bytearray(128)
    now, note = time.perf_counter_ns, taken_ns.append
    with opened("arp", interface, REPEAT_S) as wire:
        send = wire.send
        on_their_way: deque[tuple[int, bytes]] = deque()
        started, ended = on_their_way.append, on_their_way.popleft

        def ask_again() -> None:
            nonlocal repeated
            late = [asked, *(each for _, each in on_their_way)]
            repeated += len(late)
            for each in late:
                send(each)

        receive = patiently(_receiver(wire, answer, looks), ask_again, interface)
        begin = current = now()
        end = begin + int(seconds * 1e9)
        while current < end:
            for frame in requests:
                send(frame)
                started((now() if outstanding > 1 else current, frame))
                if len(on_their_way) < outstanding:
                    continue
                sent, asked = ended()
                receive()
                while answer[_ANSWERED] != asked[_ASKED]:  # hosts have other things to say too
                    receive()
                current = now()
                note(current - sent)
                if current >= end:
                    break
    return (current - begin) / 1e9, Counter(taken // TENTH_NS for taken in taken_ns), repeated


def _receiver(wire: socket.socket, answer: bytearray, looks: int) -> Callable[[], int]:
    """Give a way to receive that sleeps after so many looks."""
    receive = wire.recv_into

    def received() -> int:
        for _ in range(looks):
            with contextlib.suppress(BlockingIOError):
                return receive(answer, 0, socket.MSG_DONTWAIT)
        return receive(answer)

    return received if looks else partial(receive, answer)


def obey(command: str, *arguments: Any) -> Any:
    """Carry out one command."""
    return wait(*arguments) if command == "wait" else ask(*arguments)


def main(lines: Iterable[str]) -> None:
    """Obey until the end of the input."""
    for line in lines:
        print(json.dumps(obey(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.stdin)

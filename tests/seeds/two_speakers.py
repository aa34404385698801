"""One node's speaker twice: MetalLB 0.11's and ours, on hosts of their own, under one configuration.

Both read one API server and take themselves for `node1`: by BGP every node announces for itself, so neither is in
the other's way. Both call the same routers, so what each announces stands side by side in their tables.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from metalpy.config.legacy import parse_legacy
from metalpy.model import any_selector_matches
from tests.lab.json_log import JsonLog
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.kube.events import events_in
from tests.lab.lan import Lan
from tests.lab.parts import lab_binary
from tests.lab.routers import Bird, Frr, Neighbor
from tests.lab.wait import wait_until
from tests.seeds.balancers import Balancers
from tests.seeds.bgp_tables import table_from
from tests.unit.announcement.bgp_cases import EBGP, IBGP

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from metalpy.model import Peer
    from tests.seeds.bgp_tables import Table
    from tests.unit.announcement.bgp_cases import Case, Seen

LEGACY, OURS = BOTH = "10.9.0.11", "10.9.0.12"
"""The two speakers, by the addresses that they call from."""
WITNESS = "10.9.0.3"
"""A router of the speakers' own system, to which every configuration keeps the same session."""
ROUTERS = (EBGP, IBGP, WITNESS)
ASN = 64600
NAMESPACE, NODE = "metallb-system", "node1"
SETTLED_S = 30
"""gobgpd waits for up to 9 s before it calls a new peer."""

_API = "10.9.0.250"
_CONFIG = f"/api/v1/namespaces/{NAMESPACE}/configmaps/config"
_MARK = "198.18.99"


class TwoSpeakers:
    """The LAN with both speakers, their routers and the API server, as a context manager.

    Two of the routers are FRR, in `frr`; the witness is BIRD.

    Each edit has a mark of its own: a Service that is made after everything else, in a pool with a community that
    was edited with everything else. Where a router has the last mark and no earlier one, it has all of the edit.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._stack = ExitStack()
        self._numbers = itertools.count(1)
        self._number = 0
        self._edit = 0
        self._text = ""
        self._labels: Mapping[str, str] = {}
        self._taken: dict[str, int] = {}
        """The edit of the configuration that each speaker took last."""
        self._json_logs: dict[str, JsonLog] = {}
        self._peers: dict[str, dict[str, Peer]] = {}
        """The peers that each speaker is to have sessions with, by address."""

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            lan = undo.enter_context(Lan("10.9.0.0/24"))
            lan.join(f"{_API}/24")
            api = undo.enter_context(ControlPlane(address=_API))
            speakers = [Neighbor(address, ASN) for address in (LEGACY, OURS)]
            hosts = {address: lan.host(f"r{address[-1]}", f"{address}/24") for address in ROUTERS}
            self.frr = {
                EBGP: undo.enter_context(Frr(hosts[EBGP], asn=ASN + 1, neighbors=speakers)),
                IBGP: undo.enter_context(Frr(hosts[IBGP], asn=ASN, neighbors=speakers)),
            }
            self._bird = undo.enter_context(Bird(hosts[WITNESS], asn=ASN, neighbors=speakers))
            self._admin = api.admin
            self._admin.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            self._admin.create("/api/v1/nodes", {"metadata": {"name": NODE}})
            self._admin.create(_CONFIG.rpartition("/")[0], {"metadata": {"name": "config"}, "data": {"config": ""}})
            self._balancers = Balancers(self._admin)
            flags = ["--node-name", NODE, "--namespace", NAMESPACE, "--kubeconfig", str(api.kubeconfig)]
            flags += ["--log-level", "debug"]
            ours = [sys.executable, "-m", "metalpy", "speaker", *flags, "--interface", "eth0"]
            commands = {
                LEGACY: [str(lab_binary("metallb-0.11-speaker")), *flags],
                OURS: [*ours, f"--gobgpd={lab_binary('gobgpd')}"],
            }
            self._processes = {}
            for address, name in ((LEGACY, "legacy"), (OURS, "ours")):
                log = undo.enter_context((self._logs / name).open("wb"))
                host = lan.host(name, f"{address}/24")
                self._processes[name] = host.popen(commands[address], stdout=log, stderr=subprocess.STDOUT)
                self._json_logs[address] = JsonLog(self._logs / name)
            self._stack = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- edits ---

    def edit(self, case: Case, *, takers: Collection[str] = BOTH, silent: Collection[str] = ()) -> None:
        """Make the cluster what `case` says; `takers` are the speakers that are to take the configuration.

        To routers that are `silent` ours is to announce nothing, though MetalLB does.
        """
        self._edit = self._number = next(self._numbers)
        self._label(case.labels)
        self._balancers.set(case.services)
        self._text = self._marked(case.config)
        starts = {speaker: len(log.lines()) for speaker, log in self._json_logs.items()}
        self._admin.patch(_CONFIG, {"data": {"config": self._text}})
        for speaker, start in starts.items():
            self._await_verdict(speaker, start, is_taken=speaker in takers)
        self._make_mark(takers, silent)

    def change_services(self, case: Case, *, takers: Collection[str]) -> None:
        """Make the Services what `case` says, by which `takers` come to take the last edit of the configuration."""
        self._number = next(self._numbers)
        self._balancers.set(case.services)
        self._make_mark(takers)

    def _make_mark(self, takers: Collection[str], silent: Collection[str] = ()) -> None:
        for speaker in takers:
            self._taken[speaker] = self._edit
            self._peers[speaker] = self._chosen()
        for router in silent:
            del self._peers[OURS][router]
        self._balancers.mark(self._number, f"{_MARK}.{self._number}")

    def _chosen(self) -> dict[str, Peer]:
        """Give the peers that this node is to have sessions with."""
        peers = parse_legacy(self._text).config.peers
        return {str(peer.address): peer for peer in peers if any_selector_matches(peer.node_selectors, self._labels)}

    def _marked(self, text: str) -> str:
        peer = f"- {{my-asn: {ASN}, peer-asn: {ASN}, peer-address: {WITNESS}}}\n"
        advertised = f"bgp-advertisements: [{{communities: ['65000:{self._edit}']}}]"
        pool = f"- {{name: mark, protocol: bgp, addresses: [{_MARK}.0/24], {advertised}}}\n"
        assert text.count("peers:\n") == text.count("address-pools:\n") == 1
        return text.replace("peers:\n", f"peers:\n{peer}").replace("address-pools:\n", f"address-pools:\n{pool}")

    def _label(self, labels: Mapping[str, str]) -> None:
        wanted = {**dict.fromkeys(self._labels), **labels}
        if wanted != self._labels:
            self._admin.patch(f"/api/v1/nodes/{NODE}", {"metadata": {"labels": wanted}})
            self._labels = labels

    def _await_verdict(self, speaker: str, start: int, *, is_taken: bool) -> None:
        """Wait until a speaker has taken the edit and looked at every Service since, or has refused it."""
        event = "configLoaded" if is_taken else "configStale"

        def is_so() -> bool:
            self.check()
            new = self._json_logs[speaker].lines()[start:]
            at = next((at for at, line in enumerate(new) if line.get("event") == event), None)
            looked = {line.get("service") for line in new[at:] if line.get("event") == "startUpdate"}
            return at is not None and (not is_taken or self._balancers.keys <= looked)

        wait_until(is_so, SETTLED_S, f"{speaker} says {event}, and looks at every Service if it takes the edit")

    # --- what the routers say ---

    def _table(self, router: str, speaker: str) -> Table:
        return table_from(self.frr.get(router, self._bird), speaker)

    def await_table(self, router: str, speaker: str, routes: Seen | None) -> Table:
        """Wait until a router has from a speaker all of the last edit, and these routes (None: any) then.

        Gives them in full, without the mark. Raises `AssertionError` with what it has instead, after a while.
        """
        marks: Seen = {}
        if router in self._peers[speaker]:
            preference = None if router == EBGP else 0
            marks = {f"{_MARK}.{self._number}/32": (preference, (f"65000:{self._taken[speaker]}",))}
        seen: list[tuple[Seen, Seen]] = []
        table: Table = {}

        def has_come() -> bool:
            nonlocal table
            self.check()
            table = self._table(router, speaker)
            all_seen = {prefix: (path.local_pref, path.communities) for prefix, path in table.items()}
            of_marks = {prefix: all_seen.pop(prefix) for prefix in table if prefix.startswith(_MARK)}
            seen.append((of_marks, all_seen))
            return of_marks == marks and (routes is None or all_seen == routes)

        try:
            wait_until(has_come, SETTLED_S, f"{router} has {routes} from {speaker}")
        except TimeoutError:
            assert seen[-1] == (marks, routes), f"{router} of {speaker}"
            raise
        return {prefix: path for prefix, path in table.items() if prefix not in marks}

    def ups(self) -> dict[str, tuple[Peer, str]]:
        """Tell of each session of ours its peer, and something that changes whenever it comes up anew."""
        found = {}
        for address, peer in self._peers.get(OURS, {}).items():
            frr = self.frr.get(address)
            found[address] = peer, str(frr.established(OURS)) if frr else self._connection()
        return found

    def _connection(self) -> str:
        """Give the port from which ours called the witness: BIRD does not count, and its times waver."""
        sockets = self._bird.host.run(["ss", "-tnH", "state", "established", "dst", OURS]).stdout
        return sockets.split()[-1]

    def config_events(self) -> list[str]:
        """Give the messages of the Events on the ConfigMap."""
        return [event["message"] for event in events_in(self._admin, NAMESPACE, kind="ConfigMap")]

    def check(self) -> None:
        """Raise `RuntimeError` if a speaker has ended."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended: {(self._logs / name).read_text()[-2000:]}")

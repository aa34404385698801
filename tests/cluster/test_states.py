"""Objects in which daemons show their state, on a real API server, under the rights that deploy/ grants."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from metalpy.announcement.states import Shown, Verdict
from metalpy.cluster import api_states
from metalpy.cluster.api_session import FORBIDDEN, ApiSession
from metalpy.cluster.kubernetes import KubernetesCluster
from metalpy.cluster.state_objects import Writer
from metalpy.model import ObjectKey, Protocol
from metalpy.observe.metrics import ApiMetrics
from tests.cluster.controllers import CONVERGED_S, NAMESPACE, Site, deployed
from tests.lab.crds import install_crds
from tests.lab.wait import wait_until
from tests.unit.cluster.streams import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.lab.kube.control_plane import ControlPlane

BASE = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}"
POOL = "address-pools:\n- {name: p, protocol: layer2, addresses: [10.8.0.0/24]}\n"
A, B = ObjectKey("default", "a"), ObjectKey("shop", "b")
VALID = Verdict(is_valid=True)
PLURALS = ("servicel2statuses", "servicebgpstatuses", "configurationstates")


@pytest.fixture
def site(defining: ControlPlane, tmp_path: Path) -> Iterator[Site]:
    with Site(defining, tmp_path, definitions=()) as made:
        yield made


class Speaker:
    """A speaker as the API server sees it."""

    def __init__(self, site: Site, session: ApiSession, node: str, pod_uid: str) -> None:
        writer = Writer(node, f"speaker-of-{node}", pod_uid)
        self._site = site
        self.cluster = KubernetesCluster(session, namespace=NAMESPACE, for_speaker=True, writer=writer)

    def shows(
        self, layer2: dict[ObjectKey, tuple[str, ...]], bgp: dict[ObjectKey, tuple[str, ...]] | None = None
    ) -> None:
        self.cluster.show(Shown(VALID, {Protocol.LAYER2: layer2, Protocol.BGP: bgp or {}}))


@pytest.fixture
async def session(site: Site) -> AsyncIterator[ApiSession]:
    kubeconfig = site.api.service_account_kubeconfig(NAMESPACE, "speaker")
    async with await ApiSession.open(kubeconfig, ApiMetrics(CollectorRegistry())) as opened:
        yield opened


def objects(site: Site, plural: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = site.api.admin.get(f"{BASE}/{plural}")["items"]
    return items


def said(site: Site, plural: str, field: str) -> list[tuple[str, str, Any]]:
    """Give node, Service and `field` of every object of a kind, in order."""
    statuses = [obj.get("status", {}) for obj in objects(site, plural)]
    return sorted(
        (each.get("node", ""), f"{each.get('serviceNamespace')}/{each.get('serviceName')}", each.get(field))
        for each in statuses
    )


def writes(site: Site) -> int:
    """Count what anybody but us wrote to objects that show state."""
    users = f"system:serviceaccount:{NAMESPACE}:"
    return sum(
        record["user"].get("username", "").startswith(users)
        and record.get("objectRef", {}).get("resource") in PLURALS
        and record["verb"] in {"create", "patch", "update", "delete"}
        for record in site.api.audited()
    )


async def test_services_are_shown_with_interfaces_and_peers_and_written_only_on_change(
    site: Site, session: ApiSession
) -> None:
    speaker = Speaker(site, session, "node1", "uid-1")
    async with Stream(speaker.cluster) as stream:
        await stream.synced()
        speaker.shows({A: (), B: ("eth1",)}, {B: ("router-1", "router-2")})
        await stream.until(lambda: len(said(site, "servicebgpstatuses", "peers")) == 1)
        await stream.until(lambda: said(site, "servicebgpstatuses", "peers")[0][2] is not None)
        assert said(site, "servicel2statuses", "interfaces") == [
            ("node1", "default/a", []),
            ("node1", "shop/b", [{"name": "eth1"}]),
        ]
        assert said(site, "servicebgpstatuses", "peers") == [("node1", "shop/b", ["router-1", "router-2"])]
        owners = {obj["metadata"]["ownerReferences"][0]["uid"] for obj in objects(site, "servicel2statuses")}
        assert owners == {"uid-1"}

        names = {obj["metadata"]["name"] for obj in objects(site, "servicel2statuses")}
        before = writes(site)
        speaker.shows({A: (), B: ("eth2",)}, {B: ("router-1", "router-2")})
        await stream.until(lambda: said(site, "servicel2statuses", "interfaces")[1][2] == [{"name": "eth2"}])
        assert {obj["metadata"]["name"] for obj in objects(site, "servicel2statuses")} == names
        assert writes(site) == before + 1

        speaker.shows({B: ("eth2",)})
        await stream.until(lambda: not objects(site, "servicebgpstatuses"))
        assert [each[1] for each in said(site, "servicel2statuses", "node")] == ["shop/b"]


async def test_next_owner_removes_what_the_last_one_said_and_leaves_the_rest(site: Site, session: ApiSession) -> None:
    first, second = (Speaker(site, session, node, f"uid-of-{node}") for node in ("node1", "node2"))
    async with Stream(first.cluster) as one:
        await one.synced()
        first.shows({A: (), B: ()}, {A: ("router",)})
        await one.until(lambda: len([each for each in said(site, "servicebgpstatuses", "peers") if each[2]]) == 1)
    async with Stream(second.cluster) as other:
        await other.synced()
        second.shows({A: ()}, {A: ("router",)})
        await other.until(lambda: len([each for each in said(site, "servicebgpstatuses", "peers") if each[2]]) == 2)

    assert [each[:2] for each in said(site, "servicel2statuses", "node")] == [
        ("node1", "shop/b"),
        ("node2", "default/a"),
    ]
    assert [each[0] for each in said(site, "servicebgpstatuses", "node")] == ["node1", "node2"]


def owners(site: Site) -> set[str]:
    """Give the UIDs of the Pods that the objects go with."""
    kinds = ("servicel2statuses", "configurationstates")
    return {obj["metadata"]["ownerReferences"][0]["uid"] for kind in kinds for obj in objects(site, kind)}


async def test_speaker_of_the_next_pod_replaces_the_objects_of_the_last(site: Site, session: ApiSession) -> None:
    last = Speaker(site, session, "node1", "uid-1")
    async with Stream(last.cluster) as stream:
        await stream.synced()
        last.shows({A: (), B: ()})
        await stream.until(lambda: [each[0] for each in said(site, "servicel2statuses", "node")] == ["node1"] * 2)
    following = Speaker(site, session, "node1", "uid-2")
    async with Stream(following.cluster) as stream:
        await stream.synced()
        following.shows({A: ()})
        await stream.until(lambda: owners(site) == {"uid-2"})
        await stream.until(lambda: said(site, "servicel2statuses", "interfaces") == [("node1", "default/a", [])])


async def test_object_that_somebody_deletes_comes_back(
    site: Site, session: ApiSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_states, "LOOK_S", 0.5)
    speaker = Speaker(site, session, "node1", "uid-1")
    async with Stream(speaker.cluster) as stream:
        await stream.synced()
        speaker.shows({A: ()})
        await stream.until(lambda: said(site, "servicel2statuses", "node"))
        (gone,) = (obj["metadata"]["name"] for obj in objects(site, "servicel2statuses"))
        site.api.admin.delete(f"{BASE}/servicel2statuses/{gone}")

        await stream.until(lambda: [each[0] for each in said(site, "servicel2statuses", "node")] == ["node1"])


async def test_objects_are_listed_at_looks_alone_and_one_that_went_meanwhile_is_made_anew(
    site: Site, session: ApiSession
) -> None:
    """A look reads everything that the node announces: not worth a change, of which there may be many a second."""
    since = len(site.api.audited())

    def lists() -> int:
        paths = [record["requestURI"] for record in site.api.audited()[since:] if record["verb"] == "list"]
        return sum("/servicel2statuses?" in path and "node1" in path for path in paths)

    speaker = Speaker(site, session, "node1", "uid-1")
    async with Stream(speaker.cluster) as stream:
        await stream.synced()
        speaker.shows({A: ()})
        await stream.until(lambda: said(site, "servicel2statuses", "interfaces") == [("node1", "default/a", [])])
        for interface in ("eth1", "eth2"):
            speaker.shows({A: (interface,)})
            await stream.until(lambda: said(site, "servicel2statuses", "interfaces")[0][2] == [{"name": interface}])  # noqa: B023
        assert lists() == 1

        (gone,) = (obj["metadata"]["name"] for obj in objects(site, "servicel2statuses"))
        site.api.admin.delete(f"{BASE}/servicel2statuses/{gone}")
        speaker.shows({A: ("eth3",)})
        await stream.until(
            lambda: said(site, "servicel2statuses", "interfaces") == [("node1", "default/a", [{"name": "eth3"}])]
        )


@pytest.mark.parametrize("has_definitions", [False, True], ids=["undefined", "not-granted"])
async def test_speaker_without_definitions_or_rights_shows_nothing_and_asks_for_nothing_twice(
    site: Site, session: ApiSession, monkeypatch: pytest.MonkeyPatch, *, has_definitions: bool
) -> None:
    monkeypatch.setattr(api_states, "LOOK_S", 0.2)
    if has_definitions:
        site.api.kubectl("-n", NAMESPACE, "delete", "role", "speaker-states")
    else:
        site.api.kubectl("delete", "-f", "deploy/crds/metallb.io-states.yaml")
    since = len(site.api.audited())

    def looks() -> int:
        paths = [record["requestURI"] for record in site.api.audited()[since:]]
        return paths.count("/apis/metallb.io/v1beta1")

    speaker = Speaker(site, session, "node1", "uid-1")
    async with Stream(speaker.cluster) as stream:
        await stream.synced()
        speaker.shows({A: ()})
        await stream.until(lambda: looks() >= 3)

    refused = [
        record for record in site.api.audited()[since:] if record.get("responseStatus", {}).get("code") == FORBIDDEN
    ]
    mine = [record for record in refused if record.get("objectRef", {}).get("resource") in PLURALS]
    assert len(mine) == (len(PLURALS) if has_definitions else 0)


async def test_metallb_s_own_definitions_take_what_is_shown(site: Site, session: ApiSession) -> None:
    site.api.kubectl("delete", "-f", "deploy/crds/")
    install_crds(site.api, with_long_asns=True)
    speaker = Speaker(site, session, "node1", "uid-1")
    async with Stream(speaker.cluster) as stream:
        await stream.synced()
        speaker.shows({A: ("eth0",)}, {A: ("router",)})
        await stream.until(lambda: said(site, "servicebgpstatuses", "peers") == [("node1", "default/a", ["router"])])
        assert said(site, "servicel2statuses", "interfaces") == [("node1", "default/a", [{"name": "eth0"}])]


def test_controller_shows_what_it_makes_of_its_configuration(site: Site) -> None:
    site.configure(POOL)
    site.start("--pod-name=controller-x", "--pod-uid=uid-1")

    def status() -> dict[str, Any]:
        states = {obj["metadata"]["name"]: obj.get("status", {}) for obj in objects(site, "configurationstates")}
        found: dict[str, Any] = states.get("controller", {})
        return found

    wait_until(lambda: status().get("result") == "Valid", CONVERGED_S, "the configuration is shown as valid")
    valid = status()
    (condition,) = valid["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "poolReconcilerValid",
        "True",
        "Reconciled",
    )

    site.configure(POOL.replace("/24", "/33"))
    wait_until(lambda: status()["result"] == "Invalid", CONVERGED_S, "and as invalid")
    assert "10.8.0.0/33" in status()["errorSummary"]
    site.configure(POOL)
    wait_until(lambda: status()["result"] == "Valid", CONVERGED_S, "and as valid again")
    assert status()["errorSummary"] == ""


def _rights() -> list[tuple[str, str]]:
    role = next(each for each in deployed("rbac.yaml") if each["metadata"]["name"] == "speaker-states")
    return [(each, verb) for rule in role["rules"] for each in rule["resources"] for verb in rule["verbs"]]


@pytest.mark.parametrize(("resource", "verb"), _rights(), ids=str)
async def test_every_right_of_the_speaker_is_needed(site: Site, session: ApiSession, resource: str, verb: str) -> None:
    role = copy.deepcopy(next(each for each in deployed("rbac.yaml") if each["metadata"]["name"] == "speaker-states"))
    role["rules"] = [
        {**rule, "resources": [each], "verbs": [right for right in rule["verbs"] if (each, right) != (resource, verb)]}
        for rule in role["rules"]
        for each in rule["resources"]
    ]
    role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]
    earlier = Speaker(site, session, "node1", "uid-1")
    async with Stream(earlier.cluster) as stream:
        await stream.synced()
        earlier.shows({A: ()}, {A: ("router",)})
        await stream.until(lambda: any(each[2] for each in said(site, "servicebgpstatuses", "peers")))
    site.api.apply(role)
    since = len(site.api.audited())

    def missed() -> bool:
        return any(
            record.get("responseStatus", {}).get("code") == FORBIDDEN
            and record.get("objectRef", {}).get("resource") == resource.partition("/")[0]
            for record in site.api.audited()[since:]
        )

    following = Speaker(site, session, "node1", "uid-2")
    async with Stream(following.cluster) as stream:
        await stream.synced()
        following.shows({A: ()}, {A: ("router",)})
        await stream.until(missed)

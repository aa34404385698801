"""The pods' own rights and settings are enough for what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.nodes.site import IPV4, NAMESPACE

if TYPE_CHECKING:
    from tests.nodes.site import Site


def test_pods_are_refused_nothing_and_complain_of_nothing(site: Site) -> None:
    site.deploy("web", 1)
    site.expose("web")
    site.await_addresses("web", IPV4)
    site.fetch(IPV4)

    users = tuple(f"system:serviceaccount:{NAMESPACE}:{name}" for name in ("controller", "speaker"))
    answers = [each for each in site.cluster.api.audited() if each["user"].get("username", "") in users]
    assert {each["user"].get("username", "") for each in answers} == set(users)
    assert [each["requestURI"] for each in answers if each.get("responseStatus", {}).get("code") in {401, 403}] == []
    troubles = [line for line in site.controller_logs() + site.speaker_logs() if line["level"] in {"warn", "error"}]
    assert troubles == []

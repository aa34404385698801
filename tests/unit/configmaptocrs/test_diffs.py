"""What applying changes, as a person reads it."""

from __future__ import annotations

from configmaptocrs.diffs import diff_of
from configmaptocrs.objects import Object, password_secret, resource

POOL = resource("IPAddressPool", "lb", "lan", {"addresses": ["192.0.2.0/28"]})


def test_a_new_object_is_shown_whole() -> None:
    assert diff_of(None, POOL) == "create IPAddressPool lb/lan\n+ spec:\n+   addresses:\n+   - 192.0.2.0/28\n"


def test_only_what_changes_and_what_is_around_it_is_shown() -> None:
    held = POOL | {"metadata": POOL["metadata"] | {"resourceVersion": "7"}, "status": {"assignedIPv4": 3}}
    result = POOL | {"spec": {"addresses": ["192.0.2.16/28"]}}
    assert diff_of(held, result) == (
        "change IPAddressPool lb/lan\n  spec:\n    addresses:\n-   - 192.0.2.0/28\n+   - 192.0.2.16/28\n"
    )


def _peer(password: str) -> Object:
    return resource("BGPPeer", "lb", "peer1", {"myASN": 1, "password": password})


def test_passwords_are_never_shown_but_that_they_change_is() -> None:
    shown = diff_of(None, _peer("secret-one")) + diff_of(_peer("secret-one"), _peer("secret-two"))
    assert "secret-" not in shown
    assert "(hidden, as before)" in shown
    assert "(hidden, another one)" in shown

    secret = password_secret("lb", "bgp-peer1", "ignored") | {"data": {"password": "c2VjcmV0"}}
    assert "c2VjcmV0" not in diff_of(None, secret)
    assert "data:" in diff_of(None, secret)

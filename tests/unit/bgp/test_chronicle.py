"""What is told of sessions."""

from __future__ import annotations

from ipaddress import ip_address

from structlog.testing import capture_logs

from metalpy.bgp.chronicle import Chronicle, SessionChange

ONE = ip_address("192.0.2.1")
DOWN_V4 = (
    'time=2026-11-21T12:34:26.718Z level=INFO msg="Peer Down" Topic=Peer Key=192.0.2.1 State=BGP_FSM_ESTABLISHED '
    'Reason="notification-received code 6(cease) subcode 2(administrative shutdown)"'
)
DOWN_V3 = (
    'time="2026-11-21T12:34:53Z" level=info msg="Peer Down" Key=192.0.2.1 State=BGP_FSM_ESTABLISHED '
    'Reason="notification-received code 6(cease) subcode 2(administrative shutdown)" Topic=Peer'
)
REFUSED = (
    'time=2026-11-21T12:35:51.437Z level=DEBUG msg="failed to connect" Topic=Peer Key=192.0.2.1 '
    'Error="dial tcp 0.0.0.0:0->192.0.2.1:179: connect: no route to host"'
)
REASON = "notification-received code 6(cease) subcode 2(administrative shutdown)"


def chronicle() -> Chronicle:
    return Chronicle(lambda address: f"{address}:179")


async def next_change(told: Chronicle) -> SessionChange:
    news = await told.next()
    assert isinstance(news, SessionChange)
    return news


async def test_reason_is_found_in_the_log_before_or_after_the_end() -> None:
    told = chronicle()
    told.change(ONE, is_up=True)
    told.hear(DOWN_V4)
    told.change(ONE, is_up=False)
    assert [await told.next(), await told.next()] == [
        SessionChange("192.0.2.1:179", is_up=True),
        SessionChange("192.0.2.1:179", is_up=False, reason=REASON),
    ]

    told.change(ONE, is_up=True)
    told.change(ONE, is_up=False)
    told.hear(DOWN_V3)
    await told.next()
    assert (await next_change(told)).reason == REASON


async def test_session_that_is_back_at_once_was_down_all_the_same() -> None:
    told = chronicle()
    for is_up in (True, False, True):
        told.change(ONE, is_up=is_up)

    assert [(await next_change(told)).is_up for _ in range(3)] == [True, False, True]
    assert told.are_up([ONE])


async def test_reason_of_an_earlier_end_is_not_told_again() -> None:
    told = chronicle()
    told.change(ONE, is_up=True)
    told.hear(DOWN_V4)
    told.change(ONE, is_up=False)
    told.change(ONE, is_up=True)
    told.change(ONE, is_up=False)

    assert [(await next_change(told)).reason for _ in range(4)] == ["", REASON, "", ""]


def test_failure_to_connect_is_told_once_as_long_as_it_is_the_same() -> None:
    told = chronicle()
    with capture_logs() as logs:
        for line in (REFUSED, REFUSED, REFUSED.replace("no route to host", "connection refused"), REFUSED):
            told.hear(line)

    assert [each["error"].rpartition(": ")[2] for each in logs] == [
        "no route to host",
        "connection refused",
        "no route to host",
    ]
    assert {each["what"] for each in logs} == {"peer 192.0.2.1:179"}


def test_aspects_do_not_hide_each_other() -> None:
    told = chronicle()
    with capture_logs() as logs:
        for _ in range(2):
            told.complain("peer x", "refused")
            told.complain("peer x", "no BFD", "BFD")
        told.recover("peer x")
        told.complain("peer x", "refused")

    assert [each["error"] for each in logs] == ["refused", "no BFD", "refused"]

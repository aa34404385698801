"""What one end says, the other understands."""

from __future__ import annotations

import struct

import pytest

from metalpy.layer2.control import MESSAGE_LIMIT, ROWS, Kind, Protocol, Row, decode, encode, narrow, wide

V4 = wide(b"\xc0\xa8\x01\xf0")
MAC = b"\x0a\0\0\0\0\x01"

EXAMPLES: list[tuple[Kind, list[Row]]] = [
    (Kind.OPEN, [(Protocol.ARP, 1, MAC, bytes(16)), (Protocol.NDP, 2, MAC, b"\xfe\x80" + bytes(13) + b"\1")]),
    (Kind.CLOSE, [(Protocol.NDP, 7)]),
    (Kind.ADD, [(0, V4), (7, b"\xfd" + bytes(15))]),
    (Kind.REMOVE, [(0, V4)]),
    (Kind.WATCH, [(V4,)]),
    (Kind.UNWATCH, [(V4,)]),
    (Kind.SEND, [(Protocol.NDP, 3, bytes(86))]),
    (Kind.COUNT, []),
    (Kind.SYNC, [(42,)]),
    (Kind.TAKE_OVER, []),
    (Kind.LINGER, [(5000,)]),
    (Kind.READY, []),
    (Kind.DENIED, [(1,)]),
    (Kind.OPENED, [(Protocol.ARP, 3)]),
    (Kind.LOST, [(Protocol.ARP, 3, 100)]),
    (Kind.UNSENT, [(Protocol.ARP, 3, 105, 12)]),
    (Kind.COUNTS, [(V4, 2**40, 2, 3)]),
    (Kind.DONE, [(42,)]),
    (Kind.UNJOINED, [(3, 105, 2)]),
    (Kind.CLAIMED, [(3, V4, MAC)]),
]


@pytest.mark.parametrize(("kind", "rows"), EXAMPLES, ids=[kind.name for kind, _ in EXAMPLES])
def test_message_reads_as_it_was_written(kind: Kind, rows: list[Row]) -> None:
    (message,) = encode(kind, rows)

    assert (kind, rows) == decode(message)


def test_every_kind_has_an_example() -> None:
    assert set(Kind) == {kind for kind, _ in EXAMPLES}


@pytest.mark.parametrize("kind", [Kind.WATCH, Kind.COUNTS, Kind.SEND], ids=lambda kind: kind.name)
def test_ten_thousand_rows_go_into_messages_within_the_limit(kind: Kind) -> None:
    rest: Row = {Kind.WATCH: (), Kind.COUNTS: (1, 2, 3), Kind.SEND: (3, bytes(86))}[kind]
    rows = [(Protocol.ARP if kind is Kind.SEND else number.to_bytes(16, "big"), *rest) for number in range(10_000)]

    messages = encode(kind, rows)

    assert max(map(len, messages)) <= MESSAGE_LIMIT
    assert rows == [row for message in messages for row in decode(message)[1]]


def test_no_rows_make_no_message_of_a_kind_that_has_rows() -> None:
    assert encode(Kind.ADD, []) == []


@pytest.mark.parametrize("message", [b"\xff", bytes([Kind.ADD]) + b"123"], ids=["kind", "length"])
def test_message_that_nobody_writes_is_an_error(message: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        decode(message)


def test_kinds_without_rows_are_the_bare_ones() -> None:
    assert set(Kind) - set(ROWS) == {Kind.COUNT, Kind.READY, Kind.TAKE_OVER}


@pytest.mark.parametrize("address", [b"\xc0\xa8\x01\xf0", b"\xfd" + bytes(15), bytes(16)], ids=["IPv4", "IPv6", "::"])
def test_address_comes_out_of_a_row_as_it_went_in(address: bytes) -> None:
    assert len(wide(address)) == 16
    assert narrow(wide(address)) == address

"""What one end says, the other understands."""

from __future__ import annotations

import struct

import pytest

from metalpy.layer2.control import MESSAGE_LIMIT, ROWS, Kind, Row, decode, encode

EXAMPLES: list[tuple[Kind, list[Row]]] = [
    (Kind.OPEN, [(1, b"\x0a\0\0\0\0\x01"), (2, b"\x0a\0\0\0\0\x02")]),
    (Kind.CLOSE, [(7,)]),
    (Kind.ADD, [(b"\xc0\xa8\x01\xf0",)]),
    (Kind.REMOVE, [(b"\xc0\xa8\x01\xf0",)]),
    (Kind.SEND, [(3, bytes(60))]),
    (Kind.COUNT, []),
    (Kind.SYNC, [(42,)]),
    (Kind.READY, []),
    (Kind.DENIED, [(1,)]),
    (Kind.OPENED, [(3,)]),
    (Kind.LOST, [(3, 100)]),
    (Kind.UNSENT, [(3, 105, 12)]),
    (Kind.COUNTS, [(b"\xc0\xa8\x01\xf0", 2**40, 2, 3)]),
    (Kind.DONE, [(42,)]),
]


@pytest.mark.parametrize(("kind", "rows"), EXAMPLES, ids=[kind.name for kind, _ in EXAMPLES])
def test_message_reads_as_it_was_written(kind: Kind, rows: list[Row]) -> None:
    (message,) = encode(kind, rows)

    assert (kind, rows) == decode(message)


def test_every_kind_has_an_example() -> None:
    assert set(Kind) == {kind for kind, _ in EXAMPLES}


@pytest.mark.parametrize("kind", [Kind.ADD, Kind.COUNTS, Kind.SEND], ids=lambda kind: kind.name)
def test_ten_thousand_rows_go_into_messages_within_the_limit(kind: Kind) -> None:
    fill = {"4s": b"\1\2\3\4", "60s": bytes(60)}
    names = {Kind.ADD: ["4s"], Kind.COUNTS: ["4s", "Q", "Q", "Q"], Kind.SEND: ["I", "60s"]}[kind]
    rows = [tuple(fill.get(name, number) for name in names) for number in range(10_000)]

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
    assert set(Kind) - set(ROWS) == {Kind.COUNT, Kind.READY}

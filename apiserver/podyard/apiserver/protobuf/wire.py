"""The protobuf wire format: numbered fields, without knowing what they mean."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Value = int | bytes
"""A varint or fixed-width field as an unsigned number, a length-delimited one as bytes."""


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Number and value of every field of a message, in order. Raises ValueError when it is broken."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        value: Value
        if kind == 0:
            value, position = _varint(data, position)
        elif kind == 2:
            length, position = _varint(data, position)
            value, position = data[position : position + length], position + length
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            if position + size > end:
                raise ValueError("unexpected EOF")
            (value,) = struct.unpack_from("<Q" if kind == 1 else "<I", data, position)
            position += size
        else:
            raise ValueError(f"proto: illegal wireType {kind}")
        if position > end:
            raise ValueError("unexpected EOF")
        yield number, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("unexpected EOF")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("proto: integer overflow")


def signed(value: int) -> int:
    """A varint as the two's complement number that int32 and int64 are sent as."""
    return value - (1 << 64) if value >= 1 << 63 else value


def encoded_bytes(number: int, value: bytes) -> bytes:
    """A length-delimited field: a string, bytes or a message."""
    return _encoded_varint(number << 3 | 2) + _encoded_varint(len(value)) + value


def encoded_text(number: int, value: str) -> bytes:
    """A string field; nothing when it is empty."""
    return encoded_bytes(number, value.encode()) if value else b""


def encoded_bool(number: int, value: bool) -> bytes:
    """A bool field; nothing when it is false."""
    return _encoded_varint(number << 3) + b"\x01" if value else b""


def _encoded_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

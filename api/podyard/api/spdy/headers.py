"""Name/value blocks: the headers of a stream, compressed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from struct import error as StructError
from struct import pack, unpack_from

from podyard.api.spdy.dictionary import DICTIONARY

MAX_BLOCK_BYTES = 64 * 1024
"""No header block may become larger than this when it is unpacked."""

Headers = dict[str, str]
"""Names in lower case; several values of a name are separated by a NUL character."""


class FrameError(Exception):
    """The peer sends what is not SPDY/3.1; the connection cannot go on."""


class Compressor:
    """Packs the header blocks of one direction of a connection, in order."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def pack(self, headers: Mapping[str, str]) -> bytes:
        """One block."""
        parts = [pack("!I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                parts += pack("!I", len(text)), text
        return self._zlib.compress(b"".join(parts)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class Decompressor:
    """Unpacks the header blocks of the other direction."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def unpack(self, block: bytes) -> Headers:
        """One block. Raises FrameError."""
        try:
            data = self._zlib.decompress(block, MAX_BLOCK_BYTES)
        except zlib.error as error:
            raise FrameError(f"headers cannot be decompressed: {error}") from None
        if self._zlib.unconsumed_tail or self._zlib.eof:
            raise FrameError(f"headers of more than {MAX_BLOCK_BYTES} bytes, or a compression that has ended")
        try:
            return _parse(data)
        except (StructError, ValueError) as error:
            raise FrameError(f"headers cannot be read: {error}") from None


def _parse(data: bytes) -> Headers:
    (count,) = unpack_from("!I", data)
    headers: Headers = {}
    position = 4
    for _ in range(count):
        name, position = _text(data, position)
        value, position = _text(data, position)
        if not name or name in headers:
            raise ValueError(f"the name {name!r} is empty or there twice")
        headers[name] = value
    if position != len(data):
        raise ValueError(f"{len(data) - position} bytes are left over")
    return headers


def _text(data: bytes, position: int) -> tuple[str, int]:
    (length,) = unpack_from("!I", data, position)
    start, end = position + 4, position + 4 + length
    if end > len(data):
        raise ValueError("a text goes on beyond the end")
    return data[start:end].decode(), end

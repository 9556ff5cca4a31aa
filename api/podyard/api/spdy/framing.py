"""Frames of SPDY/3.1, to and from bytes (draft-mbelshe-httpbis-spdy-00, 2.2 and 2.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct, pack, unpack_from

from podyard.api.spdy.headers import Compressor, Decompressor, FrameError, Headers

VERSION = 3
MAX_CONTROL_BYTES = 64 * 1024
"""No control frame may be longer; a data frame may, it is passed on in pieces."""

FIN = 0x01
_CONTROL = 0x8000_0000
_ID_MASK = 0x7FFF_FFFF
_HEAD = Struct("!II")


class Type(IntEnum):
    """The control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class Reset(IntEnum):
    """Why a stream is reset."""

    PROTOCOL_ERROR = 1
    REFUSED_STREAM = 3
    CANCEL = 5


@dataclass(frozen=True, slots=True)
class SynStream:
    """The peer opens a stream; `fin`: and will not send on it."""

    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class SynReply:
    """The peer takes a stream."""

    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    """Headers that come later (HEADERS)."""

    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    """The peer ends a stream in both directions."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    """To be sent back by the side that did not choose the number."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """The peer opens and takes no more streams."""

    last_stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Data:
    """Some bytes of a stream: a data frame or a part of one; `fin`: they are the last."""

    stream: int
    data: bytes
    fin: bool = False


Frame = SynStream | SynReply | MoreHeaders | RstStream | Ping | GoAway | Data
"""What is acted on. SETTINGS and WINDOW_UPDATE, and types that nobody knows, are passed over."""


class Decoder:
    """Turns the bytes of a connection into frames, as they come. Holds back less than one control frame."""

    def __init__(self) -> None:
        self._headers = Decompressor()
        self._buffer = b""
        self._stream = 0  # of the data frame that is being received
        self._fin = False
        self._left = 0  # bytes of it that have not come yet

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete. Raises FrameError; nothing can be fed after that."""
        buffer = self._buffer + data if self._buffer else data
        frames: list[Frame] = []
        position = 0
        while position < len(buffer):
            if self._left:
                piece = buffer[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                frames.append(Data(self._stream, piece, self._fin and not self._left))
                continue
            if len(buffer) - position < _HEAD.size:
                break
            first, second = _HEAD.unpack_from(buffer, position)
            flags, length = second >> 24, second & 0xFF_FFFF
            if not first & _CONTROL:
                position += _HEAD.size
                if not length:
                    frames.append(Data(first, b"", bool(flags & FIN)))
                self._stream, self._fin, self._left = first, bool(flags & FIN), length
                continue
            if length > MAX_CONTROL_BYTES:
                raise FrameError(f"a control frame of {length} bytes")
            end = position + _HEAD.size + length
            if end > len(buffer):
                break
            frame = self._control(first, flags, buffer[position + _HEAD.size : end])
            if frame is not None:
                frames.append(frame)
            position = end
        self._buffer = buffer[position:]
        return frames

    def _control(self, first: int, flags: int, body: bytes) -> Frame | None:
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != VERSION:
            raise FrameError(f"version {version} of SPDY")
        fin = bool(flags & FIN)
        match kind:
            case Type.SYN_STREAM:
                return SynStream(_number(body, 0), self._headers.unpack(_rest(body, 10)), fin)
            case Type.SYN_REPLY:
                return SynReply(_number(body, 0), self._headers.unpack(_rest(body, 4)), fin)
            case Type.HEADERS:
                return MoreHeaders(_number(body, 0), self._headers.unpack(_rest(body, 4)), fin)
            case Type.RST_STREAM:
                return RstStream(_number(body, 0), _number(body, 4))
            case Type.PING:
                return Ping(_number(body, 0, mask=0xFFFF_FFFF))
            case Type.GOAWAY:
                return GoAway(_number(body, 0), _number(body, 4))
        return None


def _number(body: bytes, position: int, mask: int = _ID_MASK) -> int:
    if len(body) < position + 4:
        raise FrameError("a control frame is too short")
    (number,) = unpack_from("!I", body, position)
    return int(number) & mask


def _rest(body: bytes, position: int) -> bytes:
    if len(body) < position:
        raise FrameError("a control frame is too short")
    return body[position:]


class Encoder:
    """Turns frames into bytes. They must be sent in the order in which they were made."""

    def __init__(self) -> None:
        self._headers = Compressor()

    def syn_stream(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        """Open a stream; `fin`: nothing will be sent on it."""
        body = pack("!IIH", stream, 0, 0) + self._headers.pack(headers)
        return _control(Type.SYN_STREAM, body, FIN if fin else 0)

    def syn_reply(self, stream: int) -> bytes:
        """Take a stream."""
        return _control(Type.SYN_REPLY, pack("!I", stream) + self._headers.pack({}))

    def rst_stream(self, stream: int, status: Reset) -> bytes:
        """End a stream in both directions."""
        return _control(Type.RST_STREAM, pack("!II", stream, status))

    def ping(self, number: int) -> bytes:
        """Ask whether the peer is there, or answer that."""
        return _control(Type.PING, pack("!I", number))

    def goaway(self, last_stream: int) -> bytes:
        """Say that no more streams are taken (status OK)."""
        return _control(Type.GOAWAY, pack("!II", last_stream, 0))

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """Some bytes of a stream, fewer than 2²⁴."""
        return _HEAD.pack(stream, (FIN if fin else 0) << 24 | len(data)) + data


def _control(kind: Type, body: bytes, flags: int = 0) -> bytes:
    return _HEAD.pack(_CONTROL | VERSION << 16 | kind, flags << 24 | len(body)) + body

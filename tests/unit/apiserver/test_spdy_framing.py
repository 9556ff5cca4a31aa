"""SPDY/3.1 frames, to and from bytes."""

from __future__ import annotations

import random
import struct
import zlib

import pytest

from podyard.api.spdy.dictionary import DICTIONARY
from podyard.api.spdy.framing import (
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    MoreHeaders,
    Ping,
    Reset,
    RstStream,
    SynReply,
    SynStream,
)
from podyard.api.spdy.headers import MAX_BLOCK_BYTES, Compressor, Decompressor, FrameError
from tests.support.spdy import Frames, control, data_frame


def test_the_dictionary_is_the_one_of_spdy_3() -> None:
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


def everything() -> tuple[bytes, list[Frame]]:
    """One of each frame, and what they mean."""
    frames = Frames()
    sent = (
        frames.syn_stream(1, {"streamtype": "error"}, fin=True)
        + frames.syn_stream(3, {"streamtype": "data", "port": "80", "requestid": "0"})
        + control(4, struct.pack("!III", 1, 7, 65536))  # SETTINGS
        + control(9, struct.pack("!II", 3, 65536))  # WINDOW_UPDATE
        + control(5, b"")  # NOOP of an older version: nobody knows it any more
        + data_frame(3, b"hello")
        + control(6, struct.pack("!I", 7))
        + data_frame(3, b"", fin=True)
        + control(3, struct.pack("!II", 3, 5))
        + control(7, struct.pack("!II", 1, 0))
    )
    meant: list[Frame] = [
        SynStream(1, {"streamtype": "error"}, fin=True),
        SynStream(3, {"streamtype": "data", "port": "80", "requestid": "0"}),
        Data(3, b"hello"),
        Ping(7),
        Data(3, b"", fin=True),
        RstStream(3, 5),
        GoAway(1, 0),
    ]
    return sent, meant


def test_every_frame_is_read() -> None:
    sent, meant = everything()
    assert Decoder().feed(sent) == meant


def test_frames_are_read_from_single_bytes() -> None:
    sent, meant = everything()
    decoder = Decoder()
    found = [frame for i in range(len(sent)) for frame in decoder.feed(sent[i : i + 1])]
    # Data comes in pieces then: as soon as it is there.
    assert b"".join(f.data for f in found if isinstance(f, Data)) == b"hello"
    assert [f for f in found if not isinstance(f, Data)] == [f for f in meant if not isinstance(f, Data)]


def test_a_long_data_frame_is_passed_on_in_pieces() -> None:
    decoder = Decoder()
    frame = data_frame(1, b"x" * 100_000, fin=True)
    assert decoder.feed(frame[:50_008]) == [Data(1, b"x" * 50_000)]
    assert decoder.feed(frame[50_008:]) == [Data(1, b"x" * 50_000, fin=True)]


def test_what_is_written_can_be_read() -> None:
    encoder, decoder = Encoder(), Decoder()
    sent = (
        encoder.syn_reply(1)
        + encoder.syn_reply(3)
        + encoder.data(1, b"out")
        + encoder.data(1, b"", fin=True)
        + encoder.rst_stream(3, Reset.REFUSED_STREAM)
        + encoder.ping(2)
        + encoder.goaway(3)
    )
    assert decoder.feed(sent) == [
        SynReply(1, {}),
        SynReply(3, {}),
        Data(1, b"out"),
        Data(1, b"", fin=True),
        RstStream(3, 3),
        Ping(2),
        GoAway(3, 0),
    ]


def test_headers_that_come_later() -> None:
    block = Compressor().pack({"Name": "v"})
    assert Decoder().feed(control(8, struct.pack("!I", 5) + block, 1)) == [
        MoreHeaders(5, {"name": "v"}, True)
    ]


def packed(text: bytes) -> bytes:
    compressor = zlib.compressobj(zdict=DICTIONARY)
    return compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)


def head(body: bytes) -> bytes:
    return control(1, struct.pack("!IIH", 1, 0, 0) + body)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (control(6, struct.pack("!I", 1), version=2), "version 2"),
        (struct.pack("!HHI", 0x8003, 1, 0xFFFFFF), "a control frame of 16777215 bytes"),
        (control(1, b"\0" * 9), "too short"),
        (control(3, b"\0" * 7), "too short"),
        (control(6, b""), "too short"),
        (head(b"no zlib"), "cannot be decompressed"),
        (head(packed(b"")), "cannot be read"),
        (head(packed(struct.pack("!II", 1, 1000))), "beyond the end"),
        (head(packed(struct.pack("!I", 1) + b"\0\0\0\0" * 2)), "empty"),
        (head(packed(struct.pack("!I", 2) + b"\0\0\0\1a\0\0\0\0" * 2)), "twice"),
        (head(packed(struct.pack("!I", 0) + b"x")), "left over"),
        (head(packed(struct.pack("!I", 1) + b"\0\0\0\1\xff\0\0\0\0")), "cannot be read"),
        (head(packed(struct.pack("!I", 0xFFFFFFFF))), "cannot be read"),
    ],
)
def test_what_is_no_spdy_is_refused(sent: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        Decoder().feed(sent)


def test_headers_cannot_become_huge() -> None:
    bomb = packed(struct.pack("!III", 1, 1, 10 * MAX_BLOCK_BYTES) + b"a" * 10 * MAX_BLOCK_BYTES)
    assert len(bomb) < 2000
    with pytest.raises(FrameError, match="headers of more than 65536 bytes"):
        Decompressor().unpack(bomb)


def test_noise_ends_in_frames_or_in_an_error() -> None:
    """Whatever comes: FrameError or frames, never anything else, and little is held back."""
    rng = random.Random(7)
    sent, _ = everything()
    for _ in range(3000):
        noise = bytearray(sent)
        for _ in range(rng.randrange(1, 8)):
            noise[rng.randrange(len(noise))] = rng.randrange(256)
        cut = rng.randrange(len(noise))
        decoder = Decoder()
        try:
            for piece in (bytes(noise[:cut]), bytes(noise[cut:])):
                for frame in decoder.feed(piece):
                    assert not isinstance(frame, Data) or len(frame.data) <= len(noise)
        except FrameError:
            continue

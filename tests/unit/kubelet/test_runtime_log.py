"""The container log file: entries and rotation."""

from __future__ import annotations

from pathlib import Path

import pytest

from podyard.kubelet.shim.log import MAX_LINE_BYTES, LineSplitter, LogFile, timestamp

NOW = b"2026-01-02T03:04:05.000000006Z"


def test_timestamp() -> None:
    assert timestamp(1_767_323_045_000_000_006) == NOW


@pytest.mark.parametrize(
    ("chunks", "entries"),
    [
        ([b"a\nb\n"], [b"F a", b"F b"]),
        ([b"a", b"b\n"], [b"F ab"]),
        ([b"\n\n"], [b"F ", b"F "]),
        ([b"no newline"], [b"P no newline"]),
        ([b"caf\xc3", b"\xa9\n"], [b"F caf\xc3\xa9"]),
        ([b"x" * (MAX_LINE_BYTES + 1) + b"\n"], [b"P " + b"x" * MAX_LINE_BYTES, b"F x"]),
        ([b"x" * MAX_LINE_BYTES, b"yz", b"\n"], [b"P " + b"x" * MAX_LINE_BYTES, b"F yz"]),
        ([], []),
    ],
)
def test_entries(chunks: list[bytes], entries: list[bytes]) -> None:
    splitter = LineSplitter("stderr")
    out = b"".join(splitter.feed(chunk, NOW) for chunk in chunks) + splitter.end(NOW)
    assert out == b"".join(NOW + b" stderr " + entry + b"\n" for entry in entries)


def test_rotation_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = LogFile(str(path), max_bytes=10, max_files=3)
    for number in range(5):
        log.write(b"entry-%03d\n" % number)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "0.log": b"",
        "0.log.1": b"entry-004\n",
        "0.log.2": b"entry-003\n",
    }
    log.close()


def test_a_second_writer_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    for _ in range(2):
        log = LogFile(str(tmp_path / "0.log"), max_bytes=100)
        log.write(b"x\n")
        log.close()
    assert (tmp_path / "0.log").read_bytes() == b"x\nx\n"


def test_a_log_that_could_not_be_opened_is_tried_again(tmp_path: Path) -> None:
    """As after a rotation for which no descriptor was free."""
    log = LogFile(str(tmp_path / "pod" / "0.log"))
    log.write(b"lost\n")
    (tmp_path / "pod").mkdir()
    log.write(b"kept\n")
    log.close()
    assert (tmp_path / "pod" / "0.log").read_bytes() == b"kept\n"


def test_a_log_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "gone" / "0.log"))
    log.write(b"x\n")
    log.close()

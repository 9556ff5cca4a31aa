"""Reading logs in the CRI's format: options, rotation, following."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podyard.kubelet.logs import LogOptions, last_words, log_files, parse_line, read_logs


def stored(*entries: str, second: int = 0) -> str:
    """Entries such as "stdout F text" with times one second apart, from `second` on."""
    return "".join(
        f"2026-01-01T00:00:{second + n:02d}.000000000Z {entry}\n" for n, entry in enumerate(entries)
    )


LINES = stored("stdout F one", "stderr F two", "stdout P thr", "stdout F ee", "stdout F four")
TIMES = [f"2026-01-01T00:00:{n:02d}.000000000Z" for n in range(6)]
SINCE_2 = 1767225602.0  # 2026-01-01T00:00:02Z


async def read(path: Path, options: LogOptions) -> str:
    return b"".join([piece async for piece in read_logs(path, options, running=lambda: False)]).decode()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (LogOptions(), "one\ntwo\nthree\nfour\n"),
        (LogOptions(tail_lines=2), "three\nfour\n"),
        (LogOptions(tail_lines=0), ""),
        (LogOptions(tail_lines=99), "one\ntwo\nthree\nfour\n"),
        (LogOptions(limit_bytes=6), "one\ntw"),
        (LogOptions(limit_bytes=6, tail_lines=1), "four\n"),
        (LogOptions(since=SINCE_2), "three\nfour\n"),
        (LogOptions(since=SINCE_2 + 1000), ""),
        (
            LogOptions(timestamps=True, tail_lines=3),
            f"{TIMES[1]} two\n{TIMES[2]} three\n{TIMES[4]} four\n",
        ),
    ],
)
async def test_options(tmp_path: Path, options: LogOptions, text: str) -> None:
    path = tmp_path / "0.log"
    path.write_text(LINES)
    assert await read(path, options) == text


async def test_rotated_parts_are_read_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    for name, text in (
        ("0.log.2", "a"),
        ("0.log.1", "b"),
        ("0.log", "c"),
        ("10.log", "x"),
        ("0.log.gz", "y"),
    ):
        (tmp_path / name).write_text(stored(f"stdout F {text}"))
    assert [file.name for file in log_files(path)] == ["0.log.2", "0.log.1", "0.log"]
    assert await read(path, LogOptions()) == "a\nb\nc\n"
    assert await read(path, LogOptions(tail_lines=2)) == "b\nc\n"


@pytest.mark.parametrize("count", [0, 1, 7, 300, 999, 1000, 1001, 5000])
async def test_the_tail_of_a_large_log(tmp_path: Path, count: int) -> None:
    path = tmp_path / "0.log"
    text = "x" * 100
    lines = [f"{number} {text}" for number in range(1000)]
    for part, name in ((lines[:600], "0.log.1"), (lines[600:], "0.log")):
        entries = "".join(
            f"{TIMES[0]} stdout P {line[:50]}\n{TIMES[0]} stdout F {line[50:]}\n" for line in part
        )
        (tmp_path / name).write_text(entries)
    wanted = lines[-count:] if count else []
    assert (await read(path, LogOptions(tail_lines=count))).splitlines() == wanted


def test_the_last_words_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(LINES)
    assert last_words(path, 2, 100) == "three\nfour\n"
    assert last_words(path, 2, 6) == "\nfour\n"
    assert last_words(tmp_path / "none", 2, 6) == ""


async def test_no_log_yet_is_an_empty_one(tmp_path: Path) -> None:
    assert await read(tmp_path / "none" / "0.log", LogOptions()) == ""


def test_torn_lines_are_no_lines() -> None:
    assert parse_line(b"2026-01-01T00:00:00Z stdout F half") is None
    assert parse_line(b"garbage\n") is None


class Container:
    """A log that grows, and somebody who follows it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs = True
        self.text = ""
        self.grew = asyncio.Condition()
        self.task = asyncio.create_task(self.follow())

    async def follow(self) -> None:
        async for piece in read_logs(self.path, LogOptions(follow=True), running=lambda: self.runs):
            self.text += piece.decode()
            async with self.grew:
                self.grew.notify_all()

    def write(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)

    async def shows(self, text: str) -> None:
        async with asyncio.timeout(20), self.grew:
            await self.grew.wait_for(lambda: self.text == text)


async def test_following_goes_on_until_the_container_ends(tmp_path: Path) -> None:
    container = Container(tmp_path / "0.log")
    container.write(stored("stdout F one"))
    await container.shows("one\n")
    container.write(stored("stdout F two")[:-3])
    container.write(stored("stdout F two")[-3:])
    await container.shows("one\ntwo\n")
    container.write(stored("stdout F last"))
    container.runs = False
    await asyncio.wait_for(container.task, 20)
    assert container.text == "one\ntwo\nlast\n"


async def test_following_survives_rotation(tmp_path: Path) -> None:
    container = Container(tmp_path / "0.log")
    container.write(stored("stdout F one"))
    await container.shows("one\n")
    container.write(stored("stdout F two"))
    container.path.rename(tmp_path / "0.log.1")
    container.write(stored("stdout F three"))
    await container.shows("one\ntwo\nthree\n")
    container.runs = False
    await asyncio.wait_for(container.task, 20)

"""The supervisor, with small real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop

from podyard.cli.cluster import supervisor as module
from podyard.cli.cluster.processes import ProcessSpec
from podyard.cli.cluster.supervisor import Process, Supervisor

READY = "from podyard.process.notify import notify; notify(READY=1, STATUS='here'); "
WAIT = "import signal; signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@dataclass(frozen=True)
class Script(ProcessSpec):
    """A process that runs a line of Python."""

    code: str = ""

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", self.code]


class Watched:
    """A supervisor, and a way to wait until its processes are as a test wants them."""

    def __init__(self, log_dir: Path) -> None:
        self._changed = asyncio.Event()
        self.supervisor = Supervisor(
            log_dir, log_dir.with_name("notify"), lambda spec: spec.command, lambda _: self._changed.set()
        )

    def process(self, name: str) -> Process:
        return self.supervisor.processes[name]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "logs")


def script(code: str, name: str = "one") -> Script:
    return Script(name, "nowhere", (), code)


async def test_a_ready_process_is_shown(watched: Watched) -> None:
    watched.supervisor.start([script(READY + WAIT)])
    await watched.until(lambda: watched.process("one").ready)
    (shown,) = watched.supervisor.snapshot()
    assert (shown["health"], shown["detail"], shown["restarts"]) == ("ready", "here", 0)
    pid = shown["pid"]
    await watched.supervisor.stop(last="")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_a_process_says_at_once_is_heard(tmp_path: Path) -> None:
    """Though the machine runs the process first, and whoever has started it later."""
    said = tmp_path / "said"

    def wait() -> None:
        end = time.monotonic() + 20
        while not said.exists() and time.monotonic() < end:
            time.sleep(0.01)

    def wrap(spec: ProcessSpec) -> list[str]:
        asyncio.get_running_loop().call_soon(wait)
        return spec.command

    async def start() -> None:
        watched = Watched(tmp_path / "logs")
        watched.supervisor._wrap = wrap
        watched.supervisor.start([script(f"{READY}open({str(said)!r}, 'w'); {WAIT}")])
        await watched.until(lambda: watched.process("one").ready)
        await watched.supervisor.stop(last="")

    uvloop.run(start())  # as `podyard up` does


async def test_a_killed_process_is_restarted(watched: Watched) -> None:
    watched.supervisor.start([script(READY + WAIT)])
    await watched.until(lambda: watched.process("one").ready)
    pid = watched.process("one").pid
    os.kill(pid, signal.SIGKILL)
    await watched.until(lambda: watched.process("one").restarts == 1 and watched.process("one").ready)
    assert watched.process("one").pid != pid
    await watched.supervisor.stop(last="")


async def test_a_process_that_is_down_says_how_it_ended(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESTART_DELAYS", (60.0,))
    watched.supervisor.start([script(READY + WAIT)])
    await watched.until(lambda: watched.process("one").ready)
    os.kill(watched.process("one").pid, signal.SIGKILL)
    await watched.until(lambda: watched.process("one").restarts)
    (shown,) = watched.supervisor.snapshot()
    assert (shown["health"], shown["detail"]) == ("down", "ended (signal SIGKILL)")
    await watched.supervisor.stop(last="")


async def test_last_words_are_kept(watched: Watched) -> None:
    code = "import sys; print('first', file=sys.stderr); sys.exit('podyard: no such thing')"
    watched.supervisor.start([script(code)])
    await watched.until(lambda: watched.process("one").restarts)
    assert watched.process("one").last_words == "podyard: no such thing"
    assert not watched.process("one").ever_ready
    await watched.supervisor.stop(last="")


async def test_a_process_that_ignores_sigterm_is_killed(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    watched.supervisor.start([script(DEAF + READY + WAIT)])
    await watched.until(lambda: watched.process("one").ready)
    pid = watched.process("one").pid
    await watched.supervisor.stop(last="")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_the_last_one_ends_after_the_others(watched: Watched, tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = (
        "import signal, sys\n"
        f"def end(*_):\n    open({str(order)!r}, 'a').write(NAME); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n" + READY + WAIT
    )
    names = ["first", "server", "third"]
    watched.supervisor.start([script(f"NAME={name!r}+' '\n" + code, name) for name in names])
    await watched.until(lambda: all(watched.process(name).ready for name in names))
    await watched.supervisor.stop(last="server")
    assert order.read_text().split()[-1] == "server"
    assert set(order.read_text().split()) == set(names)


async def test_a_stranger_is_not_believed(watched: Watched) -> None:
    watched.supervisor.start([script(WAIT)])
    await watched.until(lambda: watched.process("one").pid)
    name = str(watched.supervisor._notify_path)
    stranger = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READY, env={**os.environ, "NOTIFY_SOCKET": name}
    )
    await stranger.wait()
    assert not watched.process("one").ready
    await watched.supervisor.stop(last="")


@pytest.mark.parametrize(
    ("before", "ran", "after"),
    [(0, 29.0, 1), (1, 0.0, 2), (0, 31.0, 0), (5, 31.0, 0)],
)
def test_only_quick_ends_delay_the_restart(before: int, ran: float, after: int) -> None:
    process = Process(script(""), started=100.0, quick_failures=before)
    assert module.quick_failures(process, 100.0 + ran) == after
    assert module.RESTART_DELAYS[0] == module.RESTART_DELAYS[1] == 0.0


@pytest.mark.parametrize(
    ("process", "health"),
    [
        (Process(script("")), "down"),
        (Process(script(""), pid=1, heard=95.0), "starting"),
        (Process(script(""), pid=1, heard=95.0, ready=True), "ready"),
        (Process(script(""), pid=1, heard=80.0, ready=True), "not responding"),
    ],
)
def test_health(process: Process, health: str) -> None:
    assert process.health(100.0) == health


async def test_a_process_that_cannot_be_started_says_why(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "logs" / "one.log").mkdir(parents=True)
    watched.supervisor.start([script(READY + WAIT)])
    await watched.until(lambda: watched.process("one").restarts)
    log = tmp_path / "logs" / "one.log"
    assert watched.process("one").last_words == f"{log}: Is a directory"
    log.rmdir()
    await watched.until(lambda: watched.process("one").ready)
    await watched.supervisor.stop(last="")

"""Exec and attach."""

from __future__ import annotations

import asyncio
import os
import resource

import pytest

from podyard.kubelet.runtime import ContainerState, NotRunning, RuntimeFailure, StartError, Streams
from podyard.kubelet.shim.streams import CLIENT_BACKLOG_BYTES, EARLY_BYTES
from tests.unit.kubelet.runtime_harness import Pods, descriptors_left, processes_of, until


async def read_all(streams: Streams) -> dict[str, bytes]:
    found = {"stdout": b"", "stderr": b""}
    async for name, data in streams.output():
        found[name] += data
    return found


async def test_exec_has_streams_environment_and_exit_code(pods: Pods) -> None:
    container = await pods.run("sleep 1000", env={"WHO": "me"}, working_dir="/usr")
    streams = await pods.runtime.exec(
        container, ["sh", "-c", "cat; echo $WHO; pwd; echo err >&2; exit 5"], stdin=True, tty=False
    )
    await streams.write(b"in\n")
    streams.close_stdin()
    assert await read_all(streams) == {"stdout": b"in\nme\n/usr\n", "stderr": b"err\n"}
    assert await streams.wait() == 5
    await streams.aclose()


async def test_exec_by_signal(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    result = await pods.runtime.exec_sync(container, ["sh", "-c", "kill -KILL $$"], 10)
    assert result.exit_code == 137


async def test_exec_of_what_does_not_exist(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StartError, match=r'exec: "nope": executable file not found in \$PATH'):
        await pods.runtime.exec(container, ["nope"], stdin=True, tty=False)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("tty", [True, False])
async def test_exec_without_descriptors(pods: Pods, tty: bool) -> None:
    container = await pods.run("sleep 1000")
    before = len(os.listdir("/proc/self/fd"))
    for left in range(6):
        with descriptors_left(left), pytest.raises(RuntimeFailure, match=r"[Tt]oo many open files"):
            await pods.runtime.exec(container, ["true"], stdin=True, tty=tty and left < 2)
    assert len(os.listdir("/proc/self/fd")) == before
    (sandbox,) = await pods.runtime.list_pod_sandboxes()
    _, most = resource.prlimit(sandbox.pid, resource.RLIMIT_NOFILE)
    for left in range(20):
        taken = len(os.listdir(f"/proc/{sandbox.pid}/fd"))
        resource.prlimit(sandbox.pid, resource.RLIMIT_NOFILE, (taken + left, most))
        try:
            streams = await pods.runtime.exec(container, ["true"], stdin=True, tty=tty)
        except RuntimeFailure as error:
            assert "too many open files" in str(error)
        else:
            break
        # The shim has answered, and closes what it was sent.
        await until(lambda taken=taken: len(os.listdir(f"/proc/{sandbox.pid}/fd")) == taken)  # type: ignore[misc]
    assert await streams.wait() == 0
    await streams.aclose()


async def test_exec_in_what_does_not_run(pods: Pods) -> None:
    created = await pods.create("sleep 1000")
    ended = await pods.run("exit 0")
    await pods.exited(ended)
    for container in (created, ended):
        with pytest.raises(NotRunning):
            await pods.runtime.exec(container, ["true"], stdin=False, tty=False)


async def test_exec_with_a_terminal(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    streams = await pods.runtime.exec(
        container, ["sh", "-c", "read x; stty size; tty; echo $TERM"], stdin=True, tty=True
    )
    streams.resize(132, 43)
    await streams.write(b"go\n")
    output = (await read_all(streams))["stdout"]
    assert b"43 132\r\n/dev/pts/" in output
    assert output.endswith(b"xterm\r\n")
    assert await streams.wait() == 0
    await streams.aclose()


async def test_interrupt_through_a_terminal(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    streams = await pods.runtime.exec(
        container, ["sh", "-c", "echo up; exec sleep 1000"], stdin=True, tty=True
    )
    output = streams.output()
    assert await anext(output) == ("stdout", b"up\r\n")
    await streams.write(b"\x03")
    assert await streams.wait() == 130
    await streams.aclose()


async def test_exec_ends_though_a_child_keeps_the_pipes(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    streams = await pods.runtime.exec(
        container, ["sh", "-c", "sleep 1000 & echo done"], stdin=False, tty=False
    )
    assert (await read_all(streams))["stdout"] == b"done\n"  # not after the child's 1000 s
    await streams.aclose()


async def test_much_data_both_ways(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    data = os.urandom(3_000_000)
    streams = await pods.runtime.exec(container, ["cat"], stdin=True, tty=False)

    async def feed() -> None:
        await streams.write(data)
        streams.close_stdin()

    feeding = asyncio.create_task(feed())
    assert (await read_all(streams))["stdout"] == data
    await feeding
    await streams.aclose()


async def test_exec_sync_gives_up_and_kills(pods: Pods) -> None:
    container = await pods.run(["sleep", "1000"])
    before = len(processes_of(container))
    result = await pods.runtime.exec_sync(container, ["sh", "-c", "echo some; sleep 1000"], 3)
    assert (result.timed_out, result.stdout) == (True, b"some\n")
    await until(lambda: len(processes_of(container)) == before)


async def test_exec_sync_keeps_the_beginning(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    result = await pods.runtime.exec_sync(container, ["sh", "-c", "yes | head -c 100000"], 10)
    assert result.stdout == b"y\n" * (16 * 1024 // 2)


async def test_exec_ends_with_its_container(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    streams = await pods.runtime.exec(container, ["sleep", "1000"], stdin=False, tty=False)
    await pods.runtime.stop_container(container, 0)
    assert await streams.wait() == 137
    await streams.aclose()


async def test_attach_sees_output_and_gives_input(pods: Pods) -> None:
    container = await pods.run("read x; echo got $x; echo err >&2; exit 3", stdin=True)
    streams = await pods.runtime.attach(container, stdin=True)
    await streams.write(b"hello\n")
    assert await read_all(streams) == {"stdout": b"got hello\n", "stderr": b"err\n"}
    assert await streams.wait() == 3
    await streams.aclose()
    assert ("stdout", "F", "got hello") in await pods.log(container)


async def test_stdin_once_ends_with_the_first_client(pods: Pods) -> None:
    container = await pods.run("cat; echo end", stdin=True, stdin_once=True)
    streams = await pods.runtime.attach(container, stdin=True)
    await streams.write(b"a\n")
    streams.close_stdin()
    assert (await read_all(streams))["stdout"] == b"a\nend\n"
    await streams.aclose()


@pytest.mark.parametrize("tty", [True, False])
async def test_the_first_client_of_stdin_once_gets_what_was_said_before(pods: Pods, tty: bool) -> None:
    script = f"head -c {2 * EARLY_BYTES} /dev/zero; echo; stty -echo 2>&-; echo early; read x; echo got $x"
    container = await pods.run(script, stdin=True, stdin_once=True, tty=tty)
    await pods.logged(container, "early\r" if tty else "early")
    first = await pods.runtime.attach(container, stdin=True)
    second = await pods.runtime.attach(container, stdin=False)
    await first.write(b"it\n")
    ends = "\r\n" if tty else "\n"
    early, late = f"{ends}early{ends}".encode(), f"got it{ends}".encode()
    seen = (await read_all(first))["stdout"]
    assert seen.endswith(b"\0" + early + late)
    assert len(seen) == EARLY_BYTES + len(late)
    assert (await read_all(second))["stdout"] == late
    for streams in (first, second):
        await streams.aclose()


async def test_without_stdin_once_the_next_client_goes_on(pods: Pods) -> None:
    container = await pods.run("read a; read b; echo $a $b", stdin=True)
    first = await pods.runtime.attach(container, stdin=True)
    await first.write(b"one\n")
    first.close_stdin()
    await first.aclose()
    second = await pods.runtime.attach(container, stdin=True)
    await second.write(b"two\n")
    assert (await read_all(second))["stdout"] == b"one two\n"
    await second.aclose()


async def test_attach_to_a_terminal(pods: Pods) -> None:
    container = await pods.run("read x; stty size", stdin=True, tty=True)
    streams = await pods.runtime.attach(container, stdin=True)
    streams.resize(100, 50)
    await streams.write(b"go\n")
    assert b"50 100\r\n" in (await read_all(streams))["stdout"]
    await streams.aclose()


async def much_output(pods: Pods) -> tuple[str, Streams]:
    """A container that writes 3 MB, and a client that has not read any of it yet."""
    container = await pods.run("read x; head -c 3000000 /dev/zero; exit 5", stdin=True)
    lazy = await pods.runtime.attach(container, stdin=True)
    await lazy.write(b"go\n")
    log = (await pods.runtime.container_status(container)).log_path
    await until(lambda: log.exists() and log.stat().st_size > CLIENT_BACKLOG_BYTES)
    return container, lazy


async def test_a_client_that_reads_slowly_gets_everything(pods: Pods) -> None:
    container, lazy = await much_output(pods)
    assert (await pods.runtime.container_status(container)).state == ContainerState.RUNNING
    assert (await read_all(lazy))["stdout"] == bytes(3_000_000)
    assert await lazy.wait() == 5
    await lazy.aclose()


async def test_a_client_that_goes_without_reading_is_not_waited_for(pods: Pods) -> None:
    container, lazy = await much_output(pods)
    await lazy.aclose()
    assert (await pods.exited(container)).exit_code == 5


async def test_a_container_whose_client_does_not_read_can_be_stopped(pods: Pods) -> None:
    container, lazy = await much_output(pods)
    await pods.runtime.stop_container(container, 0)
    assert (await pods.exited(container)).exit_code == 137
    await lazy.aclose()


async def test_two_clients_see_the_same(pods: Pods) -> None:
    container = await pods.run("read x; echo $x", stdin=True)
    one = await pods.runtime.attach(container, stdin=True)
    two = await pods.runtime.attach(container, stdin=False)
    await one.write(b"hi\n")
    assert (await read_all(one))["stdout"] == (await read_all(two))["stdout"] == b"hi\n"
    await one.aclose()
    await two.aclose()

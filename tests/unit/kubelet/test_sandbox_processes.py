"""Process ids, IPC objects, exec and the end of containers, with real namespaces."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from podyard.kubelet.runtime import ContainerState, Mount, NamespaceMode, SandboxState, StartError
from tests.unit.kubelet.runtime_harness import Pods, needs_namespaces, processes_of, until

pytestmark = needs_namespaces


def namespace(pid: int | str, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def out(pods: Pods, container: str, script: str) -> list[str]:
    """What a script writes that is run beside a container's process."""
    result = await pods.runtime.exec_sync(container, ["sh", "-c", script], 10)
    assert result.exit_code == 0, result.stderr
    return result.stdout.decode().splitlines()


async def test_a_container_sees_its_own_processes(pods: Pods) -> None:
    container = await pods.run("echo $$; sleep 1000 & sleep 1000 & wait")
    await pods.logged(container, "1")
    names = await out(pods, container, "for p in /proc/[0-9]*; do cat $p/comm; done 2>/dev/null")
    assert names.count("sleep") == 2
    assert len(names) <= 5, "two shells, two sleeps, one cat"
    assert await out(pods, container, "tr '\\0' ' ' < /proc/1/cmdline") == [
        "sh -c echo $$; sleep 1000 & sleep 1000 & wait "
    ]
    assert not [line for line in names if "shim" in line or "python" in line]


async def test_exec_sees_what_the_container_sees(pods: Pods, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("volume")
    sandbox = await pods.sandbox(hostname="inside")
    container = await pods.run(
        "echo mine > /tmp/mine; echo up; sleep 1000",
        sandbox=sandbox,
        mounts=[Mount(str(tmp_path), "/vol/ume")],
        working_dir="/vol",
        env={"COLOUR": "blue"},
    )
    await pods.logged(container, "up")
    assert await out(pods, container, "pwd; cat /tmp/mine ume/file; echo; hostname; echo $COLOUR") == [
        "/vol",
        "mine",
        "volume",
        "inside",
        "blue",
    ]
    pid = (await pods.runtime.container_status(container)).pid
    kinds = "mnt pid ipc uts net user"
    seen = await out(pods, container, f"for n in {kinds}; do readlink /proc/self/ns/$n; done")
    assert seen == [namespace(pid, kind) for kind in kinds.split()]
    own = [namespace("self", kind) for kind in kinds.split()]
    assert [a == b for a, b in zip(seen, own, strict=True)] == [False] * 4 + [True, os.geteuid() == 0]


async def test_two_containers_of_a_pod(pods: Pods) -> None:
    sandbox = await pods.sandbox()
    first, second = [await pods.run("sleep 1000", sandbox=sandbox, name=name) for name in ("a", "b")]
    pids = [(await pods.runtime.container_status(container)).pid for container in (first, second)]
    same = {
        kind: namespace(pids[0], kind) == namespace(pids[1], kind) for kind in ("ipc", "uts", "pid", "mnt")
    }
    assert same == {"ipc": True, "uts": True, "pid": False, "mnt": False}
    other = await pods.run("sleep 1000")
    pid = (await pods.runtime.container_status(other)).pid
    assert namespace(pid, "ipc") != namespace(pids[0], "ipc")


async def test_a_pod_that_shares_its_process_ids(pods: Pods) -> None:
    sandbox = await pods.sandbox(pid=NamespaceMode.POD)
    first = await pods.run("(sleep 0.01 & sleep 0.01 &); sleep 1000 & wait", sandbox=sandbox, name="a")
    second = await pods.run("setsid sleep 2000 & sleep 2001 & wait", sandbox=sandbox, name="b")
    names = "cat /proc/[0-9]*/comm 2>/dev/null || true"
    # Until the orphans have ended and are reaped.
    while (await out(pods, second, names)).count("sleep") != 3:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert await out(pods, second, "cat /proc/1/comm") == ["pause"]
    await pods.runtime.stop_container(second, 0)
    assert processes_of(second) == []
    assert (await pods.runtime.container_status(first)).state == ContainerState.RUNNING
    third = await pods.run("sleep 3000", sandbox=sandbox, name="c", attempt=1)
    assert (await out(pods, third, names)).count("sleep") == 2
    await pods.runtime.stop_pod_sandbox(sandbox)
    assert processes_of(first) == processes_of(third) == []


async def test_the_nodes_process_ids_and_ipc(pods: Pods) -> None:
    sandbox = await pods.sandbox(pid=NamespaceMode.NODE, ipc=NamespaceMode.NODE)
    container = await pods.run("sleep 1000", sandbox=sandbox)
    pid = (await pods.runtime.container_status(container)).pid
    assert namespace(pid, "pid") == namespace("self", "pid")
    assert namespace(pid, "ipc") == namespace("self", "ipc")
    assert await out(pods, container, f"cat /proc/{os.getpid()}/comm && test -e /proc/{pid}")
    await pods.runtime.stop_container(container, 10)
    assert (await pods.runtime.container_status(container)).exit_code == 143


async def test_process_1_takes_only_the_signals_it_has_asked_for(pods: Pods) -> None:
    deaf = await pods.run("echo up; while :; do sleep 0.01; done")
    await pods.logged(deaf, "up")
    await pods.runtime.stop_container(deaf, 0.2)
    assert (await pods.runtime.container_status(deaf)).exit_code == 137
    hears = await pods.run("trap 'exit 4' TERM; echo up; while :; do sleep 0.01; done")
    await pods.logged(hears, "up")
    await pods.runtime.stop_container(hears, 10)
    assert (await pods.runtime.container_status(hears)).exit_code == 4


async def test_kill_9_of_the_shim_ends_everything(pods: Pods) -> None:
    for mode in (NamespaceMode.CONTAINER, NamespaceMode.POD):
        sandbox = await pods.sandbox(pid=mode)
        container = await pods.run("setsid sleep 1000 & sleep 1000", sandbox=sandbox)
        streams = await pods.runtime.exec(container, ["sleep", "1000"], stdin=False, tty=False)
        await until(lambda id=container: len(processes_of(id)) >= 4)  # type: ignore[misc]
        pid = (await pods.runtime.container_status(container)).pid
        first = [p for p in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent_is(p, parent(pid))]
        os.kill(parent(pid), signal.SIGKILL)
        assert (await pods.exited(container)).exit_code == 137
        await until(lambda id=container: not processes_of(id))  # type: ignore[misc]
        await until(lambda pids=first: not any(Path(f"/proc/{p}").exists() for p in pids))  # type: ignore[misc]
        assert await streams.wait() == 137
        await streams.aclose()
    assert {s.state for s in await pods.runtime.list_pod_sandboxes()} == {SandboxState.NOTREADY}


def parent_is(pid: int, wanted: int) -> bool:
    try:
        return parent(pid) == wanted
    except OSError:
        return False


async def test_a_new_kubelet_can_exec(pods: Pods) -> None:
    container = await pods.run("echo mine > /tmp/mine; echo up; sleep 1000")
    await pods.logged(container, "up")
    await pods.restart_kubelet()
    assert await out(pods, container, "cat /tmp/mine; cat /proc/1/comm") == ["mine", "sh"]


async def test_exec_of_what_does_not_exist(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    with pytest.raises(StartError, match='exec: "nope": executable file not found in \\$PATH'):
        await pods.runtime.exec_sync(container, ["nope"], 10)
    streams = await pods.runtime.exec(container, ["tty"], stdin=False, tty=True)
    output = b"".join([data async for _, data in streams.output()])
    assert output.startswith(b"/dev/pts/")
    assert await streams.wait() == 0
    await streams.aclose()


async def test_a_timed_out_command_ends(pods: Pods) -> None:
    container = await pods.run("exec sleep 1000")
    result = await pods.runtime.exec_sync(container, ["sleep", "999"], 0.2)
    assert result.timed_out
    await until(lambda: len(processes_of(container)) == 1)


async def test_many_start_and_end_at_once(pods: Pods) -> None:
    sandbox = await pods.sandbox()
    containers = await asyncio.gather(
        *(pods.run(f"exit {n}", sandbox=sandbox, name=f"c{n}") for n in range(8))
    )
    codes = [(await pods.exited(container)).exit_code for container in containers]
    assert codes == list(range(8))

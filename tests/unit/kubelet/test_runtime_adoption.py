"""Pods outlive their kubelet; the next one finds them, and what has happened meanwhile."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from podyard.kubelet.runtime import ContainerPort, ContainerState, ListenMode, SandboxState, shim_client
from podyard.kubelet.runtime import subprocess as subprocess_runtime
from podyard.kubelet.runtime.subprocess import SubprocessRuntime, remove_everything
from tests.support.full_disk import files_of_at_most
from tests.unit.kubelet.runtime_harness import Pods, fresh_ip, processes_of, until


async def test_a_new_kubelet_finds_running_pods(pods: Pods) -> None:
    sandbox = await pods.sandbox()
    container = await pods.run(
        "trap 'exit 5' TERM; sleep 1000 & wait", sandbox=sandbox, labels={"a": "b"}, attempt=3
    )
    before = await pods.runtime.container_status(container)
    (sandbox_before,) = await pods.runtime.list_pod_sandboxes()
    await pods.restart_kubelet()
    assert await pods.runtime.container_status(container) == before
    assert await pods.runtime.list_pod_sandboxes() == [sandbox_before]
    result = await pods.runtime.exec_sync(container, ["echo", "hi"], 10)
    assert result.stdout == b"hi\n"
    await pods.runtime.stop_container(container, 10)
    assert (await pods.runtime.container_status(container)).exit_code == 5


async def test_others_do_not_see_what_a_container_is_given(pods: Pods) -> None:
    await pods.sandbox()
    sandboxes = pods.root / "sandboxes"
    sandboxes.chmod(0o755)
    await pods.restart_kubelet()
    assert stat.S_IMODE(sandboxes.stat().st_mode) == 0o700


async def test_exit_codes_and_logs_of_what_ended_meanwhile(pods: Pods, tmp_path: Path) -> None:
    go = tmp_path / "go"
    container = await pods.run(f"while [ ! -e {go} ]; do sleep 0.01; done; echo last words; exit 6")
    await pods.runtime.close()
    go.touch()
    await until(lambda: not processes_of(container))
    await pods.restart_kubelet()
    status = await pods.exited(container)
    assert (status.state, status.exit_code, status.reason) == (ContainerState.EXITED, 6, "Error")
    assert await pods.log(container) == [("stdout", "F", "last words")]


KUBELET = """
import asyncio, sys
from pathlib import Path
from tests.unit.kubelet.runtime_harness import Pods
async def main():
    pods = Pods(Path(sys.argv[1]))
    await pods.runtime.start()
    print(await pods.run("while :; do sleep 0.01; done"), flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


async def test_pods_survive_kill_9_of_the_kubelet(tmp_path: Path) -> None:
    kubelet = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KUBELET, str(tmp_path), stdout=subprocess.PIPE
    )
    assert kubelet.stdout is not None
    container = (await kubelet.stdout.readline()).decode().strip()
    kubelet.kill()
    await kubelet.wait()
    runtime = SubprocessRuntime(tmp_path)
    await runtime.start()
    status = await runtime.container_status(container)
    assert status.state == ContainerState.RUNNING
    assert status.pid in processes_of(container)
    await runtime.close()
    await remove_everything(tmp_path)
    assert processes_of(container) == []
    assert list((tmp_path / "sandboxes").iterdir()) == []


def shim_of(container_pid: int) -> int:
    return int(Path(f"/proc/{container_pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_kill_9_of_a_shim_ends_its_containers(pods: Pods) -> None:
    container = await pods.run("trap '' TERM; setsid sleep 1000 & while :; do sleep 1; done")
    await until(lambda: len(processes_of(container)) >= 3)
    os.kill(shim_of((await pods.runtime.container_status(container)).pid), signal.SIGKILL)
    status = await pods.exited(container)
    assert (status.exit_code, status.reason) == (137, "Error")
    await until(lambda: not processes_of(container))
    (sandbox,) = await pods.runtime.list_pod_sandboxes()
    assert sandbox.state == SandboxState.NOTREADY


async def test_a_full_disk_is_not_in_the_way_of_an_end(pods: Pods) -> None:
    """The shim has died, and that cannot be written down."""
    container = await pods.run("setsid sleep 1000 & sleep 1000")
    await until(lambda: len(processes_of(container)) >= 2)
    status = await pods.runtime.container_status(container)
    with files_of_at_most(0):
        os.kill(shim_of(status.pid), signal.SIGKILL)
        async with asyncio.timeout(20):
            assert (await pods.exited(container)).exit_code == 137
            await pods.runtime.remove_pod_sandbox(status.sandbox_id)
    await until(lambda: not processes_of(container))
    assert await pods.runtime.list_pod_sandboxes() == []


async def test_a_shim_that_died_while_no_kubelet_was_there(pods: Pods) -> None:
    container = await pods.run("setsid sleep 1000 & sleep 1000")
    await until(lambda: len(processes_of(container)) >= 2)
    pid = (await pods.runtime.container_status(container)).pid
    await pods.runtime.close()
    os.kill(shim_of(pid), signal.SIGKILL)
    await until(lambda: pid not in processes_of(container))
    await pods.restart_kubelet()
    status = await pods.runtime.container_status(container)
    assert (status.state, status.exit_code) == (ContainerState.EXITED, 137)
    await until(lambda: not processes_of(container))
    (sandbox,) = await pods.runtime.list_pod_sandboxes()
    assert sandbox.state == SandboxState.NOTREADY


async def test_a_shim_that_hangs_is_killed(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it has not even said hello to the kubelet that finds it."""
    container = await pods.run("sleep 1000")
    shim = shim_of((await pods.runtime.container_status(container)).pid)
    await pods.runtime.close()
    monkeypatch.setattr(shim_client, "HELLO_SECONDS", 0.1)
    monkeypatch.setattr(subprocess_runtime, "SHUTDOWN_SECONDS", 0.1)
    os.kill(shim, signal.SIGSTOP)
    await pods.restart_kubelet()
    (sandbox,) = await pods.runtime.list_pod_sandboxes()
    assert sandbox.pid == shim
    await pods.runtime.stop_pod_sandbox(sandbox.id)
    (sandbox,) = await pods.runtime.list_pod_sandboxes()
    assert sandbox.state == SandboxState.NOTREADY
    await until(lambda: not processes_of(container))


async def test_a_shim_without_descriptors_lets_a_kubelet_wait(pods: Pods) -> None:
    sandbox = await pods.sandbox()
    container = await pods.run("sleep 1000", sandbox=sandbox)
    directory = pods.root / "sandboxes" / sandbox
    shim = shim_of((await pods.runtime.container_status(container)).pid)
    first = shim_client.connect(directory)
    assert first is not None
    await first.ready()
    _, most = resource.prlimit(shim, resource.RLIMIT_NOFILE)
    resource.prlimit(shim, resource.RLIMIT_NOFILE, (0, most))
    second = shim_client.connect(directory)
    assert second is not None
    for _ in range(2):  # after the second turn it has looked at its listener
        await first.request("kill", container=container, pid=0)
    resource.prlimit(shim, resource.RLIMIT_NOFILE, (most, most))
    await second.ready()
    first.close()
    second.close()
    assert (directory / "shim.log").read_text() == ""


async def test_sigterm_ends_a_shim_in_good_order(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    os.kill(shim_of((await pods.runtime.container_status(container)).pid), signal.SIGTERM)
    assert (await pods.exited(container)).exit_code == 137
    assert processes_of(container) == []


async def test_half_made_sandboxes_are_cleared_away(pods: Pods) -> None:
    (pods.root / "sandboxes" / "abc").mkdir(parents=True)
    await pods.restart_kubelet()
    assert list((pods.root / "sandboxes").iterdir()) == []


@pytest.mark.parametrize("damaged", ["config.json", "containers/{}/config.json", "containers/{}/state.json"])
@pytest.mark.parametrize("shim_runs", [True, False])
async def test_what_cannot_be_read_is_ended_and_removed(pods: Pods, damaged: str, shim_runs: bool) -> None:
    container = await pods.run("trap '' TERM; setsid sleep 1000 & while :; do sleep 1; done")
    other = await pods.run("sleep 1000")
    await until(lambda: len(processes_of(container)) >= 3)
    status = await pods.runtime.container_status(container)
    shim = shim_of(status.pid)
    await pods.runtime.close()
    if not shim_runs:
        os.kill(shim, signal.SIGKILL)
    directory = pods.root / "sandboxes" / status.sandbox_id
    (directory / damaged.format(container)).write_text("{")
    await pods.restart_kubelet()
    await until(lambda: not processes_of(container))
    assert [status.id for status in await pods.runtime.list_containers()] == [other]
    assert processes_of(other), "of another sandbox"
    if damaged == "config.json":
        assert not directory.exists()
        await until(lambda: not Path(f"/proc/{shim}/exe").exists())


async def test_a_start_that_was_under_way_is_waited_for(pods: Pods, tmp_path: Path) -> None:
    go, ip = tmp_path / "go", fresh_ip()
    listen = f'import socket, time; s = socket.create_server(("{ip}", 8080)); time.sleep(1000)'
    container = await pods.create(
        f"echo up; while [ ! -e {go} ]; do sleep 0.01; done; exec {sys.executable} -c '{listen}'",
        sandbox=await pods.sandbox(ip),
        ports=[ContainerPort(container_port=8080)],
        listen=ListenMode.ADDRESS,
        wait_for_ports=True,
    )
    starting = asyncio.create_task(pods.start(container))
    await pods.logged(container, "up")
    assert (await pods.runtime.container_status(container)).state == ContainerState.CREATED
    starting.cancel()
    restarting = asyncio.create_task(pods.restart_kubelet())
    go.touch()
    await restarting
    assert (await pods.runtime.container_status(container)).state == ContainerState.RUNNING


async def test_everything_starts_fast_and_stays_small(pods: Pods) -> None:
    container = await pods.run("sleep 1000")
    shim = shim_of((await pods.runtime.container_status(container)).pid)
    rollup = Path(f"/proc/{shim}/smaps_rollup").read_text()
    private = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_Dirty"))
    assert private < 10 * 1024
    modules = Path(f"/proc/{shim}/maps").read_text()
    assert "_asyncio" not in modules and "grpc" not in modules and "_ssl" not in modules

"""The life of containers in the subprocess runtime: start, end, environment, logs, stop."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from podyard.kubelet.runtime import (
    ContainerEvent,
    ContainerState,
    NotFound,
    RuntimeFailure,
    SandboxState,
    StartError,
    shim_client,
)
from tests.unit.kubelet.runtime_harness import Pods, processes_of, until


async def test_a_container_runs_and_completes(pods: Pods) -> None:
    container = await pods.run("read line; exit 0", stdin=True)
    status = await pods.runtime.container_status(container)
    assert status.state == ContainerState.RUNNING
    assert status.pid and status.started_at >= status.created_at
    streams = await pods.runtime.attach(container, stdin=True)
    await streams.write(b"go\n")
    status = await pods.exited(container)
    assert (status.exit_code, status.reason, status.pid) == (0, "Completed", 0)
    assert status.finished_at >= status.started_at
    await streams.aclose()


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("exit 0", 0, "Completed"),
        ("exit 3", 3, "Error"),
        ("kill -TERM $$", 143, "Error"),
        ("kill -KILL $$", 137, "Error"),
        ("kill -SEGV $$", 139, "Error"),
    ],
)
async def test_exit_codes(pods: Pods, script: str, code: int, reason: str) -> None:
    status = await pods.exited(await pods.run_unsheltered(script))
    assert (status.exit_code, status.reason) == (code, reason)


async def test_events_tell_the_whole_life(pods: Pods) -> None:
    events = pods.runtime.events()
    container = await pods.run("exit 5")
    await pods.exited(container)
    await pods.runtime.remove_container(container)
    seen = [await anext(events) for _ in range(4)]
    assert [event.type for event in seen] == ["created", "started", "stopped", "deleted"]
    assert [event.status.state if event.status else None for event in seen] == [
        ContainerState.CREATED,
        ContainerState.RUNNING,
        ContainerState.EXITED,
        None,
    ]
    assert {event.container_id for event in seen} == {container}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["nope"], 'exec: "nope": executable file not found in $PATH'),
        (["/nope/x"], 'exec: "/nope/x": stat /nope/x: no such file or directory'),
        (["/etc"], 'exec: "/etc": is a directory'),
        (["/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
    ],
)
async def test_what_cannot_start(pods: Pods, command: list[str], message: str) -> None:
    container = await pods.create(command)
    with pytest.raises(StartError) as error:
        await pods.runtime.start_container(container)
    assert str(error.value) == f"unable to start container process: {message}"
    status = await pods.runtime.container_status(container)
    assert (status.state, status.exit_code, status.reason) == (ContainerState.EXITED, 128, "StartError")
    assert status.message == str(error.value)


async def test_a_file_that_is_no_program(pods: Pods, tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"\x00\x01")
    file.chmod(0o755)
    with pytest.raises(StartError, match=f"exec {file}: exec format error"):
        await pods.run([str(file)])


async def test_environment_is_exact(pods: Pods) -> None:
    container = await pods.run("env; pwd", env={"A": "1 2", "HOME": "/x"}, working_dir="/tmp")
    await pods.exited(container)
    lines = [text for _, _, text in await pods.log(container)]
    env = dict(line.split("=", 1) for line in lines if "=" in line)
    (hostname,) = {sandbox.config.hostname for sandbox in await pods.runtime.list_pod_sandboxes()}
    assert (env["A"], env["HOME"], env["HOSTNAME"]) == ("1 2", "/x", hostname)
    assert env["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert set(env) - {"A", "HOME", "HOSTNAME", "PATH", "PWD", "_", "SHLVL", "OLDPWD"} == {
        "PODYARD_DIRECTORY",
        "PODYARD_TERMINATION_LOG",
    }
    assert lines[-1] == "/tmp"


async def test_python_ignores_signals_but_containers_do_not(pods: Pods) -> None:
    status = await pods.exited(await pods.run_unsheltered("kill -PIPE $$"))
    assert status.exit_code == 128 + signal.SIGPIPE


async def test_logs_in_cri_format(pods: Pods) -> None:
    container = await pods.run(
        "echo out; echo err >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; printf end"
    )
    await pods.exited(container)
    log = await pods.log(container)
    assert ("stdout", "F", "out") in log
    assert ("stderr", "F", "err") in log
    out = [(tag, text) for stream, tag, text in log if stream == "stdout"]
    assert [(tag, len(text)) for tag, text in out[1:]] == [("P", 16384), ("F", 20000 - 16384), ("P", 3)]


async def test_logs_with_a_terminal_are_one_stream(pods: Pods) -> None:
    container = await pods.run("echo out; echo err >&2; echo $TERM", tty=True)
    await pods.exited(container)
    assert await pods.log(container) == [
        ("stdout", "F", "out\r"),
        ("stdout", "F", "err\r"),
        ("stdout", "F", "xterm\r"),
    ]


async def test_without_input_a_shell_ends_at_once(pods: Pods) -> None:
    status = await pods.exited(await pods.run(["sh"]))
    assert (status.exit_code, status.reason) == (0, "Completed")


async def test_termination_message(pods: Pods) -> None:
    script = 'echo "disk is full" > "$PODYARD_TERMINATION_LOG"; exit 1'
    assert (await pods.exited(await pods.run(script))).message == "disk is full\n"


async def test_stop_is_gentle_first(pods: Pods) -> None:
    container = await pods.run("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done")
    await pods.logged(container, "up")
    await pods.runtime.stop_container(container, 10)
    assert (await pods.runtime.container_status(container)).exit_code == 7
    assert ("stdout", "F", "bye") in await pods.log(container)


@pytest.mark.parametrize(("name", "number"), [("SIGQUIT", 3), ("SIGRTMIN+3", 37), ("SIGRTMAX-1", 63)])
async def test_stop_uses_the_containers_signal(pods: Pods, name: str, number: int) -> None:
    script = f"trap 'exit 9' {number}; trap '' TERM; echo up; while :; do sleep 0.01; done"
    container = await pods.run(script, stop_signal=name)
    await pods.logged(container, "up")
    await pods.runtime.stop_container(container, 10)
    assert (await pods.runtime.container_status(container)).exit_code == 9


@pytest.mark.parametrize("blocked", [True, False])
async def test_who_asks_for_it_begins_with_the_stop_signal_blocked(pods: Pods, blocked: bool) -> None:
    """So that it is pending, and not lost, until there is a handler. Commands beside it do not."""
    mask = ["grep", "-h", "--line-buffered", "SigBlk", "/proc/self/status"]
    container = await pods.run([*mask, "-"], stdin=True, stop_signal="SIGQUIT", stop_signal_blocked=blocked)
    await pods.logged(container, f"SigBlk:\t{blocked << (signal.SIGQUIT - 1):016x}")
    beside = await pods.runtime.exec_sync(container, mask, 10)
    assert beside.stdout == b"SigBlk:\t0000000000000000\n"


async def test_a_container_has_the_kubelets_limit_of_descriptors(pods: Pods) -> None:
    """The shim raises its own."""
    container = await pods.run("ulimit -Sn; ulimit -Hn")
    await pods.exited(container)
    limits = [int(text) for _, _, text in await pods.log(container)]
    assert limits == list(resource.getrlimit(resource.RLIMIT_NOFILE))


async def test_stop_insists_after_its_time(pods: Pods) -> None:
    container = await pods.run("trap '' TERM; echo up; while :; do sleep 0.01; done")
    await pods.logged(container, "up")
    began = time.monotonic()
    await pods.runtime.stop_container(container, 0.2)
    assert time.monotonic() - began >= 0.2
    assert (await pods.runtime.container_status(container)).exit_code == 137


async def test_a_second_stop_may_be_shorter(pods: Pods) -> None:
    container = await pods.run("trap '' TERM; echo up; while :; do sleep 0.01; done")
    await pods.logged(container, "up")
    first = asyncio.create_task(pods.runtime.stop_container(container, 1000))
    await pods.runtime.stop_container(container, 0)
    await first
    assert (await pods.runtime.container_status(container)).exit_code == 137


DAEMON = (
    "import os,sys,time\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "[os.close(n) for n in range(3)]\n"
    "time.sleep(1000)\n"
)


async def test_what_daemonises_ends_with_its_container(pods: Pods, tmp_path: Path) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    container = await pods.run(f"python3 {tmp_path}/daemon.py; sleep 1000", env={"PATH": os.environ["PATH"]})
    await until(lambda: len(processes_of(container)) == 3)
    await pods.runtime.stop_container(container, 0)
    assert processes_of(container) == []


async def test_children_end_when_the_main_process_does(pods: Pods) -> None:
    container = await pods.run("sleep 1000 & sleep 1000 & exit 0")
    status = await pods.exited(container)
    assert status.exit_code == 0
    assert processes_of(container) == []


async def test_stop_sandbox_kills_and_remove_leaves_nothing(pods: Pods) -> None:
    sandbox = await pods.sandbox()
    container = await pods.run("trap '' TERM; while :; do sleep 1; done", sandbox=sandbox)
    await pods.runtime.stop_pod_sandbox(sandbox)
    assert processes_of(container) == []
    (listed,) = await pods.runtime.list_pod_sandboxes()
    assert (listed.id, listed.state, listed.config.labels) == (
        sandbox,
        SandboxState.NOTREADY,
        {"app": "test"},
    )
    assert (await pods.runtime.container_status(container)).exit_code == 137
    await pods.runtime.stop_pod_sandbox(sandbox)
    await pods.runtime.remove_pod_sandbox(sandbox)
    await pods.runtime.remove_pod_sandbox(sandbox)
    assert await pods.runtime.list_pod_sandboxes() == []
    assert list((pods.root / "sandboxes").iterdir()) == []
    assert [path for path in (pods.root / "logs").rglob("*") if path.is_file()] == []


async def test_remove_a_running_container(pods: Pods) -> None:
    container = await pods.run("echo up; sleep 1000")
    await pods.logged(container, "up")
    log = (await pods.runtime.container_status(container)).log_path
    await pods.runtime.remove_container(container)
    assert processes_of(container) == []
    assert not log.exists()
    assert await pods.runtime.list_containers() == []
    await pods.runtime.remove_container(container)
    await pods.runtime.stop_container(container, 0)
    with pytest.raises(NotFound):
        await pods.runtime.container_status(container)


async def test_two_containers_share_a_sandbox(pods: Pods) -> None:
    sandbox = await pods.sandbox()
    first = await pods.run("exit 1", sandbox=sandbox, name="first")
    second = await pods.run("sleep 1000", sandbox=sandbox, name="second")
    await pods.exited(first)
    assert [(s.name, s.state) for s in await pods.runtime.list_containers()] == [
        ("first", ContainerState.EXITED),
        ("second", ContainerState.RUNNING),
    ]
    assert processes_of(second)


async def test_a_very_long_data_directory(tmp_path: Path) -> None:
    root = tmp_path / ("d" * 120)
    root.mkdir()
    pods = Pods(root)
    container = await pods.run("sleep 1000")
    await pods.restart_kubelet()
    assert (await pods.runtime.container_status(container)).state == ContainerState.RUNNING
    for sandbox in await pods.runtime.list_pod_sandboxes():
        await pods.runtime.remove_pod_sandbox(sandbox.id)
    await pods.runtime.close()


async def test_a_shim_that_cannot_start(pods: Pods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no memory left')")
    monkeypatch.setattr(shim_client, "SHIM", broken)
    with pytest.raises(RuntimeFailure, match="the pod's shim has ended: no memory left"):
        await pods.sandbox()
    assert await pods.runtime.list_pod_sandboxes() == []
    assert list((pods.root / "sandboxes").iterdir()) == []


async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "sandboxes").write_text("a file")
    with pytest.raises(RuntimeFailure, match=r"cannot make the sandbox: .*Not a directory"):
        await Pods(tmp_path).sandbox()


async def test_events_that_nobody_reads_are_not_kept(pods: Pods) -> None:
    await pods.run("true")
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, ContainerEvent)] == []

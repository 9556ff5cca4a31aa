"""Containers of other users, with fewer capabilities or a read-only root: real processes, real namespaces."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podyard.kubelet.images.catalog import ImageCatalog
from podyard.kubelet.runtime import ContainerPort, ContainerSecurity, Features, Mount, StartError
from podyard.kubelet.runtime.features import PROBE, probe_features
from podyard.kubelet.runtime.subprocess import remove_everything
from tests.support import no_namespaces
from tests.unit.kubelet.runtime_harness import (
    Pods,
    fresh_ip,
    is_root,
    needs_namespaces,
    processes_of,
    until,
)

pytestmark = needs_namespaces
needs_root = pytest.mark.skipif(not is_root(), reason="only root can change users")

USER = ContainerSecurity(user=1234, group=3000, groups=(2000, 4000))
MAPPED = ContainerSecurity(user=1234, group=3000, mapped=True)


@pytest.fixture(params=[pytest.param("any", marks=needs_root), "one"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pods]:
    """A runtime of root, and one that has no users but its own, as an ordinary user's."""
    features = Features(user=request.param == "one", users=request.param)
    pods = Pods(tmp_path, lambda root: features)
    await pods.runtime.start()
    yield pods
    await pods.runtime.close()
    await remove_everything(tmp_path)


async def somebody(pods: Pods, **fields: Any) -> ContainerSecurity:
    """A user of the sort that there is."""
    has_all = (await pods.runtime.features()).users == "any"
    return replace(USER if has_all else MAPPED, **fields)


async def lines(pods: Pods, script: str, **config: Any) -> list[str]:
    """What a script writes in a container of its own that must end well."""
    container = await pods.run(script, **config)
    status = await pods.exited(container)
    written = [text for _, _, text in await pods.log(container)]
    assert status.exit_code == 0, (written, status.message)
    return written


def test_what_can_be_had_here_is_found_out(tmp_path: Path) -> None:
    found = probe_features(tmp_path)
    assert found.users == ("any" if is_root() else "one")
    assert found.capabilities & 1


IDS = "id -u; id -g; id -G"


@needs_root
async def test_user_and_groups(pods: Pods) -> None:
    assert await lines(pods, IDS, security=USER) == ["1234", "3000", "3000 2000 4000"]
    assert await lines(pods, IDS, security=ContainerSecurity(groups=(7,))) == ["0", "0", "0 7"]


@pytest.mark.parametrize("either", ["one"], indirect=True)
async def test_a_user_in_a_namespace(either: Pods) -> None:
    assert await lines(either, f"{IDS}; stat -c %u:%g /proc/self", security=MAPPED) == [
        *("1234", "3000", "3000"),
        "1234:3000",
    ]
    effective = "grep CapEff /proc/self/status"
    assert await lines(either, effective, security=MAPPED) == ["CapEff:\t0000000000000000"]
    root = ContainerSecurity(user=0, group=0, mapped=True, capabilities=1)
    assert (await lines(either, f"id -u; {effective}", security=root))[0] == "0"


async def test_exec_is_as_the_containers_user(either: Pods) -> None:
    pods = either
    container = await pods.run("sleep 1000", security=await somebody(pods))
    # What belongs to the container's process is the command's to read.
    script = (
        "id -u; id -g; head -c 5 /proc/1/environ | tr '\\0' ' '; echo; echo told > /dev/stderr; echo $HOME"
    )
    found = await pods.runtime.exec_sync(container, ["sh", "-c", script], 10)
    assert (found.exit_code, found.stderr) == (0, b"told\n")
    assert found.stdout.decode().splitlines() == ["1234", "3000", "PATH=", "/"]
    streams = await pods.runtime.exec(container, ["sh", "-c", "echo seen > $(tty)"], stdin=False, tty=True)
    assert b"".join([data async for _, data in streams.output()]).strip() == b"seen"
    assert await streams.wait() == 0
    await streams.aclose()
    await pods.runtime.stop_container(container, 0)


async def test_what_any_user_may_use(either: Pods, tmp_path: Path) -> None:
    pods, security = either, await somebody(either)
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    script = """set -e
        cat /etc/hosts /etc/resolv.conf /etc/hostname > /dev/null
        echo out > /dev/stdout
        for place in /tmp /dev/shm /volume "$PODYARD_DIRECTORY"; do echo x > "$place/file"; done
        echo last words > /dev/termination-log
        echo more >> "$PODYARD_TERMINATION_LOG"
        echo null > /dev/null"""
    container = await pods.run(script, security=security, mounts=[Mount(str(volume), "/volume")])
    status = await pods.exited(container)
    assert await pods.log(container) == [("stdout", "F", "out")]
    assert (status.exit_code, status.message) == (0, "last words\nmore\n")
    assert (volume / "file").stat().st_uid == (os.geteuid() if security.mapped else 1234)


@needs_root
async def test_the_way_to_the_images_programs_is_open(pods: Pods, tmp_path: Path) -> None:
    """They may be installed below /root, which stays closed otherwise."""
    home = Path("/var/tmp") / f"podyard-{os.getpid()}"
    program = home / "closed" / "bin" / "program"
    program.parent.mkdir(parents=True)
    (home / "closed" / "secret").write_text("not for everybody")
    program.write_text(f"#!/bin/sh\necho runs; cat {home}/closed/secret 2>&1; ls {home}/closed 2>&1\n")
    program.chmod(0o755)
    (home / "closed").chmod(0o700)
    try:
        config = {"security": USER, "host_paths": [str(program.parent)]}
        container = await pods.run([str(program)], **config)
        await pods.exited(container)
        text = [text for _, _, text in await pods.log(container)]
        assert text[0] == "runs"
        assert [line.rpartition(": ")[2] for line in text[1:]] == [
            "No such file or directory",
            "Permission denied",
        ]
        assert stat.S_IMODE((home / "closed").stat().st_mode) == 0o700
    finally:
        shutil.rmtree(home)


@needs_root
async def test_a_directory_that_the_user_may_not_enter(pods: Pods, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    mounts = [Mount(str(closed), "/closed")]
    container = await pods.create("true", security=USER, working_dir="/closed", mounts=mounts)
    with pytest.raises(StartError, match=r"chdir to cwd .* failed: permission denied"):
        await pods.start(container)


@needs_root
@pytest.mark.parametrize(
    ("security", "bounding", "effective"),
    [
        (ContainerSecurity(capabilities=0), 0, 0),
        (ContainerSecurity(capabilities=0b101001), 0b101001, 0b101001),
        (ContainerSecurity(user=1234, group=0, groups=(), capabilities=0b101), 0b101, 0),
        (ContainerSecurity(user=1234, group=0, groups=(), no_new_privileges=True), None, 0),
    ],
)
async def test_capabilities(
    pods: Pods, security: ContainerSecurity, bounding: int | None, effective: int
) -> None:
    text = dict(line.split(":\t") for line in await lines(pods, "cat /proc/self/status", security=security))
    assert int(text["CapEff"], 16) == int(text["CapPrm"], 16) == effective
    assert int(text["CapInh"], 16) == int(text["CapAmb"], 16) == 0
    assert bounding is None or int(text["CapBnd"], 16) == bounding
    assert int(text["NoNewPrivs"]) == security.no_new_privileges


@needs_root
async def test_without_chown_nothing_is_given_away(pods: Pods) -> None:
    script = "touch /tmp/f; chown 5 /tmp/f && echo done || echo refused"
    assert (await lines(pods, script, security=ContainerSecurity(capabilities=0)))[-1] == "refused"
    assert await lines(pods, script, security=ContainerSecurity(capabilities=1)) == ["done"]


@needs_root
@pytest.mark.parametrize("user", [1234, 0])
async def test_low_ports_are_everybodys(pods: Pods, user: int) -> None:
    """As in Kubernetes, where the pod's network lets them; here it is the node's."""
    script = (
        "import socket, sys; socket.create_server((sys.argv[1], 80)); print(open('/proc/self/status').read())"
    )
    security = ContainerSecurity(
        user=user, group=0, groups=(), capabilities=0, low_ports=True, no_new_privileges=True
    )
    ip = fresh_ip()
    command = ["/usr/bin/env", "python3", "-c", script, ip]
    container = await pods.run(
        command, sandbox=await pods.sandbox(ip), security=security, ports=[ContainerPort(container_port=80)]
    )
    status = await pods.exited(container)
    text = "\n".join([text for _, _, text in await pods.log(container)])
    assert status.exit_code == 0, text
    assert "CapEff:\t0000000000000400" in text


@pytest.mark.parametrize("user", [None, 0])
async def test_a_read_only_root(either: Pods, user: int | None, tmp_path: Path) -> None:
    pods = either
    security = await somebody(pods, user=user, group=user, read_only_root=True)
    for name in ("rw", "in tmp"):
        (tmp_path / name).mkdir()
    mounts = [Mount(str(tmp_path / "rw"), "/rw"), Mount(str(tmp_path / "in tmp"), "/tmp/in tmp")]
    script = """
        for place in / /tmp /usr /etc /run /var/tmp $HOME /rw "/tmp/in tmp" /dev/shm $PODYARD_DIRECTORY; do
            if touch "$place/podyard-file" 2>/tmp/in\\ tmp/error; then echo "$place";
            else grep -q 'Read-only file system' '/tmp/in tmp/error' || cat '/tmp/in tmp/error'; fi
        done
        echo x > /etc/hosts && echo /etc/hosts
        echo end > /dev/termination-log && echo > /dev/null && echo log"""
    container = await pods.run(script, security=security, mounts=mounts)
    assert (await pods.exited(container)).message == "end\n"
    written = [text for stream, _, text in await pods.log(container) if stream == "stdout"]
    own = next(line for line in written if line.endswith("/own"))
    assert written == ["/rw", "/tmp/in tmp", "/dev/shm", own, "log"]
    assert not Path("/var/tmp/podyard-file").exists()


@needs_root
async def test_a_privileged_container_sees_the_nodes_devices(pods: Pods) -> None:
    node = {name for name in os.listdir("/dev") if not name.startswith(".")}
    script = "ls /dev"
    assert node <= set(await lines(pods, script, security=ContainerSecurity(devices=True)))


async def test_the_nginx_image(either: Pods, tmp_path: Path) -> None:
    """As an ordinary user, with all that restricted pods ask for; as root's on port 80."""
    pods = either
    image = await ImageCatalog(tmp_path / "images").pull_image("nginx")
    security = await somebody(
        pods, capabilities=0, no_new_privileges=True, read_only_root=True, low_ports=True
    )
    ip, port = fresh_ip(), 8080 if security.mapped else 80
    container = await pods.run_image(image, ip, ports=[ContainerPort(container_port=port)], security=security)
    found = await pods.runtime.exec_sync(container, ["curl", "-s", f"http://{ip}:{port}"], 20)
    assert b"Welcome to nginx!" in found.stdout, (found, await pods.log(container))


@needs_root
async def test_it_ends_with_its_shim(pods: Pods) -> None:
    """The kernel forgets whose end to watch for when the user changes."""
    container = await pods.run("sleep 1000", security=USER)
    (pid,) = {parent(pid) for pid in processes_of(container)} - {*processes_of(container)}
    await pods.runtime.close()  # nobody else kills it
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not processes_of(container))


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


LACKING = """
import os, subprocess, sys
from podyard.kubelet.shim import marker
mark = marker.marker_of("abcdef0123456789")
command = ["setpriv", "--reuid=1234", "--clear-groups", "sh", "-c", "echo; exec sleep 1000"]
child = subprocess.Popen(command, preexec_fn=lambda: marker.mark_this_process(mark), stdout=subprocess.PIPE)
child.stdout.readline()
sys.exit(not (marker.processes(mark) == [child.pid] and marker.kill(mark) and child.wait() == -9))
"""


@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
def test_root_that_lacks_capabilities(tmp_path: Path) -> None:
    """As in docker: the processes of other users are found, and where exec would fail they are not had."""
    lacking = ["setpriv", "--bounding-set=-sys_resource,-sys_ptrace", sys.executable]
    assert subprocess.run([*lacking, "-c", LACKING], timeout=60).returncode == 0
    answer = subprocess.run(
        [*lacking, "-I", "-S", PROBE, tmp_path], stdout=subprocess.PIPE, timeout=60
    ).stdout
    found = json.loads(answer)
    assert (found["users"], found["capabilities"] >> 19 & 1) == ("one", 0)
    command = no_namespaces.command([sys.executable, "-I", "-S", str(PROBE), str(tmp_path / "none")])
    (tmp_path / "none").mkdir()
    answer = subprocess.run([*lacking[:-1], *command], stdout=subprocess.PIPE, timeout=60).stdout
    assert json.loads(answer)["mount"]
    assert json.loads(answer)["users"] == "any"


@needs_root
async def test_where_the_kernel_refuses_namespaces(tmp_path: Path) -> None:
    """User, groups and capabilities hold all the same."""
    refused = Features(mount_problem="refused", pid_problem="refused")
    pods = Pods(tmp_path, lambda root: refused)
    await pods.runtime.start()
    try:
        script = f"{IDS}; grep CapBnd /proc/self/status > /dev/stdout; touch /etc/podyard-none || true"
        found = await lines(pods, script, security=replace(USER, capabilities=1))
        assert found[:4] == ["1234", "3000", "3000 2000 4000", "CapBnd:\t0000000000000001"]
        assert found[4].endswith("Permission denied")
    finally:
        await pods.runtime.close()
        await remove_everything(tmp_path)

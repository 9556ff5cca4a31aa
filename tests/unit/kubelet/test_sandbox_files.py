"""What files a container sees, with real namespaces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podyard.kubelet.runtime import DnsConfig, Mount, StartError
from tests.unit.kubelet.runtime_harness import Pods, needs_namespaces

pytestmark = needs_namespaces


async def lines(pods: Pods, script: str, **config: object) -> list[str]:
    """What a script writes in a container of its own that must end well."""
    container = await pods.run(script, **config)
    status = await pods.exited(container)
    written = [text for _, _, text in await pods.log(container)]
    assert status.exit_code == 0, written
    return written


def snapshot(*folders: str) -> dict[str, list[str]]:
    """The entries of some directories of the node."""
    return {folder: sorted(os.listdir(folder)) for folder in folders}


@pytest.mark.parametrize(
    "path",
    [
        "/etc/podyard-none/ssl",  # below a directory of the node that lacks it
        "/etc/ssl",  # one that is there
        "/podyard-none",  # at the top
        "/var/run/secrets/kubernetes.io/serviceaccount",  # below a link into the container's own /run
        "/usr/share/podyard-none/a/b/c",
        "/tmp/podyard-none",
        "/dev/podyard-none",
    ],
)
async def test_a_directory_at_any_path(pods: Pods, tmp_path: Path, path: str) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "file").write_text("content\n")
    before = snapshot("/", "/etc", "/etc/ssl", "/run", "/usr/share", "/var", "/dev")
    script = f"cat {path}/file; ls {path}; echo new > {path}/new; ls / /etc | tr '\\n' ' '"
    text = await lines(pods, script, mounts=[Mount(str(volume), path)])
    assert text[:2] == ["content", "file"]
    assert {"etc", "usr", "passwd"} <= set(text[2].split())
    assert (volume / "new").read_text() == "new\n"
    assert snapshot("/", "/etc", "/etc/ssl", "/run", "/usr/share", "/var", "/dev") == before


@pytest.mark.parametrize("path", ["/etc/podyard-none.conf", "/etc/passwd", "/etc/podyard-none/a/file"])
async def test_a_file_at_any_path(pods: Pods, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("content\n")
    before = Path("/etc/passwd").read_bytes(), snapshot("/etc")
    mounts = [Mount(str(tmp_path / "file"), path)]
    assert await lines(pods, f"cat {path}; echo more >> {path}", mounts=mounts) == ["content"]
    assert (tmp_path / "file").read_text() == "content\nmore\n"
    assert (Path("/etc/passwd").read_bytes(), snapshot("/etc")) == before


async def test_a_read_only_volume(pods: Pods, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    mounts = [Mount(str(tmp_path / "volume"), "/ro", read_only=True), Mount(str(tmp_path), "/rw")]
    script = "echo x > /ro/x || echo refused; echo y > /rw/volume/y; ls /ro"
    container = await pods.run(script, mounts=mounts)
    await pods.exited(container)
    log = await pods.log(container)
    assert any("Read-only file system" in text for stream, _, text in log if stream == "stderr")
    assert [text for stream, _, text in log if stream == "stdout"] == ["refused", "y"]


async def test_a_volume_does_not_hide_what_the_image_s_programs_need(pods: Pods, tmp_path: Path) -> None:
    """An emptyDir at /tmp, and podyard itself installed below /tmp."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "file").write_text("there\n")
    mounts = [Mount(str(tmp_path / "volume"), str(tmp_path.parent))]
    script = f"cat {tmp_path}/installed/file; echo x > {tmp_path.parent}/x"
    assert await lines(pods, script, mounts=mounts, host_paths=[str(tmp_path / "installed")]) == ["there"]
    assert (tmp_path / "volume" / "x").exists()


async def test_mounts_within_mounts_and_beside_each_other(pods: Pods, tmp_path: Path) -> None:
    for name in ("outer", "inner", "beside", "deep"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    mounts = [
        Mount(str(tmp_path / "outer"), "/data", read_only=True),
        Mount(str(tmp_path / "inner"), "/data/sub/dir"),
        Mount(str(tmp_path / "deep"), "/etc/ssl/podyard-none/deep"),
        Mount(str(tmp_path / "beside"), "/etc/podyard-none"),
    ]
    script = "cd /data/sub/dir; ls /data . /etc/ssl/podyard-none/deep /etc/podyard-none; ls /etc/hosts"
    found = await lines(pods, script, mounts=mounts)
    assert {"outer", "inner", "beside", "deep", "sub", "/etc/hosts"} <= set(found)
    assert not (tmp_path / "inner" / "sub").exists()


async def test_a_volume_that_changes_is_seen_to_change(pods: Pods, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "..v1").mkdir(parents=True)
    (volume / "..v1/file").write_text("old")
    (volume / "..data").symlink_to("..v1")
    (volume / "file").symlink_to("..data/file")
    container = await pods.run("sleep 1000", mounts=[Mount(str(volume), "/etc/podyard-none", True)])
    command = ["cat", "/etc/podyard-none/file"]
    assert (await pods.runtime.exec_sync(container, command, 10)).stdout == b"old"
    (volume / "..v2").mkdir()
    (volume / "..v2/file").write_text("new")
    (volume / "..new").symlink_to("..v2")
    os.replace(volume / "..new", volume / "..data")
    assert (await pods.runtime.exec_sync(container, command, 10)).stdout == b"new"


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        ("missing", "/data", 'missing" to rootfs at "/data": no such file or directory'),
        (".", "/etc/passwd", "Are you trying to mount a directory onto a file (or vice-versa)?"),
    ],
)
async def test_what_cannot_be_mounted(
    pods: Pods, tmp_path: Path, source: str, path: str, message: str
) -> None:
    container = await pods.create("true", mounts=[Mount(str(tmp_path / source), path)])
    with pytest.raises(StartError) as error:
        await pods.runtime.start_container(container)
    assert str(error.value).startswith("unable to start container process: error mounting ")
    assert message in str(error.value)
    assert (await pods.runtime.container_status(container)).exit_code == 128


async def test_etc_is_the_pods(pods: Pods) -> None:
    dns = DnsConfig(servers=("127.96.0.10",), searches=("a.svc", "b"), options=("ndots:5", "rotate"))
    sandbox = await pods.sandbox(hostname="web-0", dns=dns, hosts="127.0.0.1\tlocalhost\n1.2.3.4\tweb-0\n")
    script = "cat /etc/resolv.conf /etc/hosts /etc/hostname; hostname; uname -n; getent hosts web-0"
    assert await lines(pods, script, sandbox=sandbox) == [
        "search a.svc b",
        "nameserver 127.96.0.10",
        "options ndots:5 rotate",
        "127.0.0.1\tlocalhost",
        "1.2.3.4\tweb-0",
        "web-0",
        "web-0",
        "web-0",
        "1.2.3.4         web-0",
    ]
    assert os.uname().nodename != "web-0"


async def test_tmp_run_and_shm(pods: Pods) -> None:
    sandbox = await pods.sandbox()
    marks = "echo 1 > /tmp/podyard-mark; echo 2 > /run/podyard-mark; echo 3 > /dev/shm/podyard-mark"
    first = await pods.run(f"{marks}; stat -c %a /tmp /dev/shm; sleep 1000", sandbox=sandbox, host_paths=[])
    await pods.logged(first, "1777")
    look = "cd /tmp; ls /tmp /run /dev/shm"
    text = await lines(pods, look, sandbox=sandbox, host_paths=[])
    assert text.count("podyard-mark") == 1, "the pod shares /dev/shm and nothing else"
    for folder in ("/tmp", "/run", "/dev/shm"):
        assert not Path(folder, "podyard-mark").exists()


async def test_devices(pods: Pods) -> None:
    script = (
        "echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 2 /dev/urandom | wc -c; "
        "echo y > /dev/stdout; ls /dev; "
        "python3 -c 'import os; m, s = os.openpty(); print(os.path.exists(os.ttyname(s)))'"
    )
    text = await lines(pods, script)
    assert text[:3] + text[-1:] == ["3", "2", "y", "True"]
    assert {"fd", "full", "null", "ptmx", "pts", "random", "shm", "termination-log", "tty"} <= set(text)
    assert "vda" not in text and "kmsg" not in text


async def test_a_terminal_has_a_name(pods: Pods) -> None:
    container = await pods.run("tty", tty=True)
    assert (await pods.exited(container)).exit_code == 0
    assert (await pods.log(container))[0][2].startswith("/dev/pts/")


async def test_the_termination_message_path(pods: Pods) -> None:
    script = "echo in the usual place > /dev/termination-log; exit 3"
    assert (await pods.exited(await pods.run(script))).message == "in the usual place\n"
    own = await pods.run(
        "echo elsewhere > /var/lib/podyard-none/log", termination_message_path="/var/lib/podyard-none/log"
    )
    assert (await pods.exited(own)).message == "elsewhere\n"
    assert not Path("/var/lib/podyard-none").exists()


async def test_a_working_directory_is_made(pods: Pods) -> None:
    assert await lines(pods, "pwd; touch x; ls", working_dir="/srv/podyard-none/app") == [
        "/srv/podyard-none/app",
        "x",
    ]
    assert not Path("/srv/podyard-none").exists()


async def test_what_the_image_needs_is_there_though_it_be_in_tmp(pods: Pods, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho runs; echo mine > $PODYARD_DIRECTORY/it; cat $PODYARD_DIRECTORY/it\n")
    program.chmod(0o755)
    text = await lines(pods, [str(program)], host_paths=[str(program.parent)])  # type: ignore[arg-type]
    assert text == ["runs", "mine"]


async def test_no_mount_is_left(pods: Pods, tmp_path: Path) -> None:
    def left() -> list[str]:
        """Those of the host that can be of these pods; others come and go as they like."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if any(mark in line for mark in (str(tmp_path), "podyard-no"))]

    sandbox = await pods.sandbox()
    mounts = [Mount(str(tmp_path), "/etc/podyard-none/x", read_only=True)]
    container = await pods.run("sleep 1000", sandbox=sandbox, mounts=mounts)
    await pods.run("exit 0", sandbox=sandbox, mounts=mounts)
    assert left() == []
    pid = (await pods.runtime.container_status(container)).pid
    assert "/etc/podyard-none/x" in Path(f"/proc/{pid}/mountinfo").read_text()
    assert ".podyard-node" not in Path(f"/proc/{pid}/mountinfo").read_text()
    await pods.runtime.remove_pod_sandbox(sandbox)
    assert left() == []

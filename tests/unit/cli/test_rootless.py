"""A cluster in namespaces of its own: what the gate lets through, sockets from outside, the holder."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from podyard.cli.rootless import gate, listeners, namespace
from podyard.process.main import UserError

NODES = [
    {
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"127.10.0.{n}"},
                {"type": "Hostname", "address": "n"},
            ]
        }
    }
    for n in (2, 1)
]


def service(*ports: dict[str, object], ingress: tuple[str, ...] = ()) -> dict[str, object]:
    return {
        "spec": {"ports": list(ports)},
        "status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in ingress]}},
    }


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ([service({"port": 80})], {}),
        (
            [service({"port": 80, "nodePort": 30080})],
            {
                ("127.0.0.1", 30080): ("127.10.0.1", 30080),
                ("127.10.0.1", 30080): ("127.10.0.1", 30080),
                ("127.10.0.2", 30080): ("127.10.0.2", 30080),
            },
        ),
        ([service({"port": 53, "nodePort": 30053, "protocol": "UDP"})], {}),
        ([service({"port": 443}, ingress=("127.99.0.1",))], {("127.99.0.1", 443): ("127.99.0.1", 443)}),
        ([{"spec": {"type": "ExternalName"}, "status": {}}], {}),
    ],
)
def test_what_is_let_through(services: list[dict[str, object]], expected: dict[object, object]) -> None:
    assert gate.wanted(services, NODES) == expected


def test_addresses_of_a_lan_are_not_the_hosts() -> None:
    nodes = [{"status": {"addresses": [{"type": "InternalIP", "address": "10.10.0.1"}]}}]
    services = [service({"port": 80, "nodePort": 30080}, ingress=("10.99.0.1",))]
    assert gate.wanted(services, nodes) == {("127.0.0.1", 30080): ("10.10.0.1", 30080)}
    nodes[0]["status"]["addresses"].append({"type": "ExternalIP", "address": "127.10.0.1"})
    assert gate.wanted(services, nodes) == {
        ("127.0.0.1", 30080): ("10.10.0.1", 30080),
        ("127.10.0.1", 30080): ("10.10.0.1", 30080),
    }


@pytest.fixture
async def server(tmp_path: Path) -> object:
    made = listeners.ListenerServer(tmp_path / "s")
    yield tmp_path / "s"
    made.close()
    assert not (tmp_path / "s").exists()


async def test_a_listening_socket_is_handed_over(server: Path) -> None:
    listener = await asyncio.to_thread(listeners.request, str(server), "127.200.3.1", 0)
    with listener, socket.create_connection(listener.getsockname()):
        assert listener.accept()[1][0] == "127.0.0.1"
    with (
        socket.create_server(("127.200.3.1", 0)) as taken,
        pytest.raises(OSError, match="in use") as refused,
    ):
        await asyncio.to_thread(listeners.request, str(server), *taken.getsockname())
    assert refused.value.errno == errno.EADDRINUSE


async def test_one_that_is_slow_to_ask_has_its_socket_too(server: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as slow:
        slow.connect(str(server))
        (await asyncio.to_thread(listeners.request, str(server), "127.200.3.1", 0)).close()
        slow.send(b"127.200.3.1 0")
        said, (descriptor,), _, _ = await asyncio.to_thread(socket.recv_fds, slow, 128, 1)
    assert said == b"ok"
    os.close(descriptor)


async def test_connections_go_through_to_their_end(server: Path) -> None:
    async def echo_after_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    inside = await asyncio.start_server(echo_after_end, "127.200.3.2", 0)
    with socket.create_server(("127.200.3.1", 0)) as free:
        outside: gate.Address = free.getsockname()
    through = gate.Gate(str(server))
    listener = await asyncio.to_thread(listeners.request, str(server), *outside)
    through.adopt(outside, inside.sockets[0].getsockname(), listener)
    reader, writer = await asyncio.open_connection(*outside)
    writer.write(b"x" * 1_000_000)
    writer.write_eof()
    assert await reader.read() == b"x" * 1_000_000
    writer.close()
    through.close()
    inside.close()


async def test_descriptors_are_used_up_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits then is let in later."""
    inside = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.200.3.2", 0)
    listener = socket.create_server(("127.200.3.1", 0))
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, iter([OSError(errno.EMFILE, "Too many open files")])

    async def fail_once(sock: socket.socket) -> object:
        for failure in failures:
            raise failure
        return await accept(sock)

    monkeypatch.setattr(loop, "sock_accept", fail_once)
    through = gate.Gate("")
    through.adopt(listener.getsockname(), inside.sockets[0].getsockname(), listener)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    assert await reader.read() == b""
    assert list(failures) == []
    writer.close()
    through.close()
    inside.close()


def _may_make_namespaces() -> bool:
    return subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _may_make_namespaces(), reason="the kernel refuses user namespaces here")
def test_the_holder_keeps_a_network_of_its_own(tmp_path: Path) -> None:
    held = namespace.make(tmp_path)
    try:
        assert namespace.find(tmp_path) == held
        with socket.create_server(("127.200.3.9", 0)) as outside:
            address = outside.getsockname()
            code = f"import socket; socket.socket().bind({address!r}); print('bound')"
            command = held.wrap([sys.executable, "-c", code])
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "bound\n", "the host's port is free inside"
    finally:
        descriptor = os.pidfd_open(held.pid)
        namespace.release_all(tmp_path)
        os.waitid(os.P_PIDFD, descriptor, os.WEXITED)
        os.close(descriptor)
    assert namespace.find(tmp_path) is None


def test_a_pid_that_is_another_process_now_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "namespace-cluster.json").write_text(f'{{"pid": {os.getpid()}, "started": "1"}}')
    assert namespace.find(tmp_path) is None
    namespace.release_all(tmp_path)
    assert not (tmp_path / "namespace-cluster.json").exists()


def test_a_read_only_disk_keeps_no_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    holders = [subprocess.Popen(["sleep", "1000"]) for _ in range(2)]
    for holder, name in zip(holders, ("node1", "cluster"), strict=True):
        started = Path(f"/proc/{holder.pid}/stat").read_text().rpartition(")")[2].split()[19]
        (tmp_path / f"namespace-{name}.json").write_text(f'{{"pid": {holder.pid}, "started": "{started}"}}')
    monkeypatch.setattr(Path, "unlink", refuse)
    try:
        namespace.release_all(tmp_path)
        assert [holder.wait(10) for holder in holders] == [-signal.SIGTERM] * 2
        assert not namespace.any_held(tmp_path)
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'unshare: Operation not permitted'; exit 1", "unshare: Operation not permitted"),
        ("echo Traceback >&2; echo '  in main' >&2; echo 'Error: why' >&2; exit 1", "Error: why"),
        ("exit 1", "no reason given"),
    ],
)
def test_one_that_is_refused_leaves_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    script: str,
    reason: str,
) -> None:
    pids = []
    scripts = {"lan": "echo ready; exec sleep 1000", "node1": script, "node2": "exec sleep 1000"}
    popen = subprocess.Popen

    def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
        holder: subprocess.Popen[str] = popen(["sh", "-c", scripts[command[3]]], **options)
        pids.append(holder.pid)
        return holder

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(UserError, match=re.escape(f"which the kernel refuses ({reason}): run as root")):
        namespace.networks(tmp_path, scripts, None)
    assert len(pids) == 3
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()], "none holds on, or will say anything"
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_no_process_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(UserError, match=r"\(new process: Resource temporarily unavailable\)"):
        namespace.networks(tmp_path, ["lan"], None)

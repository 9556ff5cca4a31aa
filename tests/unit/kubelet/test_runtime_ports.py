"""How a container's ports come to be on its pod's address, and when it counts as running."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from pathlib import Path

import pytest

from podyard.kubelet.runtime import ContainerPort, ContainerState, ListenMode
from podyard.kubelet.shim.container import READY_SECONDS
from tests.unit.kubelet.runtime_harness import Pods, fresh_ip, log_lines, until

ECHO = """
import os, socket, sys, threading, time
port = int(os.environ["PORT"])
time.sleep(float(sys.argv[1]))
def udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    while True:
        data, peer = sock.recvfrom(65536)
        sock.sendto(data.upper(), peer)
threading.Thread(target=udp, daemon=True).start()
server = socket.create_server(("127.0.0.1", port))
def serve(client):
    while data := client.recv(65536):
        client.sendall(data.upper())
    client.sendall(b"<end>")
    client.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


def python(script: str, *args: str) -> list[str]:
    return [sys.executable, "-S", "-c", script, *args]


async def talk(ip: str, port: int, data: bytes) -> bytes:
    """Send, half-close, and read to the end."""
    reader, writer = await asyncio.open_connection(ip, port)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


TCP = ContainerPort(container_port=8080)
UDP = ContainerPort(container_port=8080, protocol="UDP")


async def test_a_private_port_is_forwarded_with_half_close(pods: Pods) -> None:
    ip = fresh_ip()
    container = await pods.run(
        python(ECHO, "0"),
        sandbox=await pods.sandbox(ip),
        ports=[TCP],
        listen=ListenMode.PORT,
        wait_for_ports=True,
    )
    data = b"x" * 2_000_000
    assert await talk(ip, 8080, data) == b"X" * len(data) + b"<end>"
    many = await asyncio.gather(*(talk(ip, 8080, b"n%d" % n) for n in range(50)))
    assert many == [b"N%d<end>" % n for n in range(50)]
    await pods.runtime.stop_container(container, 0)
    with pytest.raises(ConnectionRefusedError):
        await talk(ip, 8080, b"x")


async def test_udp_is_forwarded_for_each_client(pods: Pods) -> None:
    ip = fresh_ip()
    await pods.run(
        python(ECHO, "0"),
        sandbox=await pods.sandbox(ip),
        ports=[TCP, UDP],
        listen=ListenMode.PORT,
        wait_for_ports=True,
    )
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for number, client in enumerate(clients):
        client.settimeout(10)
        client.sendto(b"client %d" % number, (ip, 8080))
    for number, client in enumerate(clients):
        assert client.recvfrom(100) == (b"CLIENT %d" % number, (ip, 8080))
        client.close()


async def test_two_pods_of_one_port(pods: Pods) -> None:
    ips = [fresh_ip(), fresh_ip()]
    for ip in ips:
        await pods.run(
            python(ECHO, "0"),
            sandbox=await pods.sandbox(ip),
            ports=[TCP],
            listen=ListenMode.PORT,
            wait_for_ports=True,
        )
    assert [await talk(ip, 8080, b"a") for ip in ips] == [b"A<end>"] * 2


async def test_nothing_listens_before_the_program_does(pods: Pods) -> None:
    ip = fresh_ip()
    await pods.run(python(ECHO, "0.3"), sandbox=await pods.sandbox(ip), ports=[TCP], listen=ListenMode.PORT)
    with pytest.raises(ConnectionRefusedError):
        await talk(ip, 8080, b"x")

    async def answers() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            return await talk(ip, 8080, b"x") == b"X<end>"
        return False

    async with asyncio.timeout(10):
        while not await answers():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_forward_goes_on_while_the_kubelet_is_away(pods: Pods) -> None:
    ip = fresh_ip()
    await pods.run(
        python(ECHO, "0"),
        sandbox=await pods.sandbox(ip),
        ports=[TCP],
        listen=ListenMode.PORT,
        wait_for_ports=True,
    )
    await pods.runtime.close()
    assert await talk(ip, 8080, b"a") == b"A<end>"
    await pods.restart_kubelet()


async def test_a_backend_that_hangs_up_resets(pods: Pods) -> None:
    ip = fresh_ip()
    script = (
        "import os, socket, struct\n"
        "server = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
        "while True:\n"
        "    client = server.accept()[0]\n"
        "    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
        "    client.close()\n"
    )
    await pods.run(
        python(script),
        sandbox=await pods.sandbox(ip),
        ports=[TCP],
        listen=ListenMode.PORT,
        wait_for_ports=True,
    )
    with pytest.raises(ConnectionResetError):
        reader, _writer = await asyncio.open_connection(ip, 8080)
        await reader.readexactly(1)


LATE = """
import socket, sys, time
time.sleep(float(sys.argv[3]))
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
time.sleep(1000)
"""


async def test_running_means_serving(pods: Pods) -> None:
    ip = fresh_ip()
    container = await pods.create(
        python(LATE, ip, "8080", "0.3"),
        sandbox=await pods.sandbox(ip),
        ports=[TCP],
        listen=ListenMode.ADDRESS,
        wait_for_ports=True,
    )
    starting = asyncio.create_task(pods.start(container))
    events = pods.runtime.events()
    await asyncio.sleep(0)
    assert (await pods.runtime.container_status(container)).state == ContainerState.CREATED
    event = await anext(events)
    assert event.type == "started"
    socket.create_connection((ip, 8080)).close()
    await starting


async def test_who_ends_before_serving_is_not_waited_for(pods: Pods) -> None:
    container = await pods.create("exit 4", ports=[TCP], listen=ListenMode.ADDRESS, wait_for_ports=True)
    began = time.monotonic()
    await pods.start(container)
    assert time.monotonic() - began < READY_SECONDS - 0.5
    assert (await pods.exited(container)).exit_code == 4


async def test_the_environment_of_each_mode(pods: Pods) -> None:
    ip = fresh_ip()
    ports = [TCP, ContainerPort(container_port=9090), ContainerPort(container_port=53, protocol="UDP")]
    found = {}
    for mode in ListenMode:
        container = await pods.run("env", sandbox=await pods.sandbox(ip), ports=ports, listen=mode)
        await pods.exited(container)
        found[mode] = dict(text.split("=", 1) for _, _, text in await pods.log(container))
    assert found[ListenMode.ADDRESS]["PODYARD_POD_IP"] == ip
    assert found[ListenMode.ADDRESS]["PODYARD_PORTS"] == "8080 9090"
    private = found[ListenMode.PORT]
    assert private["PORT"] == private["PORT_8080"]
    assert len({private["PORT_8080"], private["PORT_9090"], private["PORT_53"]}) == 3
    assert private["PODYARD_POD_IP"] == ip
    assert private["PODYARD_PRIVATE_PORTS"].split()[0] == private["PORT"]
    assert not [name for name in found[ListenMode.NONE] if name.startswith(("PORT", "PODYARD_PO"))]


async def test_an_address_that_is_taken_is_logged_by_the_shim(pods: Pods) -> None:
    ip = fresh_ip()
    with socket.create_server((ip, 8080)):
        sandbox = await pods.sandbox(ip)
        await pods.run(python(ECHO, "0"), sandbox=sandbox, ports=[TCP], listen=ListenMode.PORT)
        log = pods.root / "sandboxes" / sandbox / "shim.log"
        await until(lambda: log.read_text() == f"cannot listen on {ip}:8080/TCP: Address already in use\n")


async def test_logs_go_on_while_the_kubelet_is_away(pods: Pods, tmp_path: Path) -> None:
    go = tmp_path / "go"
    container = await pods.run(f"while [ ! -e {go} ]; do sleep 0.01; done; echo late; sleep 1000")
    path = (await pods.runtime.container_status(container)).log_path
    await pods.runtime.close()
    go.touch()
    await until(lambda: log_lines(path) == [("stdout", "F", "late")])
    await pods.restart_kubelet()

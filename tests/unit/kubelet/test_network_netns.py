"""The netns provider with the runtime: pods that have a network of their own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from pyroute2.nftables.main import NFTables

from podyard.kubelet.network import ConnectedPod, NetworkError, removal
from podyard.kubelet.network.netns import NetnsProvider
from podyard.kubelet.runtime import (
    ContainerPort,
    ContainerSecurity,
    ListenMode,
    NamespaceMode,
    PodSandboxConfig,
    PortMapping,
    RuntimeFailure,
)
from podyard.kubelet.runtime.subprocess import SubprocessRuntime, remove_everything
from podyard.kubelet.streaming import dial, dialled_address
from podyard.process.namespaces import CLONE_NEWNET, setns
from tests.support.networks import Network, needs_root, networks
from tests.unit.kubelet.runtime_harness import Pods, fresh_ip, needs_namespaces
from tests.unit.kubelet.test_network_plan import node

pytestmark = [needs_root, needs_namespaces]

NODE_IP = "10.10.0.1"
CIDR = "10.244.1.0/24"


@pytest.fixture
def home() -> Iterator[Network]:
    """The test itself is on a node, in a namespace of its own."""
    ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    with networks(2) as (network, other):
        network.plug("up0", other, "up0", f"{NODE_IP}/24", "10.10.0.2/24")
        setns(network.fd, CLONE_NEWNET)
        try:
            yield network
        finally:
            setns(ours, CLONE_NEWNET)
            os.close(ours)


def make_provider(root: Path) -> NetnsProvider:
    return NetnsProvider(root, "node1", NODE_IP, IPv4Network("10.244.0.0/16"))


@pytest.fixture
async def provider(home: Network, tmp_path: Path) -> NetnsProvider:
    made = make_provider(tmp_path)
    await made.configure(CIDR)
    return made


@pytest.fixture
async def runtime(provider: NetnsProvider, tmp_path: Path) -> AsyncIterator[SubprocessRuntime]:
    made = SubprocessRuntime(tmp_path, connect=provider.connect)
    await made.start()
    yield made
    await made.close()
    await remove_everything(tmp_path)


async def sandbox(
    runtime: SubprocessRuntime, provider: NetnsProvider, uid: str, root: Path, **more: Any
) -> str:
    """A pod's sandbox; its address."""
    ip = await provider.allocate(uid)
    config = PodSandboxConfig(
        name=uid,
        namespace="default",
        uid=uid,
        ip=ip,
        hostname=uid,
        log_directory=root / "logs" / uid,
        network=NamespaceMode.POD,
        **more,
    )
    await runtime.run_pod_sandbox(config)
    return ip


async def serves(address: str, port: int) -> None:
    reader, writer = await asyncio.open_connection(address, port)
    assert await reader.read(2) == b"hi"
    writer.close()


SERVE = """
import os, socket
print(sorted(name for name in os.environ if "PORT" in name or "POD_IP" in name), flush=True)
server = socket.create_server(("0.0.0.0", int(os.environ["PORT"])))
while True:
    client, _ = server.accept()
    client.sendall(b"hi")
    client.close()
"""


async def test_a_program_listens_on_all_addresses_of_its_pod(
    runtime: SubprocessRuntime, provider: NetnsProvider, tmp_path: Path
) -> None:
    pods = Pods(tmp_path)
    pods.runtime = runtime
    for uid in ("one", "two"):
        ip = await sandbox(runtime, provider, uid, tmp_path)
        (made,) = [s.id for s in await runtime.list_pod_sandboxes() if s.config.uid == uid]
        container = await pods.run(
            [sys.executable, "-S", "-c", SERVE],
            sandbox=made,
            ports=[ContainerPort(container_port=80)],
            listen=ListenMode.PORT,
            wait_for_ports=True,
        )
        await serves(ip, 80)
        assert (await pods.log(container))[0][2] == "['PODYARD_PORTS', 'PORT', 'PORT_80']"


LISTEN_APART = """
import os, selectors, socket, sys
ready = selectors.DefaultSelector()
for address in (("127.0.0.1", 81), (sys.argv[1], 80)):
    ready.register(socket.create_server(address), selectors.EVENT_READ)
while True:
    for key, _ in ready.select():
        key.fileobj.accept()[0].sendall(b"hi")
"""


async def test_a_port_of_localhost_and_one_of_the_address(
    runtime: SubprocessRuntime, provider: NetnsProvider, tmp_path: Path
) -> None:
    pods = Pods(tmp_path)
    pods.runtime = runtime
    ip = await sandbox(runtime, provider, "one", tmp_path)
    (made,) = await runtime.list_pod_sandboxes()
    await pods.run(
        [sys.executable, "-S", "-c", LISTEN_APART, ip],
        sandbox=made.id,
        ports=[ContainerPort(container_port=80)],
        listen=ListenMode.ADDRESS,
        wait_for_ports=True,
    )
    for by_address, port, other in ((False, 81, 80), (True, 80, 81)):
        host = dialled_address(made, by_address=by_address)
        reader, writer = await dial(made, host, port)
        assert await reader.read(2) == b"hi"
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await dial(made, host, other)


async def test_any_user_has_low_ports(
    runtime: SubprocessRuntime, provider: NetnsProvider, tmp_path: Path
) -> None:
    pods = Pods(tmp_path)
    pods.runtime = runtime
    ip = await sandbox(runtime, provider, "one", tmp_path)
    (made,) = await runtime.list_pod_sandboxes()
    await pods.run(
        [sys.executable, "-S", "-c", SERVE],
        sandbox=made.id,
        ports=[ContainerPort(container_port=80)],
        listen=ListenMode.PORT,
        wait_for_ports=True,
        security=ContainerSecurity(user=1234, group=0, groups=(), capabilities=0),
    )
    await serves(ip, 80)


async def test_a_new_kubelet_takes_pods_over_and_mends_their_links(
    runtime: SubprocessRuntime, provider: NetnsProvider, home: Network, tmp_path: Path
) -> None:
    ip = await sandbox(runtime, provider, "one", tmp_path)
    await runtime.close()
    home.shell("ip link del podyard0; ip -br link | grep -o '^veth[0-9a-f]*' | xargs -n 1 ip link del")
    again, found = make_provider(tmp_path), SubprocessRuntime(tmp_path)
    await found.start()
    await again.configure(CIDR)
    (one,) = await found.list_pod_sandboxes()
    await again.adopt({"one": ConnectedPod(ip, one.pid), "gone": ConnectedPod("10.244.1.9", 2**22 + 1)})
    assert again.address("one") == ip
    with pytest.raises(ConnectionRefusedError):  # there is a host, and nothing listens
        await asyncio.open_connection(ip, 80)
    await found.close()


async def test_a_pods_link_goes_with_its_sandbox(
    runtime: SubprocessRuntime, provider: NetnsProvider, home: Network, tmp_path: Path
) -> None:
    await sandbox(runtime, provider, "one", tmp_path)
    (one,) = await runtime.list_pod_sandboxes()
    assert "veth" in home.shell("ip -br link")
    await runtime.remove_pod_sandbox(one.id)
    end = time.monotonic() + 10
    while "veth" in home.shell("ip -br link"):  # the kernel does it a moment later
        assert time.monotonic() < end


async def test_a_host_port_leads_into_the_pod(
    runtime: SubprocessRuntime, provider: NetnsProvider, tmp_path: Path
) -> None:
    mapping = PortMapping(host_ip=NODE_IP, host_port=8080, container_port=80)
    await sandbox(runtime, provider, "one", tmp_path, port_mappings=(mapping,))
    pods = Pods(tmp_path)
    pods.runtime = runtime
    (one,) = await runtime.list_pod_sandboxes()
    serve = [sys.executable, "-S", "-c", SERVE]
    ports = [ContainerPort(container_port=80)]
    await pods.run(serve, sandbox=one.id, ports=ports, listen=ListenMode.PORT, wait_for_ports=True)
    await serves(NODE_IP, 8080)
    with pytest.raises(
        RuntimeFailure, match=r"cannot listen on hostPort 10.10.0.1:8080/TCP: address already"
    ):
        await sandbox(runtime, provider, "two", tmp_path, port_mappings=(mapping,))
    await runtime.stop_pod_sandbox(one.id)
    await sandbox(runtime, provider, "two", tmp_path, port_mappings=(mapping,))


async def test_conditions_say_what_there_is(provider: NetnsProvider, home: Network, tmp_path: Path) -> None:
    unknown = make_provider(tmp_path)
    assert unknown.conditions()[0][:3] == ("NetworkUnavailable", "True", "PodNetworkNotReady")
    changes: list[None] = []
    provider.changed = lambda: changes.append(None)
    nodes = [node("node1", NODE_IP, CIDR), node("node2", "10.10.0.2", "10.244.2.0/24")]
    await provider.set_nodes(nodes)
    (network, outside) = provider.conditions()
    assert network[:3] == ("NetworkUnavailable", "False", "PodNetworkReady")
    assert "other nodes: 1 reached directly, 0 over VXLAN" in network[3]
    assert outside[:3] == ("PodsReachOutside", "False", "NotForwarded")
    home.shell("ip route add default via 10.10.0.2")
    await provider.set_nodes(nodes)
    assert provider.conditions()[1][:3] == ("PodsReachOutside", "True", "Masqueraded")
    assert len(changes) == 2
    await provider.set_nodes(nodes)
    assert len(changes) == 2


def add_chain(family: int, table: str, name: str, hook: str, policy: int) -> None:
    """A chain of nftables with a policy, 0 (drop) or 1 (accept), as firewalls have it."""
    with NFTables(nfgen_family=family) as nft:
        nft.table("add", name=table)
        nft.chain("add", table=table, name=name, hook=hook, type="filter", priority=0, policy=policy)


def remove_table(family: int, table: str) -> None:
    with NFTables(nfgen_family=family) as nft:
        nft.table("del", name=table)


@pytest.mark.parametrize(("family", "called"), [(1, "inet"), (2, "ip")])
async def test_a_firewall_that_drops_forwarded_packets(
    provider: NetnsProvider, home: Network, family: int, called: str
) -> None:
    home.shell("ip route add default via 10.10.0.2")
    nodes = [node("node1", NODE_IP, CIDR), node("node2", "10.10.0.2", "10.244.2.0/24")]
    changes: list[None] = []
    provider.changed = lambda: changes.append(None)

    async def states() -> list[tuple[str, str]]:
        await provider.set_nodes(nodes)
        return [condition[1:3] for condition in provider.conditions()]

    fine = [("False", "PodNetworkReady"), ("True", "Masqueraded")]
    await asyncio.to_thread(home.do, lambda: add_chain(2, "filter", "INPUT", "input", 0))
    await asyncio.to_thread(home.do, lambda: add_chain(2, "filter", "FORWARD", "forward", 1))
    await asyncio.to_thread(home.do, lambda: add_chain(7, "bridges", "forward", "forward", 0))
    assert await states() == fine
    changes.clear()
    await asyncio.to_thread(home.do, lambda: add_chain(family, "firewall", "forward", "forward", 0))
    assert await states() == [("Unknown", "ForwardingDropped")] * 2
    told = {condition[3] for condition in provider.conditions()}
    assert told == {
        f"this host drops forwarded packets but for exceptions (nftables: {called} firewall forward): "
        "pods reach beyond it once what comes from and goes to podyard0 is accepted"
    }
    assert len(changes) == 1
    await asyncio.to_thread(home.do, lambda: remove_table(family, "firewall"))
    assert await states() == fine


@pytest.mark.parametrize(
    ("cidr", "message"),
    [
        ("10.245.1.0/24", "is not in --cluster-cidr 10.244.0.0/16"),
        ("10.244.1.0/30", "is too small"),
        ("10.244.1.7/24", "is invalid"),
    ],
)
async def test_a_range_that_will_not_do(home: Network, tmp_path: Path, cidr: str, message: str) -> None:
    refused = make_provider(tmp_path)
    with pytest.raises(NetworkError, match=message):
        await refused.configure(cidr)
    assert message in refused.conditions()[0][3]


async def test_a_host_has_one_such_node(
    runtime: SubprocessRuntime, provider: NetnsProvider, tmp_path: Path
) -> None:
    other = NetnsProvider(tmp_path / "other", "node2", NODE_IP, IPv4Network("10.244.0.0/16"))
    await sandbox(runtime, provider, "one", tmp_path)
    with pytest.raises(NetworkError, match=r"podyard0 has another node's pods, of 10\.244\.1\.0/24"):
        await other.configure("10.244.2.0/24")


async def test_it_is_taken_down_where_it_was_made(
    provider: NetnsProvider, home: Network, tmp_path: Path
) -> None:
    assert "podyard0" in home.shell("ip -br link")
    (tmp_path / removal.MARKER).write_text("1")
    await asyncio.to_thread(removal.remove, tmp_path)
    assert "podyard0" in home.shell("ip -br link"), "made in another namespace"
    removal.mark(tmp_path)
    await asyncio.to_thread(home.do, lambda: removal.remove(tmp_path))
    assert "podyard0" not in home.shell("ip -br link")


@pytest.mark.parametrize("before", ["0", "1"])
async def test_a_host_forwards_packets_only_as_long_as_it_is_a_node(
    home: Network, tmp_path: Path, before: str
) -> None:
    home.shell(f"echo {before} > {removal.FORWARDING}")
    for _ in range(2):  # a kubelet, and the one after it
        await make_provider(tmp_path).configure(CIDR)
        assert home.shell(f"cat {removal.FORWARDING}") == "1\n"
    await asyncio.to_thread(home.do, lambda: removal.remove(tmp_path))
    assert home.shell(f"cat {removal.FORWARDING}") == f"{before}\n"
    assert not any((tmp_path / name).exists() for name in (removal.MARKER, removal.FORWARDING_NOTE))


@pytest.mark.parametrize(
    ("link", "after"), [("docker0", "1"), ("podyard-up1", "1"), ("podyard-svc", "0"), ("veth0123456789", "0")]
)
async def test_a_host_with_a_link_that_has_come_since_goes_on_forwarding(
    home: Network, tmp_path: Path, link: str, after: str
) -> None:
    """A node's own links go in their own time, and need nothing any more."""
    home.shell(f"ip link add was-there type bridge; echo 0 > {removal.FORWARDING}")
    await make_provider(tmp_path).configure(CIDR)
    home.shell(f"ip link add {link} type bridge")
    await asyncio.to_thread(home.do, lambda: removal.remove(tmp_path))
    assert home.shell(f"cat {removal.FORWARDING}") == f"{after}\n"
    assert not (tmp_path / removal.FORWARDING_NOTE).exists()


async def test_what_forwards_since_a_later_boot_is_not_turned_off(home: Network, tmp_path: Path) -> None:
    home.shell(f"echo 0 > {removal.FORWARDING}")
    await make_provider(tmp_path).configure(CIDR)
    note = tmp_path / removal.FORWARDING_NOTE
    note.write_text(f"another-boot {note.read_text().split()[1]}")
    await asyncio.to_thread(home.do, lambda: removal.remove(tmp_path))
    assert home.shell(f"cat {removal.FORWARDING}") == "1\n"


async def test_a_host_port_on_loopback(pods: Pods) -> None:
    ip, host = fresh_ip(), fresh_ip()
    mappings = [
        PortMapping(host_ip=host, host_port=8081, container_port=80),
        PortMapping(host_ip=host, host_port=8081, container_port=80, protocol="UDP"),
    ]
    made = await pods.sandbox(ip, port_mappings=mappings)
    ports = [ContainerPort(container_port=80)]
    serve = SERVE.replace('"0.0.0.0"', '"127.0.0.1"')
    await pods.run(
        [sys.executable, "-S", "-c", serve],
        sandbox=made,
        ports=ports,
        listen=ListenMode.PORT,
        wait_for_ports=True,
    )
    await serves(ip, 80)
    await serves(host, 8081)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, pytest.raises(OSError, match="in use"):
        taken.bind((host, 8081))

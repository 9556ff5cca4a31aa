"""The loopback network provider."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from podyard.kubelet.network import AddressesExhausted, ConnectedPod, NetworkError
from podyard.kubelet.network.allocator import Allocations
from podyard.kubelet.network.loopback import LoopbackProvider


@pytest.fixture
async def provider(tmp_path: Path) -> LoopbackProvider:
    provider = LoopbackProvider(tmp_path / "network.json")
    await provider.configure("127.244.1.0/24")
    return provider


async def again(provider: LoopbackProvider, tmp_path: Path, cidr: str = "127.244.1.0/24") -> LoopbackProvider:
    """The provider of a restarted kubelet."""
    provider = LoopbackProvider(tmp_path / "network.json")
    await provider.configure(cidr)
    return provider


def test_rotation() -> None:
    small = Allocations(IPv4Network("127.244.1.0/29"))  # .2 to .6
    assert [small.allocate(pod) for pod in "abc"] == ["127.244.1.2", "127.244.1.3", "127.244.1.4"]
    small.release("a")
    assert small.allocate("a") == "127.244.1.5"  # not the one just freed
    assert small.allocate("d") == "127.244.1.6"
    assert small.allocate("e") == "127.244.1.2"  # round again
    with pytest.raises(AddressesExhausted, match=r"no free address in the node's podCIDR 127.244.1.0/29"):
        small.allocate("f")
    small.release("c")
    assert small.allocate("f") == "127.244.1.4"


def test_a_whole_range_has_no_network_broadcast_or_node_address() -> None:
    allocations = Allocations(IPv4Network("127.244.1.0/24"))
    given = [allocations.allocate(str(number)) for number in range(253)]
    assert given == [f"127.244.1.{number}" for number in range(2, 255)]


async def test_asking_twice_gives_the_same(provider: LoopbackProvider) -> None:
    assert await provider.allocate("uid") == await provider.allocate("uid") == "127.244.1.2"
    assert provider.address("uid") == "127.244.1.2"
    assert provider.address("other") is None


async def test_allocations_and_rotation_survive_a_restart(provider: LoopbackProvider, tmp_path: Path) -> None:
    await provider.allocate("a")
    await provider.allocate("b")
    await provider.release("b")
    provider = await again(provider, tmp_path)
    assert provider.address("a") == "127.244.1.2"
    assert await provider.allocate("c") == "127.244.1.4"


async def test_adopt_drops_and_records(provider: LoopbackProvider, tmp_path: Path) -> None:
    await provider.allocate("gone")
    await provider.adopt({"lives": ConnectedPod("127.244.1.9", 1)})
    provider = await again(provider, tmp_path)
    assert (provider.address("gone"), provider.address("lives")) == (None, "127.244.1.9")


async def test_another_range_starts_afresh(provider: LoopbackProvider, tmp_path: Path) -> None:
    await provider.allocate("a")
    provider = await again(provider, tmp_path, "127.244.2.0/24")
    assert provider.address("a") is None
    assert await provider.allocate("a") == "127.244.2.2"


async def test_release_of_the_unknown(provider: LoopbackProvider, tmp_path: Path) -> None:
    await provider.release("nobody")
    await LoopbackProvider(tmp_path / "other.json").release("nobody")


@pytest.mark.parametrize(
    ("cidr", "message"),
    [
        ("10.244.1.0/24", "needs a podCIDR inside 127.0.0.0/8, not 10.244.1.0/24"),
        ("127.244.1.0/31", "needs a podCIDR inside"),
        ("127.244.1.7/24", "podCIDR '127.244.1.7/24' is invalid"),
        ("fd00::/64", "is invalid"),
    ],
)
async def test_a_range_that_will_not_do(tmp_path: Path, cidr: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        await LoopbackProvider(tmp_path / "network.json").configure(cidr)


async def test_no_range_yet(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="the node has no podCIDR yet"):
        await LoopbackProvider(tmp_path / "network.json").allocate("a")


async def test_a_damaged_file_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    file.write_text("{")
    with pytest.raises(NetworkError, match="cannot read"):
        await LoopbackProvider(file).configure("127.244.1.0/24")
    assert file.read_text() == "{"


async def test_what_cannot_be_written_is_not_given(provider: LoopbackProvider, tmp_path: Path) -> None:
    (tmp_path / "network.json.new").mkdir()
    with pytest.raises(NetworkError, match="cannot write"):
        await provider.allocate("a")
    assert provider.address("a") is None


async def test_the_file_is_written_before_the_address_is_given(
    provider: LoopbackProvider, tmp_path: Path
) -> None:
    address = await provider.allocate("a")
    assert json.loads((tmp_path / "network.json").read_text())["pods"] == {"a": address}

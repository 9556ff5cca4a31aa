"""Pods that reach beyond the cluster do so under their node's address, by nftables. Blocks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nftsocket import Cmp, Regs
from pyroute2.nftables.expressions import genex, masq, verdict
from pyroute2.nftables.main import NFTables

CHAIN = "postrouting"
NF_INET = 2  # NFPROTO_IPV4
NF_UNSPECIFIED = 0  # NFPROTO_UNSPEC, which lists every family
_FAMILIES = {1: "inet", 2: "ip"}  # that IPv4 packets pass
SNAT_PRIORITY = 100
_NETWORK_HEADER = 1
_SOURCE, _DESTINATION = 12, 16  # offsets in an IPv4 header (RFC 791)
_META_OUT_NAME = 7  # NFT_META_OIFNAME
_RETURN = -5  # NFT_RETURN
_DROP, _ACCEPT = 0, 1
_FORWARD_HOOK = 2  # NF_INET_FORWARD
_NAME_BYTES = 16


def masquerade(
    table: str, sources: Iterable[IPv4Network], plain: Iterable[IPv4Network], links: Iterable[str]
) -> None:
    """What comes from `sources` leaves under this host's address.

    Unless it goes to `plain`, or out of `links`. Replaces the table of that name. Raises OSError when
    the kernel has no nftables; then no part of the table is left.
    """
    with _nftables() as nft:
        _delete(nft, table)
        nft.table("add", name=table)
        try:
            _fill(nft, table, sources, plain, links)
        except NetlinkError:
            _delete(nft, table)
            raise


def is_there(table: str) -> bool:
    """Whether the table is as it was made, as far as its name tells. Raises OSError."""
    with _nftables() as nft:
        return _exists(nft, table)


def firewall(link: str) -> str:
    """What to do about this host's dropping forwarded packets unless told otherwise; empty when it does not.

    Whether it has been told of `link`, by which pods leave, no chain's policy says. Raises OSError.
    """
    with _nftables(NF_UNSPECIFIED) as nft:
        for chain in nft.get_chains():
            family = _FAMILIES.get(chain["nfgen_family"])
            hook = dict((chain.get_attr("NFTA_CHAIN_HOOK") or {}).get("attrs", ()))
            drops = chain.get_attr("NFTA_CHAIN_POLICY") == _DROP
            if family and drops and hook.get("NFTA_HOOK_HOOKNUM") == _FORWARD_HOOK:
                name = f"{family} {chain.get_attr('NFTA_CHAIN_TABLE')} {chain.get_attr('NFTA_CHAIN_NAME')}"
                return (
                    f"this host drops forwarded packets but for exceptions (nftables: {name}): pods reach "
                    f"beyond it once what comes from and goes to {link} is accepted"
                )
    return ""


def remove(table: str) -> None:
    """Masquerade no more. Raises OSError."""
    with _nftables() as nft:
        _delete(nft, table)


def _fill(
    nft: Any, table: str, sources: Iterable[IPv4Network], plain: Iterable[IPv4Network], links: Iterable[str]
) -> None:
    nft.chain("add", table=table, name=CHAIN, hook=CHAIN, type="nat", priority=SNAT_PRIORITY, policy=_ACCEPT)
    rules = [
        *((_address(_DESTINATION, network), verdict(_RETURN)) for network in plain),
        *((_out_link(link), verdict(_RETURN)) for link in links),
        *((_address(_SOURCE, network), masq()) for network in sources),
    ]
    for expressions in rules:
        nft.rule("add", table=table, chain=CHAIN, expressions=expressions)


class _nftables:
    """An NFTables that raises OSError."""

    def __init__(self, family: int = NF_INET) -> None:
        self._family = family

    def __enter__(self) -> Any:
        self._nft = NFTables(nfgen_family=self._family)
        return self._nft

    def __exit__(self, _kind: object, error: object, _traceback: object) -> None:
        self._nft.close()
        if isinstance(error, NetlinkError):
            raise OSError(error.code, os.strerror(error.code)) from error


def _delete(nft: Any, table: str) -> None:
    if _exists(nft, table):
        nft.table("del", name=table)


def _exists(nft: Any, table: str) -> bool:
    return any(found.get_attr("NFTA_TABLE_NAME") == table for found in nft.get_tables())


def _address(offset: int, network: IPv4Network) -> list[Any]:
    """ip saddr or ip daddr."""
    register = Regs.NFT_REG_1
    return [
        genex("payload", {"dreg": register, "base": _NETWORK_HEADER, "offset": offset, "len": 4}),
        genex(
            "bitwise",
            {
                "sreg": register,
                "dreg": register,
                "len": 4,
                "mask": _value(network.netmask.packed),
                "xor": _value(bytes(4)),
            },
        ),
        genex(
            "cmp", {"sreg": register, "op": Cmp.NFT_CMP_EQ, "data": _value(network.network_address.packed)}
        ),
    ]


def _out_link(name: str) -> list[Any]:
    """oifname."""
    return [
        genex("meta", {"dreg": Regs.NFT_REG_1, "key": _META_OUT_NAME}),
        genex(
            "cmp",
            {
                "sreg": Regs.NFT_REG_1,
                "op": Cmp.NFT_CMP_EQ,
                "data": _value(name.encode().ljust(_NAME_BYTES, b"\0")),
            },
        ),
    ]


def _value(data: bytes) -> dict[str, Any]:
    return {"attrs": [("NFTA_DATA_VALUE", data)]}

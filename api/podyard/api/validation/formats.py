"""Texts of a certain form: DNS names, addresses, paths, ports, percentages."""

from __future__ import annotations

import ipaddress
from typing import Any

from podyard.api import names
from podyard.api.validation.fields import Errors, in_range, invalid, invalid_all, non_negative, required

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_ip(text: str) -> Address | None:
    """The address, or None when it is none. One with a zone (RFC 4007) is none, as in Kubernetes."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if isinstance(address, ipaddress.IPv6Address) and address.scope_id else address


def dns_label(path: str, value: str) -> Errors:
    """A DNS label (RFC 1123)."""
    yield from invalid_all(path, value, names.is_dns1123_label(value))


def dns_subdomain(path: str, value: str) -> Errors:
    """A DNS name (RFC 1123)."""
    yield from invalid_all(path, value, names.is_dns1123_subdomain(value))


def ip(path: str, value: str) -> Errors:
    """An IPv4 or IPv6 address."""
    if parse_ip(value) is None:
        yield invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def cidr(path: str, value: str) -> Errors:
    """A network in CIDR form; bits beyond the prefix are let pass, as Kubernetes does."""
    try:
        if "/" not in value:
            raise ValueError(value)
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        yield invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")


def endpoint_ip(path: str, value: str) -> Errors:
    """An address that traffic may be sent to (core/validation ValidateNonSpecialIP).

    Kubernetes refuses loopback addresses here too. podyard does not: its loopback network gives
    pods, nodes and Services real addresses out of 127.0.0.0/8, and those are what Endpoints,
    EndpointSlices and external IPs hold.
    """
    address = parse_ip(value)
    if address is None:
        yield invalid(path, value, "must be a valid IP address")
        return
    if address.is_unspecified:
        yield invalid(path, value, f"may not be unspecified ({value})")
    if address.is_multicast and _link_local_multicast(address):
        yield invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    elif address.is_link_local:
        yield invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")


def _link_local_multicast(address: Address) -> bool:
    if address.version == 4:
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address in ipaddress.ip_network("ff02::/16")


def port(path: str, value: Any) -> Errors:
    """A port number, 1 to 65535."""
    yield from invalid_all(path, value, names.is_port_number(value))


def port_or_name(path: str, value: Any) -> Errors:
    """A port number, or the name of a container's port."""
    if isinstance(value, str):
        yield from invalid_all(path, value, names.is_port_name(value))
    else:
        yield from port(path, value or 0)


def relative_path(path: str, value: str) -> Errors:
    """A path below some directory."""
    if value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    yield from no_backsteps(path, value)


def no_backsteps(path: str, value: str) -> Errors:
    """A path without ".." elements."""
    if ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")


def non_reserved_path(path: str, value: str) -> Errors:
    """A relative path that does not start with "..": those names are the kubelet's own."""
    yield from relative_path(path, value)
    if value.startswith("..") and not value.startswith("../"):
        yield invalid(path, value, "must not start with '..'")


def file_mode(path: str, value: int | None) -> Errors:
    """File permission bits, if given."""
    if value is not None and not 0 <= value <= 0o777:
        yield invalid(path, value, "must be a number between 0 and 0777 (octal), both inclusive")


def user_id(path: str, value: int | None) -> Errors:
    """A user or group number, if given."""
    yield from in_range(path, value, 0, 2**32 - 1)


def int_or_percent(path: str, value: Any) -> Errors:
    """A count that is not negative, or a percentage such as "25%"."""
    if isinstance(value, str):
        yield from invalid_all(path, value, names.is_percent(value))
    else:
        yield from non_negative(path, value)


def at_most_100_percent(path: str, value: Any) -> Errors:
    """A percentage, if it is one, of at most 100."""
    if isinstance(value, str) and not names.is_percent(value) and int(value[:-1]) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def int_or_percent_number(value: Any) -> int:
    """The number in a count or percentage; 0 when it is malformed."""
    if isinstance(value, str):
        return 0 if names.is_percent(value) else int(value[:-1])
    return int(value or 0)


def named(path: str, name: str | None) -> Errors:
    """The name of another object (a DNS name), which must be given."""
    if not name:
        yield required(path)
    else:
        yield from dns_subdomain(path, name)

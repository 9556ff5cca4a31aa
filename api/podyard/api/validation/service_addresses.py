"""The ClusterIPs and IP families of a Service, of one stack or two (core/validation)."""

from __future__ import annotations

from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    duplicate,
    indexed,
    invalid,
    not_supported,
    required,
)

_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")


def headless(spec: Object) -> bool:
    """Whether the Service asks for no address of its own."""
    addresses = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return addresses == ["None"]


def cluster_ips(spec: Object) -> Errors:
    """The form of `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`, and that they agree."""
    path = "spec.clusterIPs"
    addresses, first = spec.get("clusterIPs") or [], spec.get("clusterIP")
    families = spec.get("ipFamilies") or []
    if first and not addresses:
        yield required(path)
    elif first and addresses[0] != first:
        yield invalid(path, addresses, "first value must match `clusterIP`")
    elif addresses and not first:
        yield invalid(path, addresses, "must be empty when `clusterIP` is not specified")
    yield from _families(spec, families)
    malformed = False
    for at, address in indexed(path, addresses):
        if address == "None" and at.endswith("[0]"):
            if len(addresses) > 1:
                malformed = True
                yield invalid(path, addresses, "'None' must be the first and only value")
            continue
        errors = list(formats.ip(at, address))
        malformed = malformed or bool(errors)
        yield from errors
    if len(addresses) > 2:
        yield invalid(path, addresses, "may only hold up to 2 values")
    if malformed or headless(spec):
        return
    given = [_family(address) for address in addresses]
    if len(set(given)) < len(given):
        yield invalid(path, addresses, "may specify no more than one IP for each IP family")
    for index, (family, wanted) in enumerate(zip(given, families, strict=False)):
        if family != wanted:
            detail = f"expected an {wanted} value as indicated by `ipFamilies[{index}]`"
            yield invalid(f"{path}[{index}]", addresses[index], detail)


def _families(spec: Object, families: list[str]) -> Errors:
    for at, family in indexed("spec.ipFamilies", families):
        if family not in _FAMILIES:
            yield not_supported(at, family, _FAMILIES)
    if len(set(families)) < len(families):
        yield duplicate(f"spec.ipFamilies[{len(families) - 1}]", families[-1])
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _FAMILY_POLICIES:
        yield not_supported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES)


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def same_cluster_ips(new: Object, old: Object) -> Errors:
    """The addresses of a Service stay as long as it lives."""
    if headless(new) and headless(old):
        return
    yield from _same_list("clusterIPs", new, old, released="primary clusterIP can not be unset")


def same_families(new: Object, old: Object) -> Errors:
    """The IP families of a Service stay, unless it turns headless or back."""
    # Turning headless or back takes new families with it.
    if headless(new) or headless(old):
        return
    yield from _same_list("ipFamilies", new, old, released="primary ipFamily can not be unset")


def _same_list(key: str, new: Object, old: Object, *, released: str) -> Errors:
    """A second item may come and go (dual stack); what stays must stay the same."""
    path = f"spec.{key}"
    now, before = new.get(key) or [], old.get(key) or []
    if before and not now:
        yield invalid(f"{path}[0]", now, released)
    for index, (value, kept) in enumerate(zip(now, before, strict=False)):
        if value != kept:
            yield invalid(f"{path}[{index}]", now, "may not change once set")
    if len(now) == 1 and len(before) == 2 and new.get("ipFamilyPolicy") != "SingleStack":
        what = "clusterIP" if key == "clusterIPs" else "ipFamily"
        detail = f"must be set to 'SingleStack' when releasing the secondary {what}"
        yield invalid("spec.ipFamilyPolicy", new.get("ipFamilyPolicy"), detail)

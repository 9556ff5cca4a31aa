"""A pod's DNS settings and host name (pkg/kubelet/network/dns). Pure."""

from __future__ import annotations

from typing import Any

from podyard.kubelet.runtime import DnsConfig

Object = dict[str, Any]

MAX_HOSTNAME = 63


def pod_dns(pod: Object, cluster_dns: str, cluster_domain: str, host: DnsConfig) -> DnsConfig:
    """What the pod's resolv.conf says, by its dnsPolicy and dnsConfig. `host` is the node's own."""
    spec = pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    if policy == "None":
        base = DnsConfig()
    elif policy == "Default" or not cluster_dns:
        base = host
    else:
        namespace = pod["metadata"]["namespace"]
        own = (f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
        base = DnsConfig(servers=(cluster_dns,), searches=_unique(*own, *host.searches), options=("ndots:5",))
    return _merge(base, spec.get("dnsConfig") or {})


def _merge(base: DnsConfig, config: Object) -> DnsConfig:
    named = {option.partition(":")[0]: option for option in base.options}
    for option in config.get("options") or ():
        value = option.get("value")
        named[option["name"]] = option["name"] if value is None else f"{option['name']}:{value}"
    return DnsConfig(
        servers=_unique(*base.servers, *(config.get("nameservers") or ())),
        searches=_unique(*base.searches, *(config.get("searches") or ())),
        options=tuple(named.values()),
    )


def _unique(*values: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def parse_resolv_conf(text: str) -> DnsConfig:
    """The servers, search list and options of a resolv.conf(5)."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search" | "domain", *names]:
                searches = tuple(names)
            case ["options", *names]:
                options = tuple(names)
    return DnsConfig(servers=tuple(servers), searches=searches, options=options)


def hostname(pod: Object) -> str:
    """The pod's host name: its spec.hostname, else its name, cut to what a host name may have."""
    name = str(pod["spec"].get("hostname") or pod["metadata"]["name"])
    return name[:MAX_HOSTNAME].rstrip("-.")

"""A pod's DNS settings, host name and /etc/hosts (pkg/kubelet/network/dns, kubelet_pods.go). Pure."""

from __future__ import annotations

from typing import Any

from podyard.kubelet.runtime import DnsConfig

Object = dict[str, Any]

MAX_HOSTNAME = 63
MAX_KERNEL_HOSTNAME = 64

_HOSTS = (
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)


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


def hostname(pod: Object, node_name: str, cluster_domain: str) -> str:
    """The host name that a pod's programs see.

    Its spec.hostname, else its name, cut to what a host name may have; with setHostnameAsFQDN the
    whole name, where the kernel can hold it; on the host's network the node's.
    """
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        return node_name[:MAX_HOSTNAME]
    name = _short_name(pod)
    whole = _full_name(pod, cluster_domain)
    return whole if spec.get("setHostnameAsFQDN") and 0 < len(whole) <= MAX_KERNEL_HOSTNAME else name


def hosts_file(pod: Object, ip: str, cluster_domain: str, host: str) -> str:
    """The text of a pod's /etc/hosts. `host` is that of the node's, which pods on its network share."""
    aliases = pod["spec"].get("hostAliases") or ()
    added = [f"{alias['ip']}\t" + "\t".join(alias.get("hostnames") or ()) for alias in aliases]
    if pod["spec"].get("hostNetwork"):
        lines = ["# Kubernetes-managed hosts file (host network).", *host.splitlines()]
    else:
        names = [name for name in (_full_name(pod, cluster_domain), _short_name(pod)) if name]
        lines = [*_HOSTS, "\t".join((ip, *names))]
    if added:
        lines += ["", "# Entries added by HostAliases.", *added]
    return "\n".join(lines) + "\n"


def _short_name(pod: Object) -> str:
    name = str(pod["spec"].get("hostname") or pod["metadata"]["name"])
    return name[:MAX_HOSTNAME].rstrip("-.")


def _full_name(pod: Object, cluster_domain: str) -> str:
    """The pod's name in DNS; empty for a pod without a subdomain, which has none."""
    subdomain = pod["spec"].get("subdomain")
    namespace = pod["metadata"]["namespace"]
    return f"{_short_name(pod)}.{subdomain}.{namespace}.svc.{cluster_domain}" if subdomain else ""

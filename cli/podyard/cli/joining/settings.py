"""What a host that joins is told: two ConfigMaps, as kubeadm's. Pure.

`cluster-info` in kube-public says to anybody who the cluster is: its CA and its address. `podyard-config` in
kube-system says to nodes, and to those who have a token, what a node must know.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from podyard.cli.cluster.config import ClusterConfig

Object = dict[str, Any]

INFO_NAMESPACE, INFO_NAME = "kube-public", "cluster-info"
SETTINGS_NAMESPACE, SETTINGS_NAME = "kube-system", "podyard-config"


class Unreadable(Exception):
    """It is not there, or not as a podyard server writes it; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What every node of a cluster must know alike. The addresses of networks are in CIDR notation."""

    name: str
    component_api: str
    cluster_dns: str
    cluster_domain: str
    service_cidr: str
    load_balancer_cidr: str
    pod_cidr: str
    network: str


_KEYS = {
    "name": "clusterName",
    "component_api": "componentAPI",
    "cluster_dns": "clusterDNS",
    "cluster_domain": "clusterDomain",
    "service_cidr": "serviceCIDR",
    "load_balancer_cidr": "loadBalancerCIDR",
    "pod_cidr": "podCIDR",
    "network": "network",
}


def settings_of(cluster: ClusterConfig) -> Settings:
    """The settings of the nodes of a cluster."""
    return Settings(
        cluster.name,
        cluster.server,
        cluster.dns_ip,
        cluster.cluster_domain,
        cluster.service_cidr,
        cluster.load_balancer_cidr,
        cluster.pod_cidr,
        cluster.network,
    )


def settings_map(settings: Settings) -> Object:
    """The ConfigMap that carries settings."""
    data = {_KEYS[field]: value for field, value in asdict(settings).items()}
    return _config_map(SETTINGS_NAMESPACE, SETTINGS_NAME, data)


def read_settings(config_map: Object) -> Settings:
    """What such a ConfigMap says. Raises Unreadable."""
    data = config_map.get("data") or {}
    missing = sorted(key for key in _KEYS.values() if not data.get(key))
    if missing:
        raise Unreadable(f"ConfigMap {SETTINGS_NAMESPACE}/{SETTINGS_NAME} does not say {', '.join(missing)}")
    return Settings(**{field: str(data[key]) for field, key in _KEYS.items()})


def info_map(cluster: ClusterConfig, ca: bytes) -> Object:
    """The ConfigMap that says who the cluster is: a kubeconfig without a user."""
    told = {"server": cluster.api_url, "certificate-authority-data": base64.b64encode(ca).decode()}
    kubeconfig = {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": cluster.name, "cluster": told}]}
    return _config_map(INFO_NAMESPACE, INFO_NAME, {"kubeconfig": yaml.safe_dump(kubeconfig, sort_keys=False)})


def read_ca(config_map: Object) -> bytes:
    """The CA's certificate, PEM, that such a ConfigMap tells. Raises Unreadable."""
    try:
        kubeconfig = yaml.safe_load(config_map["data"]["kubeconfig"])
        return base64.b64decode(kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"])
    except (KeyError, IndexError, TypeError, ValueError, yaml.YAMLError):
        raise Unreadable(f"ConfigMap {INFO_NAMESPACE}/{INFO_NAME} holds no CA certificate") from None


def _config_map(namespace: str, name: str, data: dict[str, str]) -> Object:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

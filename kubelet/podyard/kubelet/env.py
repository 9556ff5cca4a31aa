"""A container's environment, as the kubelet makes it (kubelet_pods.go, pkg/kubelet/envvars). Pure.

What the pod refers to is fetched before (`references`) and passed in, so that this is a function
of values alone.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from podyard.api.quantities import parse_quantity

Object = dict[str, Any]

MASTER_SERVICE = ("default", "kubernetes")


class EnvError(Exception):
    """The environment cannot be made; the container waits in CreateContainerConfigError with this text."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the variables may refer to, beside the pod itself.

    `config_maps` and `secrets` are those of the pod's namespace by name; one that does not exist
    is missing. `services` are the known Services of all namespaces. `allocatable` is the node's,
    which stands for limits that a container does not set.
    """

    services: Iterable[Object] = ()
    config_maps: Mapping[str, Object] = field(default_factory=dict)
    secrets: Mapping[str, Object] = field(default_factory=dict)
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)


def references(container: Object) -> tuple[set[str], set[str]]:
    """The names of the ConfigMaps and of the Secrets that the container's environment needs."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for source in container.get("envFrom") or ():
        if source.get("configMapRef"):
            config_maps.add(source["configMapRef"].get("name", ""))
        if source.get("secretRef"):
            secrets.add(source["secretRef"].get("name", ""))
    for variable in container.get("env") or ():
        value_from = variable.get("valueFrom") or {}
        if value_from.get("configMapKeyRef"):
            config_maps.add(value_from["configMapKeyRef"].get("name", ""))
        if value_from.get("secretKeyRef"):
            secrets.add(value_from["secretKeyRef"].get("name", ""))
    return config_maps, secrets


def make_environment(pod: Object, container: Object, sources: Sources) -> dict[str, str]:
    """The variables of one container of `pod`, without those its image sets. Raises EnvError.

    The container's own variables win over those of its envFrom, and these over the Services'.
    """
    links = pod["spec"].get("enableServiceLinks") is not False
    service_env = service_variables(pod["metadata"]["namespace"], sources.services, links=links)
    own: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        own.update(_from_source(source, sources))
    for variable in container.get("env") or ():
        value = variable.get("value") or ""
        if value:
            own[variable["name"]] = expand(value, lambda name: own.get(name, service_env.get(name)))
        elif variable.get("valueFrom"):
            found = _value_from(pod, container, variable["valueFrom"], sources)
            if found is not None:
                own[variable["name"]] = found
        else:
            own[variable["name"]] = ""
    return service_env | own


def service_variables(namespace: str, services: Iterable[Object], *, links: bool) -> dict[str, str]:
    """The variables of the Services that a pod of `namespace` sees: KUBERNETES_* always, others by `links`.

    Services without a ClusterIP have none. A Service `kubernetes` of the pod's own namespace
    stands before the cluster's.
    """
    chosen: dict[str, Object] = {}
    for service in services:
        key = (service["metadata"]["namespace"], service["metadata"]["name"])
        if service["spec"].get("clusterIP") in (None, "", "None"):
            continue
        if key[0] == namespace and links:
            chosen[key[1]] = service
        elif key == MASTER_SERVICE:
            chosen.setdefault(key[1], service)
    variables: dict[str, str] = {}
    for name in sorted(chosen):
        variables.update(_variables_of(chosen[name]))
    return variables


def _variables_of(service: Object) -> dict[str, str]:
    prefix = _variable_name(service["metadata"]["name"])
    address = service["spec"]["clusterIP"]
    host = f"[{address}]" if ":" in address else address
    variables = {f"{prefix}_SERVICE_HOST": address}
    for index, port in enumerate(service["spec"].get("ports") or ()):
        number = str(port["port"])
        protocol = port.get("protocol") or "TCP"
        url = f"{protocol.lower()}://{host}:{number}"
        if index == 0:
            variables[f"{prefix}_SERVICE_PORT"] = number
            variables[f"{prefix}_PORT"] = url
        if port.get("name"):
            variables[f"{prefix}_SERVICE_PORT_{_variable_name(port['name'])}"] = number
        port_prefix = f"{prefix}_PORT_{number}_{protocol.upper()}"
        variables[port_prefix] = url
        variables[f"{port_prefix}_PROTO"] = protocol.lower()
        variables[f"{port_prefix}_PORT"] = number
        variables[f"{port_prefix}_ADDR"] = address
    return variables


def _variable_name(name: str) -> str:
    return name.replace("-", "_").upper()


def expand(text: str, lookup: Callable[[str], str | None]) -> str:
    """Replace `$(NAME)`; `$$` is a dollar; a name that is not known stays as it is written.

    As k8s.io/kubernetes/third_party/forked/golang/expansion.
    """
    out: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            out.append(text[at])
            at += 1
        elif text[at + 1] == "$":
            out.append("$")
            at += 2
        elif text[at + 1] == "(" and (end := text.find(")", at + 2)) >= 0:
            found = lookup(text[at + 2 : end])
            out.append(text[at : end + 1] if found is None else found)
            at = end + 1
        else:
            out.append(text[at : at + 2])
            at += 2
    return "".join(out)


def expand_all(words: Iterable[str] | None, environment: Mapping[str, str]) -> list[str]:
    """A container's command or args with the variables of its environment."""
    return [expand(word, environment.get) for word in words or ()]


def _from_source(source: Object, sources: Sources) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    if reference := source.get("configMapRef"):
        found = _find("configmap", sources.config_maps, reference)
        data = dict((found or {}).get("data") or {})
    elif reference := source.get("secretRef"):
        found = _find("secret", sources.secrets, reference)
        data = {key: _decode(value) for key, value in ((found or {}).get("data") or {}).items()}
    else:
        return {}
    return {prefix + key: value for key, value in data.items()}


def _find(kind: str, objects: Mapping[str, Object], reference: Object) -> Object | None:
    name = reference.get("name", "")
    found = objects.get(name)
    if found is None and not reference.get("optional"):
        raise EnvError(f'{kind} "{name}" not found')
    return found


def _value_from(pod: Object, container: Object, value_from: Object, sources: Sources) -> str | None:
    if reference := value_from.get("fieldRef"):
        return field_value(pod, reference["fieldPath"], sources)
    if reference := value_from.get("resourceFieldRef"):
        return resource_value(pod, container, reference, sources.allocatable)
    if reference := value_from.get("configMapKeyRef"):
        found = _find("configmap", sources.config_maps, reference)
        return _key(pod, "ConfigMap", reference, (found or {}).get("data") or {})
    if reference := value_from.get("secretKeyRef"):
        found = _find("secret", sources.secrets, reference)
        value = _key(pod, "Secret", reference, (found or {}).get("data") or {})
        return None if value is None else _decode(value)
    raise EnvError(f"env valueFrom of {', '.join(sorted(value_from))} is not supported by this node")


def _key(pod: Object, kind: str, reference: Object, data: Mapping[str, str]) -> str | None:
    if (value := data.get(reference["key"])) is not None:
        return value
    if reference.get("optional"):
        return None
    where = f"{pod['metadata']['namespace']}/{reference.get('name', '')}"
    raise EnvError(f"couldn't find key {reference['key']} in {kind} {where}")


def _decode(value: str) -> str:
    return base64.b64decode(value).decode(errors="surrogateescape")


def field_value(pod: Object, path: str, sources: Sources) -> str:
    """What a fieldRef names in the pod (pkg/fieldpath and podFieldSelectorRuntimeValue)."""
    metadata, spec = pod["metadata"], pod["spec"]
    for subscripted in ("annotations", "labels"):
        start = f"metadata.{subscripted}['"
        if path.startswith(start) and path.endswith("']"):
            return str((metadata.get(subscripted) or {}).get(path[len(start) : -2], ""))
    values: dict[str, str] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": next(iter(sources.host_ips), ""),
        "status.hostIPs": ",".join(sources.host_ips),
        "status.podIP": next(iter(sources.pod_ips), ""),
        "status.podIPs": ",".join(sources.pod_ips),
    }
    if path not in values:
        raise EnvError(f"unsupported fieldPath: {path}")
    return values[path]


def resource_value(pod: Object, container: Object, reference: Object, allocatable: Mapping[str, str]) -> str:
    """A resource of a container in units of the divisor, rounded up (ExtractContainerResourceValue).

    A limit that is not set is what the node can give, a request that is not set is zero.
    """
    name = reference.get("containerName") or container["name"]
    containers = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    wanted = next((c for c in containers if c["name"] == name), None)
    if wanted is None:
        raise EnvError(f"container {name} not found")
    which, _, resource = reference["resource"].partition(".")
    values = (wanted.get("resources") or {}).get(which) or {}
    quantity = values.get(resource, allocatable.get(resource, "0") if which == "limits" else "0")
    divisor = parse_quantity(reference.get("divisor") or "1") or Decimal(1)
    return str(math.ceil(parse_quantity(quantity) / divisor))

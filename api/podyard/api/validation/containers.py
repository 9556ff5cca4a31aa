"""The containers of a pod (core/validation)."""

from __future__ import annotations

from dataclasses import dataclass

from podyard.api import names
from podyard.api.validation import environment, formats, quantities, security
from podyard.api.validation.fields import (
    Errors,
    Object,
    duplicate,
    forbidden,
    indexed,
    invalid,
    invalid_all,
    not_found,
    not_supported,
    one_of,
    required,
)
from podyard.api.validation.mounts import mounts
from podyard.api.validation.probes import probes

_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_NOT_FOR_INIT = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
_NOT_FOR_EPHEMERAL = ("ports", *_NOT_FOR_INIT, "resizePolicy", "restartPolicy")


@dataclass(frozen=True, slots=True)
class Pod:
    """What the checks of a container need to know of its pod."""

    volumes: set[str]
    claims: set[str]
    grace: int | None
    restart_policy: str
    system: str


def containers(path: str, given: list[Object] | None, pod: Pod) -> Errors:
    """The ordinary containers, of which there must be one at least."""
    if not given:
        yield required(path)
        return
    seen: set[str] = set()
    for at, container in indexed(path, given):
        yield from _common(at, container, pod)
        name = container.get("name") or ""
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        yield from probes(at, container, pod.grace, pod.system)
        if container.get("restartPolicy") is not None:
            yield from _restart_policy(at, container, ("Always", "Never", "OnFailure"))
    yield from _host_ports(path, given)


def init_containers(path: str, given: list[Object] | None, others: set[str], pod: Pod) -> Errors:
    """The init containers; those that restart always (sidecars) may have probes and hooks."""
    seen = set(others)
    for at, container in indexed(path, given):
        yield from _common(at, container, pod)
        sidecar = container.get("restartPolicy") == "Always"
        if container.get("restartPolicy") is not None:
            yield from _restart_policy(at, container, ("Always", "Never", "OnFailure"))
        name = container.get("name") or ""
        if name in seen:
            yield duplicate(f"{at}.name", name)
        elif name:
            seen.add(name)
        yield from _host_ports(path, [container])
        if sidecar:
            yield from probes(at, container, pod.grace, pod.system)
        else:
            for key in _NOT_FOR_INIT:
                if container.get(key) is not None:
                    detail = "may not be set for init containers without restartPolicy=Always"
                    yield forbidden(f"{at}.{key}", detail)


def ephemeral_containers(path: str, given: list[Object] | None, others: set[str], pod: Pod) -> Errors:
    """The containers added to a running pod."""
    seen = set(others)
    for at, container in indexed(path, given):
        yield from _common(at, container, pod)
        yield from image_without_space(at, container)
        name = container.get("name") or ""
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        target = container.get("targetContainerName")
        if target and target not in others:
            yield not_found(f"{at}.targetContainerName", target)
        for key in (*_NOT_FOR_EPHEMERAL, "resources"):
            if container.get(key):
                yield forbidden(f"{at}.{key}", "cannot be set for an Ephemeral Container")


def image_without_space(path: str, container: Object) -> Errors:
    """Of a pod, but not of a template: no space around the image's name."""
    image = container.get("image") or ""
    if image != image.strip():
        yield invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def _restart_policy(path: str, container: Object, allowed: tuple[str, ...]) -> Errors:
    if container["restartPolicy"] not in allowed:
        yield not_supported(f"{path}.restartPolicy", container["restartPolicy"], allowed)


def _common(path: str, container: Object, pod: Pod) -> Errors:
    if not container.get("name"):
        yield required(f"{path}.name")
    else:
        yield from formats.dns_label(f"{path}.name", container["name"])
    if not container.get("image"):
        yield required(f"{path}.image")
    policy = container.get("terminationMessagePolicy")
    yield from one_of(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
    yield from _ports(f"{path}.ports", container.get("ports"))
    yield from environment.env(f"{path}.env", container.get("env"))
    yield from environment.env_from(f"{path}.envFrom", container.get("envFrom"))
    yield from mounts(f"{path}.volumeMounts", container, pod.volumes)
    yield from one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), formats.PULL_POLICIES)
    resources = container.get("resources")
    yield from quantities.container_requirements(f"{path}.resources", resources, pod.claims)
    yield from _resize_policy(f"{path}.resizePolicy", container.get("resizePolicy"), pod)
    yield from security.container_security_context(
        f"{path}.securityContext", container.get("securityContext")
    )


def _ports(path: str, ports: list[Object] | None) -> Errors:
    seen: set[str] = set()
    for at, port in indexed(path, ports):
        if name := port.get("name"):
            errors = names.is_port_name(name)
            yield from invalid_all(f"{at}.name", name, errors)
            if not errors and name in seen:
                yield duplicate(f"{at}.name", name)
            seen.add(name)
        if not port.get("containerPort"):
            yield required(f"{at}.containerPort")
        else:
            yield from formats.port(f"{at}.containerPort", port["containerPort"])
        if port.get("hostPort"):
            yield from formats.port(f"{at}.hostPort", port["hostPort"])
        yield from one_of(f"{at}.protocol", port.get("protocol"), formats.PROTOCOLS)


def _host_ports(path: str, given: list[Object]) -> Errors:
    seen: set[str] = set()
    for at, container in indexed(path, given):
        for port_at, port in indexed(f"{at}.ports", container.get("ports")):
            if host_port := port.get("hostPort"):
                key = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{host_port}"
                if key in seen:
                    yield duplicate(f"{port_at}.hostPort", key)
                seen.add(key)


def _resize_policy(path: str, policies: list[Object] | None, pod: Pod) -> Errors:
    seen: set[str] = set()
    for at, policy in indexed(path, policies):
        name, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            yield duplicate(at, name)
        seen.add(name)
        yield from one_of(path, name, ("cpu", "memory"))
        yield from one_of(path, restart, ("NotRequired", "RestartContainer"))
        if pod.restart_policy == "Never" and restart != "NotRequired":
            yield invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'")

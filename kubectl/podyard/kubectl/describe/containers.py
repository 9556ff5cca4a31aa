"""The containers of a pod or of a pod template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podyard.kubectl.describe.lines import NONE, Lines, go_bool, truth
from podyard.kubectl.durations import rfc1123
from podyard.kubectl.jsontext import compact


def describe_containers(
    lines: Lines,
    label: str,
    containers: Sequence[Mapping[str, Any]],
    statuses: Sequence[Mapping[str, Any]],
    pod: Mapping[str, Any] | None,
    space: str = "",
) -> None:
    """Each container with its state. Without `pod` fields of it that variables refer to are left out."""
    by_name = {status["name"]: status for status in statuses}
    lines.raw(f"{space}{label}:{'' if containers else f' {NONE}'}\n")
    for container in containers:
        status = by_name.get(container["name"])
        _basics(lines, container, status, " " if space else "")
        _command(lines, container)
        if status is not None:
            _state(lines, status)
        for kind in ("limits", "requests"):
            amounts = (container.get("resources") or {}).get(kind) or {}
            if amounts:
                lines.add(f"{kind.capitalize()}:", 2)
            for name in sorted(amounts):
                lines.named(name, amounts[name], 3)
        for kind in ("liveness", "readiness", "startup"):
            if container.get(f"{kind}Probe"):
                lines.named(kind.capitalize(), describe_probe(container[f"{kind}Probe"]), 2)
        _environment(lines, container, pod)
        _mounts(lines, container)


def _basics(
    lines: Lines, container: Mapping[str, Any], status: Mapping[str, Any] | None, indent: str
) -> None:
    lines.add(f"{indent}{container['name']}:", 1)
    if status is not None:
        lines.named("Container ID", status.get("containerID", ""), 2)
    lines.named("Image", container.get("image", ""), 2)
    if status is not None:
        lines.named("Image ID", status.get("imageID", ""), 2)
    for name, field in (("Port", "containerPort"), ("Host Port", "hostPort")):
        ports = container.get("ports") or ()
        text = ", ".join(f"{port.get(field, 0)}/{port.get('protocol', '')}" for port in ports)
        lines.named(f"{name}s" if "," in text else name, text or NONE, 2)
    profile = (container.get("securityContext") or {}).get("seccompProfile")
    if profile:
        lines.named("SeccompProfile", profile.get("type", ""), 2)


def _command(lines: Lines, container: Mapping[str, Any]) -> None:
    for name, field in (("Command", "command"), ("Args", "args")):
        if container.get(field):
            lines.add(f"{name}:", 2)
        for word in container.get(field) or ():
            for line in word.split("\n"):
                lines.add(line, 3)


def _state(lines: Lines, status: Mapping[str, Any]) -> None:
    _one_state(lines, "State", status.get("state") or {})
    if (status.get("lastState") or {}).get("terminated"):
        _one_state(lines, "Last State", status["lastState"])
    lines.named("Ready", truth(status.get("ready")), 2)
    lines.named("Restart Count", status.get("restartCount", 0), 2)


def _one_state(lines: Lines, name: str, state: Mapping[str, Any]) -> None:
    running, ended = state.get("running"), state.get("terminated")
    if running is not None:
        lines.named(name, "Running", 2)
        lines.named("Started", rfc1123(running.get("startedAt")), 3)
    elif ended is not None and not state.get("waiting"):
        lines.named(name, "Terminated", 2)
        for title, field in (("Reason", "reason"), ("Message", "message")):
            if ended.get(field):
                lines.named(title, ended[field], 3)
        lines.named("Exit Code", ended.get("exitCode", 0), 3)
        if ended.get("signal"):
            lines.named("Signal", ended["signal"], 3)
        lines.named("Started", rfc1123(ended.get("startedAt")), 3)
        lines.named("Finished", rfc1123(ended.get("finishedAt")), 3)
    else:
        lines.named(name, "Waiting", 2)
        reason = (state.get("waiting") or {}).get("reason")
        if reason:
            lines.named("Reason", reason, 3)


def describe_probe(probe: Mapping[str, Any]) -> str:
    """A probe in one line."""
    attributes = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 0)}s "
        f"period={probe.get('periodSeconds', 0)}s #success={probe.get('successThreshold', 0)} "
        f"#failure={probe.get('failureThreshold', 0)}"
    )
    if "exec" in probe:
        return f"exec [{' '.join(probe['exec'].get('command') or ())}] {attributes}"
    if "httpGet" in probe:
        get = probe["httpGet"]
        scheme = str(get.get("scheme", "HTTP")).lower()
        host = f"{get.get('host', '')}:{get.get('port', '')}"
        return f"http-get {scheme}://{host}{get.get('path', '')} {attributes}"
    if "tcpSocket" in probe:
        tcp = probe["tcpSocket"]
        return f"tcp-socket {tcp.get('host', '')}:{tcp.get('port', '')} {attributes}"
    if "grpc" in probe:
        return f"grpc <pod>:{probe['grpc'].get('port', 0)} {probe['grpc'].get('service') or ''} {attributes}"
    return f"unknown {attributes}"


def _environment(lines: Lines, container: Mapping[str, Any], pod: Mapping[str, Any] | None) -> None:
    sources = container.get("envFrom") or ()
    if sources:
        lines.add("Environment Variables from:", 2)
    for source in sources:
        kind = "ConfigMap" if "configMapRef" in source else "Secret"
        reference = source.get("configMapRef") or source.get("secretRef") or {}
        prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
        optional = go_bool(reference.get("optional"))
        lines.add(f"{reference.get('name', '')}\t{kind}{prefix}\tOptional: {optional}", 3)
    variables = container.get("env") or ()
    lines.add("Environment:" if variables else f"Environment:\t{NONE}", 2)
    for variable in variables:
        name, value_from = variable["name"], variable.get("valueFrom")
        if value_from is None:
            first, *others = str(variable.get("value", "")).split("\n")
            lines.named(name, first, 3)
            for other in others:
                lines.add(f"\t{other}", 3)
        else:
            lines.named(name, _reference(value_from, container, pod), 3)


def _reference(
    value_from: Mapping[str, Any], container: Mapping[str, Any], pod: Mapping[str, Any] | None
) -> str:
    if "fieldRef" in value_from:
        field = value_from["fieldRef"]
        value = pod_field(pod, field["fieldPath"]) if pod is not None else ""
        return f"{value} ({field.get('apiVersion', 'v1')}:{field['fieldPath']})"
    if "resourceFieldRef" in value_from:
        resource = value_from["resourceFieldRef"]["resource"]
        kind, _, name = resource.partition(".")
        amount = ((container.get("resources") or {}).get(kind) or {}).get(name)
        unset = "node allocatable" if resource in ("limits.cpu", "limits.memory") else "0"
        return f"{amount if amount is not None else unset} ({resource})"
    kind, where = (
        ("secretKeyRef", "in secret")
        if "secretKeyRef" in value_from
        else ("configMapKeyRef", "of config map")
    )
    reference = value_from.get(kind) or {}
    optional = go_bool(reference.get("optional"))
    key, name = reference.get("key", ""), reference.get("name", "")
    return f"<set to the key '{key}' {where} '{name}'>\tOptional: {optional}"


def pod_field(pod: Mapping[str, Any], path: str) -> str:
    """A field that the downward API knows, such as metadata.name or metadata.labels['a']."""
    path, _, key = path.partition("[")
    value: Any = pod
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if key and isinstance(value, Mapping):
        value = value.get(key.strip("]'\""))
    if isinstance(value, Mapping):
        return "\n".join(f"{name}={compact(value[name])}" for name in sorted(value))
    return "" if value is None else str(value)


def _mounts(lines: Lines, container: Mapping[str, Any]) -> None:
    mounts = container.get("volumeMounts") or ()
    lines.add("Mounts:" if mounts else f"Mounts:\t{NONE}", 2)
    for mount in sorted(mounts, key=lambda mount: str(mount["mountPath"])):
        flags = "ro" if mount.get("readOnly") else "rw"
        flags += f',path="{mount["subPath"]}"' if mount.get("subPath") else ""
        lines.add(f"{mount['mountPath']} from {mount['name']} ({flags})", 3)

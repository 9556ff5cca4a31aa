"""From a probe or hook in a container's spec to the prober that carries it out."""

from __future__ import annotations

from typing import Any

from podyard.kubelet.probes import MAX_OUTPUT_BYTES, ProbeResult
from podyard.kubelet.probes.grpc_health import probe_grpc
from podyard.kubelet.probes.http import probe_http
from podyard.kubelet.probes.tcp import probe_tcp
from podyard.kubelet.runtime import ContainerRuntime, RuntimeFailure

Object = dict[str, Any]


class PortNotFound(Exception):
    """A handler names a port that the container does not declare."""


def resolve_port(container: Object, port: int | str) -> int:
    """A port number, given as such or by the name of one of the container's ports."""
    if isinstance(port, int):
        return port
    if port.isdigit():
        return int(port)
    for declared in container.get("ports") or ():
        if declared.get("name") == port:
            return int(declared["containerPort"])
    raise PortNotFound(f"couldn't find port: {port}")


def http_url(container: Object, action: Object, pod_ip: str) -> str:
    """Where an httpGet goes: to the pod, unless it names a host."""
    scheme = (action.get("scheme") or "HTTP").lower()
    host = action.get("host") or pod_ip
    if ":" in host:
        host = f"[{host}]"
    path = action.get("path") or "/"
    if not path.startswith("/"):
        path = f"/{path}"
    return f"{scheme}://{host}:{resolve_port(container, action['port'])}{path}"


def http_headers(action: Object) -> list[tuple[str, str]]:
    """The headers of an httpGet, in order."""
    return [(header["name"], header.get("value", "")) for header in action.get("httpHeaders") or ()]


def is_network_probe(probe: Object) -> bool:
    """Whether the probe asks over the network, not by a command."""
    return "exec" not in probe


async def run_probe(
    runtime: ContainerRuntime, container: Object, container_id: str, pod_ip: str, probe: Object
) -> ProbeResult:
    """Ask once, by whatever handler the probe has."""
    timeout = float(probe.get("timeoutSeconds") or 1)
    try:
        if action := probe.get("httpGet"):
            return await probe_http(http_url(container, action, pod_ip), http_headers(action), timeout)
        if action := probe.get("tcpSocket"):
            port = resolve_port(container, action["port"])
            return await probe_tcp(action.get("host") or pod_ip, port, timeout)
        if action := probe.get("grpc"):
            return await probe_grpc(pod_ip, int(action["port"]), action.get("service") or "", timeout)
        if action := probe.get("exec"):
            return await probe_command(runtime, container_id, action.get("command") or [], timeout)
    except PortNotFound as error:
        return ProbeResult("unknown", str(error))
    return ProbeResult("unknown", "missing probe handler")


async def probe_command(
    runtime: ContainerRuntime, container_id: str, command: list[str], timeout: float
) -> ProbeResult:
    """Run a command in the container: its exit code 0 is a success (pkg/probe/exec).

    Whether one that the runtime cannot start would have succeeded is unknown.
    """
    try:
        result = await runtime.exec_sync(container_id, command, timeout)
    except RuntimeFailure as error:
        return ProbeResult("unknown", str(error))
    output = (result.stdout + result.stderr)[:MAX_OUTPUT_BYTES].decode(errors="replace")
    if result.timed_out:
        return ProbeResult(
            "failure", f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
        )
    return ProbeResult("success" if result.exit_code == 0 else "failure", output)

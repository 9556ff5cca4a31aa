"""kubectl port-forward. Source: k8s.io/kubectl pkg/cmd/portforward, client-go tools/portforward."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.flags import Flag
from podyard.kubectl.forwarding import Forwarder, listen
from podyard.kubectl.podfinder import Pod, named, pod_of, running_timeout, timeout_flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Listen here, and pass connections on to a pod, until Ctrl-C."""
    if len(session.args) < 2:
        raise UsageError(session.command, "TYPE/NAME and list of ports are required for port-forward")
    info = named(session, session.args[0])
    pod = pod_of(session, info, running_timeout(session))
    service = info.object if info.resource.kind == "Service" else None
    ports = [parse_port(text, service, pod) for text in session.args[1:]]
    phase = (pod.get("status") or {}).get("phase")
    if phase != "Running":
        raise CommandError(f"unable to forward port because pod is not running. Current status={phase}")
    metadata = pod["metadata"]
    forwarder = Forwarder(session, metadata["namespace"], metadata["name"])
    _end_at_ctrl_c()
    listening = [_listen(session, forwarder, local, remote) for local, remote in ports]
    if not any(listening):
        wanted = " ".join(f"{{{local} {remote}}}" for local, remote in ports)
        raise CommandError(f"unable to listen on any of the requested ports: [{wanted}]")
    sys.stdout.flush()
    forwarder.serve()
    return 0


def _end_at_ctrl_c() -> None:
    """Ctrl-C is how it ends, well. A thread waits for it: a handler would wait for the main thread, which
    may have begun to read just before. Those that are made later do not take the signal either."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def wait() -> None:
        signal.sigwait({signal.SIGINT})
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def parse_port(text: str, service: Mapping[str, Any] | None, pod: Pod) -> tuple[int, int]:
    """Local port (0 for any) and the pod's port of `LOCAL:REMOTE`, `:REMOTE` or `PORT`."""
    local, colon, remote = text.partition(":")
    if ":" in remote:
        raise CommandError(f"invalid port format '{text}'")
    if colon and not remote:
        raise CommandError("remote port cannot be empty")
    if not colon:
        remote = local
    number = _service_port(service, remote) if service else _pod_port(pod, remote)
    target = _target_port(service, pod, number) if service else number
    if not colon:
        local = str(number)
    if local and not (local.isdigit() and int(local) < 65536):
        problem = "value out of range" if local.isdigit() else "invalid syntax"
        raise CommandError(
            f"error parsing local port '{local}': strconv.ParseUint: parsing \"{local}\": {problem}"
        )
    if not 0 < target < 65536:
        raise CommandError("remote port must be > 0")
    return int(local or 0), target


def _service_port(service: Mapping[str, Any], text: str) -> int:
    if text.isdigit():
        return int(text)
    for port in service["spec"].get("ports") or ():
        if port.get("name") == text:
            return int(port["port"])
    name = service["metadata"]["name"]
    raise CommandError(f"Service '{name}' does not have a named port '{text}'")


def _target_port(service: Mapping[str, Any], pod: Pod, number: int) -> int:
    """The port of a pod behind a Service's port."""
    name = service["metadata"]["name"]
    for port in service["spec"].get("ports") or ():
        if port["port"] != number:
            continue
        if port.get("protocol", "TCP") == "UDP":
            raise CommandError(f"UDP protocol is not supported for {number}")
        if service["spec"].get("clusterIP") == "None":
            return number
        return _pod_port(pod, str(port.get("targetPort") or number))
    raise CommandError(f"Service {name} does not have a service port {number}")


def _pod_port(pod: Pod, text: str) -> int:
    if text.isdigit():
        return int(text)
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == text:
                return int(port["containerPort"])
    raise CommandError(f"Pod '{pod['metadata']['name']}' does not have a named port '{text}'")


def _addresses(session: Session) -> list[list[str]]:
    """The addresses to listen on; of those in one list one is enough."""
    found = []
    for text in session["address"]:
        if text == "localhost":
            found.append(["127.0.0.1", "::1"])
            continue
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, text)
            except OSError:
                continue
            found.append([text])
            break
        else:
            raise CommandError(f"{text} is not a valid IP")
    return found


def _listen(session: Session, forwarder: Forwarder, local: int, remote: int) -> bool:
    """Listen for one port; whether that was possible."""
    listening = False
    for group in _addresses(session):
        problems = []
        bound = local  # port 0 is the same one for both families
        for address in group:
            handle = partial(_handle, session, forwarder, local, remote)
            try:
                bound = listen(address, bound, handle)
            except OSError as error:
                problems.append(_problem(error, address, local))
                continue
            listening = True
            shown = f"[{address}]" if ":" in address else address
            session.out(f"Forwarding from {shown}:{bound} -> {remote}\n")
        if len(problems) == len(group):
            session.err(
                f"Unable to listen on port {local}: Listeners failed to create with the following errors: "
                f"[{' '.join(problems)}]\n"
            )
    return listening


def _problem(error: OSError, address: str, port: int) -> str:
    family = "tcp6" if ":" in address else "tcp4"
    shown = f"[{address}]" if ":" in address else address
    text = (
        "address already in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0).lower()
    )
    return f"unable to create listener: Error listen {family} {shown}:{port}: bind: {text}"


def _handle(
    session: Session, forwarder: Forwarder, local: int, remote: int, connection: socket.socket
) -> None:
    """Forward one connection, and tell of it."""
    session.out(f"Handling connection for {local or connection.getsockname()[1]}\n")
    sys.stdout.flush()
    try:
        problem = forwarder.forward(connection, remote)
    except OSError as error:
        problem = str(error)
    if problem:
        session.err(f"error: an error occurred forwarding {local} -> {remote}: {problem}\n")


COMMAND = Command(
    "port-forward TYPE/NAME [options] [LOCAL_PORT:]REMOTE_PORT [...[LOCAL_PORT_N:]REMOTE_PORT_N]",
    "Forward one or more local ports to a pod",
    run,
    (
        Flag("address", "Addresses to listen on (comma separated).", kind="strings", default=["localhost"]),
        timeout_flag(60),
    ),
    "kubectl port-forward pod/mypod 5000 6000\nkubectl port-forward service/myservice 8443:https",
)

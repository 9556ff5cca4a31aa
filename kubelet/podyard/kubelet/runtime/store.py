"""Where the subprocess runtime keeps its state, and in which words.

ROOT/sandboxes/ID/config.json               the sandbox, written once by the kubelet
                  etc/                      resolv.conf, hosts and hostname of its containers
                  shm/                      their /dev/shm
                  shim.sock, shim.log       the shim's socket and its complaints
                  containers/ID/config.json the container, written once by the kubelet
                                state.json  first written by the kubelet, then by the shim alone
                                tmp/        its /tmp
                                own/        $PODYARD_DIRECTORY: what its programs write
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podyard.kubelet.runtime import (
    ContainerConfig,
    ContainerSecurity,
    ContainerState,
    ContainerStatus,
    DnsConfig,
    Features,
    NamespaceMode,
    PodSandboxConfig,
    PortMapping,
)
from podyard.kubelet.shim.log import MAX_FILES
from podyard.kubelet.shim.spawn import DEFAULT_PATH

Json = dict[str, Any]

OWN = "own"


@dataclass(slots=True)
class Container:
    """What the kubelet knows of one container."""

    id: str
    directory: Path
    config: Json
    state: Json

    @property
    def exited(self) -> bool:
        """Whether it has ended."""
        return bool(self.state["state"] == ContainerState.EXITED)

    @property
    def running(self) -> bool:
        """Whether its process runs and serves."""
        return bool(self.state["state"] == ContainerState.RUNNING)

    @property
    def starting(self) -> bool:
        """Whether its process runs but does not serve yet."""
        return bool(self.state["state"] == ContainerState.CREATED and self.state.get("pid"))

    def save_state(self) -> None:
        """Write state.json; only while no shim does."""
        write_json(self.directory / "state.json", self.state)


@dataclass(slots=True)
class SandboxFiles:
    """What the kubelet knows of one sandbox."""

    id: str
    directory: Path
    created_at: float
    config: PodSandboxConfig
    containers: dict[str, Container] = field(default_factory=dict)


def write_json(path: Path, value: object) -> None:
    """Replace the file in one step."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(value), encoding="utf-8")
    os.replace(new, path)


def new_sandbox(
    root: Path, sandbox_id: str, config: PodSandboxConfig, features: Features, now: float
) -> SandboxFiles:
    """Write a new sandbox to disk."""
    directory = root / "sandboxes" / sandbox_id
    (directory / "containers").mkdir(parents=True)
    (directory / "etc").mkdir()
    for name, text in (
        ("hostname", f"{config.hostname}\n"),
        ("hosts", config.hosts),
        ("resolv.conf", resolv_conf(config.dns)),
    ):
        (directory / "etc" / name).write_text(text)
        (directory / "etc" / name).chmod(0o644)  # whatever the kubelet's umask is: for all users
    write_json(directory / "config.json", _sandbox_json(config, features, now))
    return SandboxFiles(sandbox_id, directory, now, config)


def new_container(
    sandbox: SandboxFiles, container_id: str, config: ContainerConfig, home: str, now: float
) -> Container:
    """Write a new container to disk."""
    directory = sandbox.directory / "containers" / container_id
    log = sandbox.config.log_directory / config.log_path
    document = {
        "id": container_id,
        "name": config.name,
        "attempt": config.attempt,
        "image": config.image,
        "imageId": config.image_id,
        "command": list(config.command),
        "env": environment(config, sandbox.config.hostname, home, directory),
        "workingDir": config.working_dir or "/",
        "logPath": str(log),
        "tty": config.tty,
        "stdin": config.stdin,
        "stdinOnce": config.stdin_once,
        "ports": [{"containerPort": port.container_port, "protocol": port.protocol} for port in config.ports],
        "listen": str(config.listen),
        "waitForPorts": config.wait_for_ports,
        "stopSignal": config.stop_signal,
        "stopSignalBlocked": config.stop_signal_blocked,
        "terminationLog": str(directory / "termination-log"),
        "terminationMessagePath": config.termination_message_path,
        "mounts": [
            {"hostPath": m.host_path, "containerPath": m.container_path, "readOnly": m.read_only}
            for m in config.mounts
        ],
        "hostPaths": list(config.host_paths),
        "ownDirectory": str(directory / OWN),
        "security": None if config.security is None else _security_json(config.security),
        "labels": dict(config.labels),
        "annotations": dict(config.annotations),
    }
    container = Container(container_id, directory, document, {"state": "created", "createdAt": now})
    directory.mkdir()
    (directory / OWN).mkdir()
    if config.security is not None and config.security.user is not None and not config.security.mapped:
        os.chown(directory / OWN, config.security.user, -1)
    log.parent.mkdir(parents=True, exist_ok=True)
    write_json(directory / "config.json", document)
    container.save_state()
    return container


def resolv_conf(dns: DnsConfig) -> str:
    """The text of /etc/resolv.conf, as containerd writes it."""
    lines = [f"search {' '.join(dns.searches)}\n"] if dns.searches else []
    lines += [f"nameserver {server}\n" for server in dns.servers]
    lines += [f"options {' '.join(dns.options)}\n"] if dns.options else []
    return "".join(lines)


def environment(config: ContainerConfig, hostname: str, home: str, directory: Path) -> dict[str, str]:
    """What every container gets, under what the pod and the image say."""
    if config.security is not None and config.security.user:
        home = "/"  # as for a user whom the image does not know
    base = {"PATH": DEFAULT_PATH, "HOME": home, "HOSTNAME": hostname}
    if config.tty:
        base["TERM"] = "xterm"
    base["PODYARD_DIRECTORY"] = str(directory / OWN)
    base["PODYARD_TERMINATION_LOG"] = str(directory / "termination-log")
    return {**base, **config.env}


def load_sandboxes(root: Path) -> tuple[list[SandboxFiles], list[Path]]:
    """All sandboxes on disk, and the directories of sandboxes and containers that cannot be read.

    Those were never finished (the kubelet was killed in between), or have been damaged since.
    """
    found, unreadable = [], []
    directory = root / "sandboxes"
    for entry in sorted(directory.iterdir()) if directory.exists() else ():
        try:
            sandbox, containers = _load_sandbox(entry)
        except (OSError, ValueError, KeyError, TypeError):
            unreadable.append(entry)
            continue
        found.append(sandbox)
        unreadable += containers
    return found, unreadable


def read_state(container: Container) -> Json:
    """What the shim has last written about it."""
    try:
        return _read(container.directory / "state.json")
    except (OSError, ValueError):
        return container.state


def status_of(sandbox: SandboxFiles, container: Container) -> ContainerStatus:
    """The container in the contract's words."""
    config, state = container.config, container.state
    return ContainerStatus(
        id=container.id,
        sandbox_id=sandbox.id,
        pod_uid=sandbox.config.uid,
        name=config["name"],
        attempt=config["attempt"],
        image=config["image"],
        image_id=config["imageId"],
        state=ContainerState(state["state"]),
        created_at=state["createdAt"],
        started_at=state.get("startedAt", 0.0) if state["state"] != ContainerState.CREATED else 0.0,
        finished_at=state.get("finishedAt", 0.0),
        pid=state.get("pid", 0),
        exit_code=state.get("exitCode", 0),
        reason=state.get("reason", ""),
        message=state.get("message", ""),
        log_path=Path(config["logPath"]),
        labels=config["labels"],
        annotations=config["annotations"],
    )


def remove_logs(log_path: Path) -> None:
    """Delete a container's log and its rotated files, as far as that can be done."""
    for file in (log_path, *(log_path.with_name(f"{log_path.name}.{n}") for n in range(1, MAX_FILES))):
        with contextlib.suppress(OSError):
            file.unlink()


def _load_sandbox(directory: Path) -> tuple[SandboxFiles, list[Path]]:
    document = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    config = _sandbox_config(document)
    sandbox = SandboxFiles(directory.name, directory, document["createdAt"], config)
    unreadable = []
    for entry in (directory / "containers").iterdir():
        try:
            container = Container(
                entry.name, entry, _read(entry / "config.json"), _read(entry / "state.json")
            )
        except (OSError, ValueError):
            unreadable.append(entry)
            continue
        sandbox.containers[container.id] = container
    return sandbox, unreadable


def _read(path: Path) -> Json:
    value: Json = json.loads(path.read_text(encoding="utf-8"))
    return value


def _security_json(security: ContainerSecurity) -> Json:
    return {
        "user": security.user,
        "group": security.group,
        "groups": security.groups,
        "mapped": security.mapped,
        "capabilities": security.capabilities,
        "noNewPrivileges": security.no_new_privileges,
        "readOnlyRoot": security.read_only_root,
        "lowPorts": security.low_ports,
        "devices": security.devices,
    }


def _sandbox_json(config: PodSandboxConfig, features: Features, now: float) -> Mapping[str, Any]:
    return {
        "name": config.name,
        "namespace": config.namespace,
        "uid": config.uid,
        "attempt": config.attempt,
        "ip": config.ip,
        "hostname": config.hostname,
        "logDirectory": str(config.log_directory),
        "labels": dict(config.labels),
        "annotations": dict(config.annotations),
        "dns": {
            "servers": config.dns.servers,
            "searches": config.dns.searches,
            "options": config.dns.options,
        },
        "hosts": config.hosts,
        "network": str(config.network),
        "portMappings": [
            {
                "hostIP": mapping.host_ip,
                "hostPort": mapping.host_port,
                "containerPort": mapping.container_port,
                "protocol": mapping.protocol,
            }
            for mapping in config.port_mappings
        ],
        "pid": str(config.pid),
        "ipc": str(config.ipc),
        "namespaces": {  # what it really gets
            "network": config.network == NamespaceMode.POD,
            "mount": not features.mount_problem,
            "user": features.user,
            "pid": str(NamespaceMode.NODE if features.pid_problem else config.pid),
            "ipc": config.ipc != NamespaceMode.NODE,
        },
        "createdAt": now,
    }


def _sandbox_config(document: Json) -> PodSandboxConfig:
    dns = document["dns"]
    return PodSandboxConfig(
        name=document["name"],
        namespace=document["namespace"],
        uid=document["uid"],
        attempt=document["attempt"],
        ip=document["ip"],
        hostname=document["hostname"],
        log_directory=Path(document["logDirectory"]),
        labels=document["labels"],
        annotations=document["annotations"],
        dns=DnsConfig(
            servers=tuple(dns["servers"]),
            searches=tuple(dns["searches"]),
            options=tuple(dns["options"]),
        ),
        hosts=document["hosts"],
        network=NamespaceMode(document.get("network", "node")),
        port_mappings=tuple(
            PortMapping(
                host_ip=mapping["hostIP"],
                host_port=mapping["hostPort"],
                container_port=mapping["containerPort"],
                protocol=mapping["protocol"],
            )
            for mapping in document.get("portMappings", ())
        ),
        pid=NamespaceMode(document["pid"]),
        ipc=NamespaceMode(document["ipc"]),
    )

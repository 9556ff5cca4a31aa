"""The container runtime behind the kubelet, with the verbs of the Container Runtime Interface.

A pod is a *sandbox* (its address, host name, log directory) in which *containers* are created,
started, stopped and removed. A runtime keeps them going while the kubelet is away: `start` finds
again whatever an earlier kubelet left, with the exit codes of what has ended meanwhile.

What the kubelet must know, beyond the names of the verbs:

- Everything is idempotent where CRI says so: stopping what has stopped and removing what is gone
  succeed silently. An unknown id elsewhere raises `NotFound`.
- `create_container` only records; `start_container` runs the process, and returns at once. `until_serving`
  waits, for a container with `wait_for_ports`, until its ports accept connections (or some seconds
  have passed, or it has ended). Until then its state is `created`, so whoever sees `running` may send
  it traffic.
- A process that cannot be started at all raises `StartError` and leaves the container `exited`
  with reason `StartError`, exit code 128 and the error's text as message, as containerd does.
- Every change of a container's state is put on the stream that `events` gives (CRI's
  GetContainerEvents, what the kubelet calls the evented PLEG). Listing gives the truth at any
  time (the relist), from memory: it is cheap.
- When the main process of a container ends, all that it has started ends with it.

Environment: a container gets exactly `ContainerConfig.env` (image, Services, pod; merged by the
kubelet), over these: PATH, HOME, HOSTNAME, TERM with a terminal, PODYARD_DIRECTORY (a directory of its
own that goes when it is removed), PODYARD_TERMINATION_LOG, and what the listen mode adds (see
`ListenMode`). Nothing of the kubelet's own environment.

Logs: `PodSandboxConfig.log_directory / ContainerConfig.log_path`, in the CRI format, one line
`<RFC 3339 time with nanoseconds, UTC> stdout|stderr F|P <text>` (P: the text goes on in the next
entry of the same stream). At 10 MiB the file becomes `<path>.1`, the older ones move to `.2` …
`.4`, and a new file is begun; whoever follows must notice that the inode changed.

Termination message: what the container has written to the file at its `termination_message_path`,
which is the file that $PODYARD_TERMINATION_LOG names.

Networks: a pod is in the node's network, or (`PodSandboxConfig.network`) in a namespace of its own, in
which the runtime has the network provider's `connect` give it its address. `port_mappings` are listened
on in the node's network, for as long as the sandbox lives; one that cannot be had fails it.

Isolation: where the kernel allows (`features` says so), a container has a file system view, process
ids, IPC objects and a host name of its own or its pod's, with its mounts, and the pod's
/etc/resolv.conf, /etc/hosts and /etc/hostname. Of the host's files it sees all but /dev, /proc, /run
and /tmp. Where the kernel refuses, containers run all the same, without any of this; whoever
starts one must tell the user.

The implementation is `subprocess.SubprocessRuntime(root)`, which keeps all its state in `root/sandboxes`;
`subprocess.remove_everything(root)` stops and removes whatever is left there, for `podyard down`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol


class RuntimeFailure(Exception):
    """The runtime could not do what it was asked; the text says why."""


class NotFound(RuntimeFailure):
    """There is no sandbox or container of that id."""


class StartError(RuntimeFailure):
    """The container's process could not be started (kubelet: RunContainerError)."""


class NotRunning(RuntimeFailure):
    """Exec or attach on a container that does not run."""


class SandboxState(StrEnum):
    """CRI's PodSandboxState."""

    READY = "ready"
    NOTREADY = "notready"


class ContainerState(StrEnum):
    """CRI's ContainerState."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


class ListenMode(StrEnum):
    """How a container's ports come to be on the pod's address."""

    ADDRESS = "address"
    """The program binds podIP:port itself: $PODYARD_POD_IP and $PODYARD_PORTS (TCP, separated by spaces).
    In a pod with a network of its own there is no $PODYARD_POD_IP: it binds all addresses."""
    PORT = "port"
    """The program listens on 127.0.0.1:$PORT (the first port; $PORT_<containerPort> for each); the runtime
    forwards podIP:containerPort, TCP and UDP, to it. It has the variables of ADDRESS too, and may bind
    podIP:containerPort itself instead. In a pod with a network of its own $PORT is the containerPort, and
    nothing is forwarded: the program binds all addresses, or the pod's."""
    NONE = "none"
    """Nobody does anything: the program is on its own."""


class NamespaceMode(StrEnum):
    """Who shares a namespace (CRI's NamespaceMode)."""

    POD = "pod"
    CONTAINER = "container"
    NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What isolation containers have here. A text says why they lack something; empty: they have it."""

    mount_problem: str = ""  # file system, IPC objects and host name are the node's
    pid_problem: str = ""  # process ids are the node's
    user: bool = False  # it is done by user namespaces, as an ordinary user
    users: Literal["any", "one", "own"] = "any"
    """As whom containers can run: as any user with any groups; as any user and group, in a user namespace
    that has no others; or as the kubelet's own user only."""
    capabilities: int = (1 << 64) - 1  # that they can have, one bit each (capabilities(7))


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of the node that a container sees at an absolute path (CRI's Mount)."""

    host_path: str
    container_path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsConfig:
    """What the pod's /etc/resolv.conf says."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMapping:
    """A port of the node that leads to one of the pod (CRI's PortMapping). `protocol` is TCP or UDP."""

    host_ip: str
    host_port: int
    container_port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSandboxConfig:
    """The pod as far as the runtime is concerned (CRI PodSandboxConfig)."""

    name: str
    namespace: str
    uid: str
    ip: str
    hostname: str
    log_directory: Path
    attempt: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    dns: DnsConfig = field(default_factory=DnsConfig)
    hosts: str = ""  # the text of /etc/hosts
    network: NamespaceMode = NamespaceMode.NODE  # or POD
    pid: NamespaceMode = NamespaceMode.CONTAINER
    ipc: NamespaceMode = NamespaceMode.POD  # or NODE
    port_mappings: Sequence[PortMapping] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSandbox:
    """A sandbox that exists. NOTREADY once it is stopped or has died: all in it has ended then."""

    id: str
    state: SandboxState
    config: PodSandboxConfig
    created_at: float  # seconds since the epoch
    pid: int = 0  # of the process that holds its namespaces; 0 when it is NOTREADY


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPort:
    """A declared port of a container (or one that its image exposes)."""

    container_port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSecurity:
    """As whom a container's processes run (CRI LinuxContainerSecurityContext). None: as the kubelet does."""

    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] | None = None  # supplementary ones
    mapped: bool = False  # by a user namespace that has only this user and group: see Features.users
    capabilities: int | None = None  # that it can ever have, one bit each
    no_new_privileges: bool = False
    read_only_root: bool = False  # all but its volumes, /dev, /proc and $PODYARD_DIRECTORY
    low_ports: bool = False  # it can bind ports below 1024, be it root or not
    devices: bool = False  # it sees the node's


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig:
    """What to run (CRI ContainerConfig). Names, env and command are final: nothing is expanded here."""

    name: str
    image: str  # the reference as the pod gives it
    image_id: str
    command: Sequence[str]  # the whole argument vector, at least one element
    attempt: int = 0
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    log_path: str  # relative to the sandbox' log directory, for example "nginx/0.log"
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False  # the first attached client's end of input is the container's
    ports: Sequence[ContainerPort] = ()
    listen: ListenMode = ListenMode.NONE
    wait_for_ports: bool = False  # it is `running` once the TCP ports accept connections
    stop_signal: str = "SIGTERM"
    stop_signal_blocked: bool = False  # the program begins so, and unblocks it once it has a handler
    mounts: Sequence[Mount] = ()  # outer ones before those below them; not made where `features` says so
    host_paths: Sequence[str] = ()  # of the node, which it must see though they be below /tmp or /run
    termination_message_path: str = "/dev/termination-log"
    security: ContainerSecurity | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStatus:
    """A container as it is now (CRI ContainerStatus). Times: seconds since the epoch, 0 when not reached."""

    id: str
    sandbox_id: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    image_id: str
    state: ContainerState
    created_at: float
    started_at: float = 0.0
    finished_at: float = 0.0
    pid: int = 0  # of the main process, also while it does not serve yet; 0 when it does not run
    exit_code: int = 0  # 128 + N when signal N ended it
    reason: str = ""  # of the end: Completed, Error, StartError
    message: str = ""  # termination message (at most 4096 bytes), or why it could not start
    log_path: Path
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent:
    """Something happened to a container; `status` is how it is since then (None: it was removed)."""

    type: Literal["created", "started", "stopped", "deleted"]
    container_id: str
    sandbox_id: str
    pod_uid: str
    status: ContainerStatus | None


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How `exec_sync` ended. `timed_out`: it was killed when its time was up; the exit code says nothing."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False


class Streams(Protocol):
    """A command that runs in a container (exec), or the container's own streams (attach)."""

    async def write(self, data: bytes) -> None:
        """Give it input; waits while it does not read. Input that nobody takes any more is dropped."""

    def close_stdin(self) -> None:
        """Its input has ended."""

    def resize(self, width: int, height: int) -> None:
        """Its terminal has this many columns and rows; without a terminal nothing happens."""

    def output(self) -> AsyncIterator[tuple[Literal["stdout", "stderr"], bytes]]:
        """What it writes, until it has ended (or the container has). With a terminal all is "stdout"."""

    async def wait(self) -> int:
        """Its exit code, 128 + N when signal N ended it. For attach: the container's."""

    async def aclose(self) -> None:
        """The client has gone: a command that still runs loses its terminal or pipes."""


class ContainerRuntime(Protocol):
    """CRI's RuntimeService."""

    async def start(self) -> None:
        """Find what an earlier kubelet left and watch it from now on. Called once, before all else."""

    async def close(self) -> None:
        """Let go of everything without stopping it."""

    async def features(self) -> Features:
        """What isolation new pods get. Found out once."""

    async def run_pod_sandbox(self, config: PodSandboxConfig) -> str:
        """Make a sandbox and return its id."""

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Kill what runs in it and free its address; it stays listed as NOTREADY."""

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Stop it if need be, remove its containers and all that belongs to it but the log directory."""

    async def list_pod_sandboxes(self) -> list[PodSandbox]:
        """All of them, oldest first."""

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        """Record a container in a ready sandbox and return its id. Makes the directory of its log."""

    async def start_container(self, container_id: str) -> None:
        """Run its process. Raises StartError."""

    async def until_serving(self, container_id: str) -> None:
        """Wait until a container that has been started is `running`, or has ended."""

    async def stop_container(self, container_id: str, timeout: float) -> None:
        """Send its stop signal, after `timeout` seconds SIGKILL all of it. Returns when it has ended.

        A second call with a shorter timeout, while the first still waits, makes it end earlier.
        """

    async def remove_container(self, container_id: str) -> None:
        """Forget an ended container (one that runs is killed first) and delete its logs."""

    async def list_containers(self) -> list[ContainerStatus]:
        """All of them, in the order they were created."""

    async def container_status(self, container_id: str) -> ContainerStatus:
        """One of them."""

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Streams:
        """Run a command beside the container's process, as its user, with its environment and directory.

        Raises NotRunning, or StartError when the command does not exist (exit code 127 or 126 to a shell).
        """

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Run a command to its end; keeps the first 16 KiB of each stream. For probes and hooks."""

    async def attach(self, container_id: str, *, stdin: bool) -> Streams:
        """Connect to the running container's own streams. Output begins with what it writes from now on."""

    def events(self) -> AsyncIterator[ContainerEvent]:
        """Every change from the call on. Any number of readers; none is ever dropped or blocks the others."""

"""A pod's namespaces, and how a new process gets into those where it is to run.

Network, IPC and UTS namespace are the pod's, and so the shim's own: they last as long as it does. Each
container has a mount namespace, in which its root is made, and a PID namespace, whose first process is the
container's command, as in Kubernetes. A pod that shares its process ids has one PID namespace instead,
whose first process does nothing but reap. The shim itself stays where the node's files and process ids are.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

from podyard.kubelet.shim import linux, rootfs
from podyard.kubelet.shim.birth import Door, fork


class Namespaces:
    """What a pod has of its own: the sandbox' configuration says so, by what the kernel allows."""

    def __init__(self, config: dict[str, Any], directory: str) -> None:
        self.network: bool = config["network"]
        self._user: bool = config["user"]
        self._mount: bool = config["mount"]
        self._ipc: bool = config["ipc"]
        self._pid: str = config["pid"]  # container, pod or node
        self._directory = directory
        self._reaper = 0

    def enter(self, hostname: str) -> None:
        """Give the caller the pod's user, network, IPC and UTS namespace. Raises OSError."""
        if not self._mount and not self.network:
            return
        user, group = os.geteuid(), os.getegid()
        flags = linux.CLONE_NEWNET if self.network else 0
        flags |= linux.CLONE_NEWUTS if self._mount else 0
        flags |= linux.CLONE_NEWIPC if self._mount and self._ipc else 0
        flags |= linux.CLONE_NEWUSER if self._user else 0
        linux.unshare(flags)
        if self._user:
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
        if self._mount:
            socket.sethostname(hostname)
        if self.network:
            _open_to_users()

    def container(self, config: dict[str, Any], directory: str) -> Door:
        """The way into a new container."""
        if not self._mount:
            return Door()
        if self._pid == "pod" and not self._reaper:
            self._reaper = fork(_NewPidNamespace(), _reap)
        own = {"container": "", "pod": f"/proc/{self._reaper}/ns/pid", "node": None}[self._pid]
        return _NewContainer(config, directory, self._directory, own, own_network=self.network)

    def beside(self, pid: int) -> Door:
        """The way into the container whose main process this is."""
        return _RunningContainer(pid, self._pid != "node") if self._mount else Door()


class _NewContainer(Door):
    """`pid_namespace`: that of /proc/PID/ns/pid, a new one when empty, None for the node's."""

    def __init__(
        self,
        config: dict[str, Any],
        directory: str,
        pod: str,
        pid_namespace: str | None,
        *,
        own_network: bool,
    ) -> None:
        self.has_pids = pid_namespace is not None
        self._own_network = own_network
        self._config = config
        self._directory = directory
        self._pod = pod
        self._pid_namespace = pid_namespace

    def pids(self) -> None:
        if self._pid_namespace:
            linux.setns(self._pid_namespace, linux.CLONE_NEWPID)
        else:
            linux.unshare(linux.CLONE_NEWPID)

    def files(self) -> None:
        linux.unshare(linux.CLONE_NEWNS)
        rootfs.make(
            self._config,
            self._directory,
            self._pod,
            own_processes=self.has_pids,
            own_network=self._own_network,
        )


class _NewPidNamespace(Door):
    has_pids = True

    def pids(self) -> None:
        linux.unshare(linux.CLONE_NEWPID)


class _RunningContainer(Door):
    def __init__(self, pid: int, has_pids: bool) -> None:
        self.has_pids = has_pids
        self._pid = pid

    def pids(self) -> None:
        linux.setns(f"/proc/{self._pid}/ns/pid", linux.CLONE_NEWPID)

    def files(self) -> None:
        # /proc is still the node's.
        user, own = f"/proc/{self._pid}/ns/user", os.stat("/proc/self/ns/user").st_ino
        fd = os.open(user, os.O_RDONLY | os.O_CLOEXEC)
        linux.setns(f"/proc/{self._pid}/ns/mnt", linux.CLONE_NEWNS)
        if os.fstat(fd).st_ino != own:  # the container has one for its user
            linux.join(fd, linux.CLONE_NEWUSER)


def _open_to_users() -> None:
    """Let all users have low ports and ping, as in the pods of containerd (enable_unprivileged_ports)."""
    for name, value in (("ip_unprivileged_port_start", "0"), ("ping_group_range", "0 2147483647")):
        try:
            _write(f"/proc/sys/net/ipv4/{name}", value)
        except OSError:
            continue  # /proc/sys is read-only, or the range is beyond this user namespace


def _reap() -> None:
    """Be the first process of a pod that shares its process ids, as Kubernetes' pause is."""
    linux.set_name("pause")
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # which a first process does not take
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel leaves no zombies then
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2:
            try:
                os.close(fd)
            except OSError:
                continue  # the listing's own
    while True:
        signal.pause()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)

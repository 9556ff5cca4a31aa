"""The files a container sees: the node's, with directories of its own, its mounts and the pod's /etc.

The new root is a tmpfs into which the node's top-level entries are bound. Where a mount point is
missing in a directory of the node, that directory is covered by a tmpfs with the node's entries bound
into it in turn, so that anything can be mounted anywhere and the node's own files stay as they are.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from podyard.kubelet.shim import access, linux
from podyard.kubelet.shim.birth import StartError

OLD = "/.podyard-node"  # the node's root while the new one is made
OWN = ("dev", "proc", "run", "tmp")  # top-level directories that are the container's
DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": ".node/ptmx",  # terminals are looked for beside the ptmx that is opened, in the node's /dev
}


class Point:
    """A file or directory of the node that is to be at a path of the container."""

    __slots__ = ("read_only", "source", "target")

    def __init__(self, source: str, target: str, read_only: bool = False) -> None:
        self.source = os.path.realpath(source)  # as the node sees it: absolute links will mean another root
        self.target = target
        self.read_only = read_only


def make(
    container: dict[str, Any], directory: str, pod: str, *, own_processes: bool, own_network: bool
) -> None:
    """Make the root and go there, in a mount namespace of the caller's own.

    `container` is its configuration and `directory` its directory, `pod` is the pod's directory.
    `own_processes`: the caller is in a PID namespace whose /proc it can have; `own_network`: and in a
    network namespace whose /sys it can have. Raises StartError, OSError.
    """
    directory, pod = os.path.realpath(directory), os.path.realpath(pod)
    for folder in (f"{directory}/tmp", f"{pod}/shm"):
        if not os.path.isdir(folder):
            os.mkdir(folder)
            os.chmod(folder, 0o1777)
    with open(container["terminationLog"], "ab") as file:
        os.chmod(file.fileno(), 0o666)
    security = container.get("security") or {}
    own = os.path.realpath(container["ownDirectory"])
    shown = [Point(path, path) for path in sorted({directory, *container["hostPaths"]})]
    log = Point(container["terminationLog"], os.path.join("/", container["terminationMessagePath"]))
    volumes = [Point(m["hostPath"], m["containerPath"], m["readOnly"]) for m in container["mounts"]]
    points = [
        *(Point(f"{pod}/etc/{name}", f"/etc/{name}") for name in ("resolv.conf", "hosts", "hostname")),
        log,
        *volumes,
    ]
    _pivot(directory)
    root = Root()
    root.show_node(directory, pod, own_processes=own_processes)
    if own_network:
        _show_own_links()
    if security.get("devices"):
        root.show_all_devices()
    root.attach_missing(shown)
    if security.get("user") and not security["mapped"]:
        root.let_in(shown, security)
    points.sort(key=lambda point: point.target.rstrip("/").count("/"))
    root.open_up([point.target for point in points])
    for point in points:
        root.attach(point)
    root.attach_missing(shown)  # a volume at /tmp hides what is installed below it
    if security.get("readOnlyRoot"):
        root.attach(Point(own, own))
    root.make(container["workingDir"], directory=True)
    for point in points:
        if point.read_only:
            linux.make_read_only(point.target)
    linux.unmount(OLD)
    os.rmdir(OLD)
    if security.get("readOnlyRoot"):
        access.seal([own, log.target, *(point.target for point in volumes)])


def _pivot(base: str) -> None:
    """Make a tmpfs the root, with the node's at OLD. `base` is any directory."""
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_SLAVE)
    linux.mount("tmpfs", base, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755")
    os.mkdir(base + OLD)
    linux.pivot_root(base, base + OLD)
    os.chdir("/")
    linux.mount("", OLD, flags=linux.MS_REC | linux.MS_PRIVATE)


class Root:
    """The new root, from inside: its paths are those of the container."""

    def __init__(self) -> None:
        self._own = {os.stat("/").st_dev}  # the tmpfs that are made here
        self._attached: list[str] = []  # below these, mount points are made in what is mounted there

    def show_node(self, directory: str, pod: str, *, own_processes: bool) -> None:
        """The node's top-level entries, and the container's own ones."""
        for entry in os.scandir(OLD):
            if entry.name not in OWN and f"/{entry.name}" != OLD:
                self._show(entry, f"/{entry.name}")
        os.mkdir("/run", 0o755)
        os.mkdir("/run/lock")
        os.chmod("/run/lock", 0o1777)
        os.mkdir("/tmp")
        linux.bind(f"{OLD}{directory}/tmp", "/tmp")
        self._attached.append("/tmp")
        os.mkdir("/proc")
        if own_processes:
            flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
            linux.mount("proc", "/proc", "proc", flags)
        else:
            linux.bind(f"{OLD}/proc", "/proc")
        _show_devices(pod)

    def open_up(self, targets: list[str]) -> None:
        """Have the directories of the node in which a mount point is missing take new entries."""
        paths = [os.path.realpath(target) for target in targets]
        # What is below another mount is made in there, once that is mounted.
        outer = [path for path in paths if not any(path.startswith(f"{other}/") for other in paths)]
        for folder in sorted({_last_there(path) for path in outer} - {""}):
            if self._is_nodes(folder):  # outer ones first: they would hide what is done within
                self._cover(folder)

    def attach(self, point: Point) -> None:
        """Mount it, at a mount point that is made if it is missing."""
        target = os.path.realpath(point.target)
        source = OLD + point.source
        try:
            self.make(target, directory=os.path.isdir(source))
            linux.bind(source, target)
        except OSError as error:
            hint = ""
            if isinstance(error, (NotADirectoryError, FileExistsError)):
                hint = ": Are you trying to mount a directory onto a file (or vice-versa)?"
            text = f'error mounting "{point.source}" to rootfs at "{point.target}"'
            raise StartError(f"{text}: {(error.strerror or '').lower()}{hint}") from None
        point.target = target
        self._attached.append(target)

    def show_all_devices(self) -> None:
        """The node's devices too, for a privileged container."""
        for entry in os.scandir(f"{OLD}/dev"):
            if not os.path.lexists(f"/dev/{entry.name}"):
                self._show(entry, f"/dev/{entry.name}")

    def let_in(self, points: list[Point], security: dict[str, Any]) -> None:
        """Have the user reach `points` where a directory on the way is closed to them (/root, mostly).

        In the place of such a directory comes one that has nothing else in it.
        """
        reals = {os.path.realpath(p.target) for p in points if os.path.lexists(p.target)}
        points += [Point(real, real) for real in sorted(reals - {point.target for point in points})]
        for point in points:
            closed = access.closed_on_the_way(point.target, security)
            if closed:
                linux.mount("tmpfs", closed, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=711")
                self._own.add(os.stat(closed).st_dev)
        self.attach_missing(points)

    def attach_missing(self, points: list[Point]) -> None:
        """Attach those whose target is not there."""
        for point in points:
            if not os.path.lexists(point.target):
                self.attach(point)

    def make(self, path: str, *, directory: bool) -> None:
        """Make a file or directory that is missing, and the directories above it. Raises OSError."""
        path = os.path.realpath(path)
        if os.path.lexists(path):
            return
        parent = os.path.dirname(path)
        self.make(parent, directory=True)
        if self._is_nodes(parent):
            self._cover(parent)
        _make(path, directory)

    def _is_nodes(self, folder: str) -> bool:
        """Whether what is made in `folder` would be made on the node."""
        if any(folder == path or folder.startswith(path + "/") for path in self._attached):
            return False
        return os.stat(folder).st_dev not in self._own

    def _cover(self, folder: str) -> None:
        """Hide a directory of the node behind one that has the same entries and takes new ones."""
        info = os.stat(folder)
        entries = list(os.scandir(OLD + folder))
        options = f"mode={stat.S_IMODE(info.st_mode):o}"
        linux.mount("tmpfs", folder, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
        try:
            os.chown(folder, info.st_uid, info.st_gid)
        except OSError:
            pass  # a user namespace does not know the owner
        self._own.add(os.stat(folder).st_dev)
        for entry in entries:
            self._show(entry, f"{folder}/{entry.name}")

    def _show(self, entry: os.DirEntry[str], target: str) -> None:
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)
            return
        _make(target, entry.is_dir(follow_symlinks=False))
        try:
            linux.bind(entry.path, target)
        except OSError as error:
            # A mount that may not be bound (an autofs without its daemon) is an empty directory here.
            os.write(2, f"{target} is not shown: {error.strerror}\n".encode())


def _show_own_links() -> None:
    """A /sys in whose class/net are the links of this network; read-only, as in Kubernetes."""
    flags = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    try:
        linux.mount("sysfs", "/sys", "sysfs", flags)
        linux.bind(f"{OLD}/sys/fs/cgroup", "/sys/fs/cgroup")
    except OSError:
        pass  # inside of another container: it is the node's then


def _show_devices(pod: str) -> None:
    """What Kubernetes guarantees in /dev, and terminals, which are the node's."""
    os.mkdir("/dev")
    for name in DEVICES:
        if os.path.exists(f"{OLD}/dev/{name}"):
            _make(f"/dev/{name}", directory=False)
            linux.bind(f"{OLD}/dev/{name}", f"/dev/{name}")
    for name, target in DEVICE_LINKS.items():
        os.symlink(target, f"/dev/{name}")
    for name, source in ((".node", "/dev"), ("pts", "/dev/pts"), ("shm", f"{pod}/shm")):
        os.mkdir(f"/dev/{name}")
        if os.path.isdir(OLD + source):
            linux.bind(OLD + source, f"/dev/{name}")
    os.mkdir("/dev/mqueue")
    try:
        linux.mount("mqueue", "/dev/mqueue", "mqueue", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    except OSError:
        pass  # a kernel without message queues


def _last_there(path: str) -> str:
    """The deepest directory on the way to a path that is missing; empty when the path is there."""
    if os.path.lexists(path):
        return ""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def _make(path: str, directory: bool) -> None:
    if directory:
        os.mkdir(path, 0o755)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_WRONLY, 0o644))

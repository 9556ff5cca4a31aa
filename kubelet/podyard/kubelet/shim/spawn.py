"""Start a program: find it, fork, and learn whether exec worked. Error texts are runc's."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import stat
import termios
from collections.abc import Collection, Sequence
from typing import Any

from podyard.kubelet.shim import marker
from podyard.kubelet.shim.birth import Door, StartError, fork

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


_DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)
"""The limits that containers get."""


def raise_descriptor_limit() -> None:
    """Let this process itself have as many as it may: it carries connections of its containers."""
    hard = _DESCRIPTORS[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return  # more than the kernel has; what there is must do


def look_path(program: str, path: str, directory: str) -> str:
    """The file that `program` means: itself when it has a slash, else the first executable in `path`."""
    if "/" in program:
        file = os.path.join(directory, program)
        try:
            mode = os.stat(file).st_mode
        except OSError as error:
            raise StartError(f'exec: "{program}": stat {program}: {_text(error.errno)}') from None
        if stat.S_ISDIR(mode):
            raise StartError(f'exec: "{program}": is a directory')
        if not os.access(file, os.X_OK):
            raise StartError(f'exec: "{program}": permission denied')
        return file
    for folder in path.split(":"):
        file = os.path.join(directory, folder or ".", program)
        if os.path.isfile(file) and os.access(file, os.X_OK):
            return file
    raise StartError(f'exec: "{program}": executable file not found in $PATH')


def spawn(
    command: Sequence[str],
    env: dict[str, str],
    directory: str,
    mark: int,
    stdio: Sequence[int],
    tty: bool,
    door: Door,
    blocked: Collection[int] = (),
    security: dict[str, Any] | None = None,
) -> int:
    """Run `command` behind `door`, in a session of its own, and return its pid once exec has worked.

    `stdio` are three descriptors to become 0, 1 and 2; with `tty` they are a terminal, which becomes the
    session's. It begins with the signals of `blocked` blocked. `security` says as whom it runs; None: as
    the caller. Raises StartError.
    """
    if security is not None:  # most shims never need it; in the child it may be out of reach
        from podyard.kubelet.shim import credentials

    def prepare() -> None:
        _prepare(mark, stdio, tty, blocked)
        if security is not None:
            credentials.take(security)

    return fork(door, lambda: _execute(command, env, directory), prepare)


def _prepare(mark: int, stdio: Sequence[int], tty: bool, blocked: Collection[int]) -> None:
    """In the child: set up everything but who it is."""
    marker.mark_this_process(mark)
    os.setsid()
    # Above 2 first, lest one of them be overwritten before it has been copied.
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in stdio]
    for target, fd in enumerate(high):
        os.dup2(fd, target)
    if tty:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) == signal.SIG_IGN:  # by Python, by the shim, or by nohup long ago
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    resource.setrlimit(resource.RLIMIT_NOFILE, _DESCRIPTORS)
    os.umask(0o022)


def _execute(command: Sequence[str], env: dict[str, str], directory: str) -> None:
    """In the child, as who it is to be: find the program and exec; returns only by raising."""
    try:
        os.chdir(directory)
    except OSError as error:
        text = f'chdir to cwd ("{directory}") set in config.json failed: {_text(error.errno)}'
        raise StartError(text) from None
    file = look_path(command[0], env.get("PATH", DEFAULT_PATH), directory)
    try:
        os.execve(file, list(command), env)
    except OSError as error:
        raise StartError(f"exec {command[0]}: {_text(error.errno)}") from None


def _text(number: int | None) -> str:
    return os.strerror(number or 0).lower()

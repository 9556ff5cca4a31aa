"""User, groups and capabilities of a container's program: credentials(7), capabilities(7) and the like.

Imported only by a shim with a container that asks for some of it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Sequence
from typing import Any

from podyard.kubelet.shim import linux

NET_BIND_SERVICE = 10
FIRST_FREE_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

_ALL = (1 << 64) - 1
_WORD = (1 << 32) - 1
_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_NULL_DEVICE = os.makedev(1, 3)


def low_ports_guarded() -> bool:
    """Whether ports below 1024 are for NET_BIND_SERVICE only, in the caller's network."""
    try:
        with open(FIRST_FREE_PORT, encoding="ascii") as file:
            return int(file.read()) > 1
    except (OSError, ValueError):
        return True


def take(security: dict[str, Any]) -> None:
    """Become what `security` says, of the container's configuration. Raises OSError."""
    if security["mapped"]:
        become_in_namespace(security["user"], security["group"])
    elif security["user"] is not None:
        _give_streams(security["user"])
    bounding = security["capabilities"]
    ambient = 0
    if security["lowPorts"] and not security["mapped"] and _loses_low_ports(security):
        # Kubernetes' pods let everybody have low ports, by a setting of their network (which this one lacks).
        ambient = 1 << NET_BIND_SERVICE & permitted()
    if ambient:
        linux.prctl(_PR_SET_KEEPCAPS, 1)
        _set(permitted(), ambient)  # to be inherited it must be in the bounding set, as yet
    if bounding is not None:
        _bound(bounding)
    if not security["mapped"]:
        become(security["user"], security["group"], security["groups"])
    if bounding is not None or ambient:
        kept = _ALL if bounding is None else bounding
        _set(permitted() & (kept | ambient), ambient)
    if ambient:
        linux.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, NET_BIND_SERVICE)
    if security["noNewPrivileges"]:
        linux.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _give_streams(user: int) -> None:
    """Let the user open the standard streams anew, by /dev/stdout and the like. Raises OSError."""
    for fd in (0, 1, 2):
        info = os.fstat(fd)
        if not (stat.S_ISCHR(info.st_mode) and info.st_rdev == _NULL_DEVICE):
            os.fchown(fd, user, -1)


def become(user: int | None, group: int | None, groups: Sequence[int] | None) -> None:
    """Change to them; None: as it is. Raises OSError."""
    if groups is not None:
        os.setgroups(groups)
    if group is not None:
        os.setresgid(group, group, group)
    if user is not None:
        os.setresuid(user, user, user)


def become_in_namespace(user: int | None, group: int | None) -> None:
    """Have this user be called so, in a user namespace that knows no other. Raises OSError."""
    own_user, own_group = os.geteuid(), os.getegid()
    user = own_user if user is None else user
    group = own_group if group is None else group
    if (user, group) == (own_user, own_group):
        return
    linux.unshare(linux.CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {own_user} 1"),
        ("gid_map", f"{group} {own_group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _loses_low_ports(security: dict[str, Any]) -> bool:
    bounding = security["capabilities"]
    stays_root = not (os.geteuid() if security["user"] is None else security["user"])
    if stays_root and (bounding is None or bounding >> NET_BIND_SERVICE & 1):
        return False
    return low_ports_guarded()


def _bound(kept: int) -> None:
    """Take all others out of the bounding set: no exec brings them back."""
    for number in range(64):
        if not kept >> number & 1:
            try:
                linux.prctl(_PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                return  # this kernel has no more


def permitted() -> int:
    """The capabilities that the caller has, one bit each. Raises OSError."""
    data = ctypes.create_string_buffer(24)
    linux.capabilities("capget", _header(), data)
    _, low, _, _, high, _ = struct.unpack("6I", data.raw)
    return int(low | high << 32)


def _set(mask: int, inheritable: int) -> None:
    low, high = mask & _WORD, mask >> 32
    words = (low, low, inheritable & _WORD, high, high, inheritable >> 32)
    linux.capabilities("capset", _header(), ctypes.create_string_buffer(struct.pack("6I", *words), 24))


def _header() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(struct.pack("Ii", _VERSION_3, 0), 8)

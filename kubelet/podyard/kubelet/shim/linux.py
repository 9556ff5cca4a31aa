"""The three prctl(2) calls that Python has no name for."""

from __future__ import annotations

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def set_name(name: str) -> None:
    """What `ps -o comm` shows, at most 15 characters."""
    _prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()), 0, 0, 0)


def become_subreaper() -> None:
    """Orphaned descendants become this process' children instead of init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """The kernel kills the caller when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

"""Limits of this process."""

from __future__ import annotations

import resource


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one (as Go programs do); give it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        pass
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft

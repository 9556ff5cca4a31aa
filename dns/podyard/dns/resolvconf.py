"""The nameservers of resolv.conf(5)."""

from __future__ import annotations

import os
import time
from collections.abc import Collection

from podyard.dns.exchange import Upstream

LOOK_SECONDS = 1.0
"""How long the file is taken to be unchanged."""


class ResolvConf:
    """The nameservers of a resolv.conf(5) file, read again when it changes (another network, a VPN)."""

    def __init__(self, path: str, exclude: Collection[str]) -> None:
        self._path = path
        self._exclude = exclude
        self._changed = -1
        self._looked = float("-inf")
        self._servers: list[Upstream] = []

    def __call__(self) -> list[Upstream]:
        """The upstreams now; those in `exclude`, which are ourselves, are left out."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        return list(self._servers)

    def _look(self) -> None:
        try:
            changed = os.stat(self._path).st_mtime_ns
            if changed != self._changed:
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._servers = nameservers(file.read(), self._exclude)
                self._changed = changed
        except OSError:
            pass  # being replaced just now: the servers known so far are as good as any


def nameservers(text: str, exclude: Collection[str]) -> list[Upstream]:
    """The `nameserver` lines of a resolv.conf(5), without the addresses to exclude."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and words[1] not in exclude:
            found.append((words[1].partition("%")[0], 53))
    return found

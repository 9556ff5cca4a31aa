"""Stand-ins for what is a process."""

from __future__ import annotations

import socket

from podyard.proxy.table import Frontend, Rule


class Forwarders:
    """Two workers that only hold their sockets."""

    number = 2

    def __init__(self) -> None:
        self.rules: dict[Frontend, Rule] = {}
        self._sockets: dict[Frontend, list[socket.socket]] = {}

    def open(self, frontend: Frontend, rule: Rule, sockets: list[socket.socket]) -> None:
        """Hold them."""
        assert len(sockets) == self.number
        self.rules[frontend] = rule
        self._sockets[frontend] = sockets

    def update(self, frontend: Frontend, rule: Rule) -> None:
        """Note the rule."""
        self.rules[frontend] = rule

    def remove(self, frontend: Frontend) -> None:
        """Close them."""
        del self.rules[frontend]
        for sock in self._sockets.pop(frontend):
            sock.close()

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Close all."""
        for frontend in list(self.rules):
            self.remove(frontend)

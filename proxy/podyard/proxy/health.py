"""Health check node ports: they tell a load balancer outside whether this node has an endpoint.

The answer is kube-proxy's (kubernetes pkg/proxy/healthcheck/service_health.go).
"""

from __future__ import annotations

import asyncio
import json
import socket

from podyard.proxy.sockets import bind
from podyard.proxy.table import Frontend, Rule

BACKLOG = 16
ANSWER_SECONDS = 5.0
AT_ONCE = 32
"""Answers under way; beyond that a client is turned away."""
LARGEST_REQUEST = 8192


def answer(rule: Rule) -> bytes:
    """The HTTP response: 200 when the node has endpoints, else 503."""
    namespace, name = rule.service
    count = len(rule.endpoints)
    body = {
        "service": {"namespace": namespace, "name": name},
        "localEndpoints": count,
        "serviceProxyHealthy": True,
    }
    text = json.dumps(body, indent="\t")
    head = (
        f"HTTP/1.1 {'200 OK' if count else '503 Service Unavailable'}",
        "Content-Type: application/json",
        "X-Content-Type-Options: nosniff",
        f"X-Load-Balancing-Endpoint-Weight: {count}",
        f"Content-Length: {len(text)}",
        "Connection: close",
    )
    return ("\r\n".join(head) + "\r\n\r\n" + text).encode()


class HealthListener:
    """A listening socket that answers every request alike. Raises OSError when it cannot be bound."""

    def __init__(self, frontend: Frontend, rule: Rule) -> None:
        self._rule = rule
        self._answers: set[asyncio.Task[None]] = set()
        self._socket = bind(frontend)
        try:
            self._socket.listen(BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._accept)

    def update(self, rule: Rule) -> None:
        """Tell the new number from now on."""
        self._rule = rule

    def close(self) -> None:
        """Stop listening."""
        for task in self._answers:
            task.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        if len(self._answers) >= AT_ONCE:
            client.close()
            return
        client.setblocking(False)
        task = self._loop.create_task(self._serve(client))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _serve(self, client: socket.socket) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                request = b""
                while b"\r\n\r\n" not in request and len(request) < LARGEST_REQUEST:
                    part = await self._loop.sock_recv(client, 4096)
                    if not part:
                        return
                    request += part
                await self._loop.sock_sendall(client, answer(self._rule))
        except OSError:
            pass  # the client is gone (TimeoutError is one)
        finally:
            client.close()

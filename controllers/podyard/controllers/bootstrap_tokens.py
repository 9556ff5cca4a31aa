"""Deletes bootstrap tokens when their time is over (pkg/controller/bootstrap/tokencleaner.go)."""

from __future__ import annotations

import base64

from podyard.api.resources import SECRETS
from podyard.api.times import from_rfc3339
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.errors import ignore_not_found
from podyard.controllers.meta import Object, is_terminating
from podyard.process.clock import Clock

TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE = "kube-system"


def seconds_left(secret: Object, now: float) -> float | None:
    """How long a token is still good at `now` (seconds since 1970); None: for ever, 0: nobody can tell."""
    encoded = (secret.get("data") or {}).get("expiration")
    if not encoded:
        return None
    try:
        return max(from_rfc3339(base64.b64decode(encoded).decode()) - now, 0.0)
    except ValueError:
        return 0.0


class TokenCleanerController:
    """Waits for the end of each token."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._queue: WorkQueue[Key] = WorkQueue(clock)
        self._secrets = informers.informer(SECRETS, NAMESPACE, field_selector=f"type={TYPE}")
        self._secrets.add_handler(self._changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._secrets.synced()
        await run_workers("tokencleaner", self._queue, self.sync, workers=1)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._queue.add(key_of(new))

    async def sync(self, key: Key) -> None:
        """Delete one token, or come back when it ends."""
        secret = self._secrets.get(*key)
        if secret is None or is_terminating(secret):
            return
        left = seconds_left(secret, self._clock.now())
        if left is None:
            return
        if left > 0:
            self._queue.add_after(key, left)
            return
        with ignore_not_found():
            await self._client.delete(SECRETS, key[1], key[0], uid=secret["metadata"]["uid"])

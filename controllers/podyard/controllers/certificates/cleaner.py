"""Deletes requests that have had their time (pkg/controller/certificates/cleaner/cleaner.go)."""

from __future__ import annotations

import base64

from cryptography import x509

from podyard.api.errors import StatusError
from podyard.api.objects import find_condition
from podyard.api.resources import CERTIFICATESIGNINGREQUESTS
from podyard.api.times import from_rfc3339
from podyard.client.client import Client
from podyard.client.factory import InformerFactory
from podyard.controllers.errors import ignore_not_found
from podyard.controllers.meta import Object, created_at, status_of
from podyard.process.clock import Clock

PERIOD_SECONDS = 600.0
DECIDED_SECONDS = 3600.0
"""How long one is kept that was signed, denied or given up."""

PENDING_SECONDS = 24 * 3600.0
"""How long one is kept that nobody has decided, or no signer has signed."""


def is_over(request: Object, now: float) -> bool:
    """Whether a request is of no use any more at `now`, seconds since 1970."""
    status = status_of(request)
    conditions = status.get("conditions")
    if certificate := status.get("certificate"):
        try:
            ends = x509.load_pem_x509_certificate(base64.b64decode(certificate)).not_valid_after_utc
        except ValueError:
            return False
        if ends.timestamp() < now:
            return True
    for kind in ("Denied", "Failed", *(("Approved",) if certificate else ())):
        if condition := find_condition(conditions, kind):
            since = condition.get("lastUpdateTime") or condition.get("lastTransitionTime")
            return bool(since) and now - from_rfc3339(str(since)) > DECIDED_SECONDS
    return now - created_at(request) > PENDING_SECONDS


class CertificateCleanerController:
    """Looks at all requests from time to time."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._requests = informers.informer(CERTIFICATESIGNINGREQUESTS)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._requests.synced()
        while True:
            for request in self._requests.list():
                if is_over(request, self._clock.now()):
                    await self._delete(request["metadata"])
            await self._clock.sleep(PERIOD_SECONDS)

    async def _delete(self, metadata: Object) -> None:
        try:
            with ignore_not_found():
                await self._client.delete(CERTIFICATESIGNINGREQUESTS, metadata["name"], uid=metadata["uid"])
        except StatusError:
            return  # the next round tries again

"""Signs approved requests with a CA of the cluster (pkg/controller/certificates/signer/signer.go)."""

from __future__ import annotations

import base64
import datetime

from cryptography.hazmat.primitives.asymmetric import rsa

from podyard.api.resources import CERTIFICATESIGNINGREQUESTS
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.workqueue import WorkQueue
from podyard.controllers.certificates.requests import (
    Asked,
    alternative_names,
    is_to_be_signed,
    problem,
    read,
)
from podyard.controllers.certificates.signing import Signing
from podyard.controllers.meta import Object, status_of
from podyard.process.certificates import (
    BACKDATE,
    CLIENT_AUTH,
    SERVER_AUTH,
    Authority,
    Terms,
    certificate_pem,
    issue,
)
from podyard.process.clock import Clock

_USAGES = {"client auth": CLIENT_AUTH, "server auth": SERVER_AUTH}


def sign(asked: Asked, authority: Authority, seconds: float, now: float) -> bytes:
    """The certificate that is asked for, PEM, good for `seconds` from `now` (seconds since 1970)."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    life = datetime.timedelta(seconds=seconds)
    key = asked.csr.public_key()
    terms = Terms(
        alternative_names(asked.csr),
        [_USAGES[usage] for usage in sorted(asked.usages) if usage in _USAGES],
        moment - min(BACKDATE, life),
        moment + life,
        key_encipherment=isinstance(key, rsa.RSAPublicKey),
    )
    return certificate_pem(issue(authority, asked.csr.subject, key, terms))


class CertificateSigningController:
    """Signs for the signers of `signing`; requests to others are no business of it."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock, signing: Signing) -> None:
        self._client = client
        self._clock = clock
        self._signing = signing
        self._queue: WorkQueue[str] = WorkQueue()
        self._requests = informers.informer(CERTIFICATESIGNINGREQUESTS)
        self._requests.add_handler(self._changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._requests.synced()
        await run_workers("csrsigning", self._queue, self.sync, workers=1)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and is_to_be_signed(new):
            self._queue.add(new["metadata"]["name"])

    async def sync(self, name: str) -> None:
        """Sign one request, or say why not."""
        request = self._requests.get("", name)
        if request is None or not is_to_be_signed(request):
            return
        if request["spec"]["signerName"] not in self._signing.authorities:
            return
        signed = {**request, "status": {**status_of(request), **self._outcome(request)}}
        written = await self._client.update(CERTIFICATESIGNINGREQUESTS, signed, subresource="status")
        await self._requests.saw(written)

    def _outcome(self, request: Object) -> Object:
        try:
            asked = read(request)
            why = problem(asked)
        except ValueError as error:
            why = f"unable to parse csr {request['metadata']['name']!r}: {error}"
        if why:
            failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why}
            return {"conditions": [*(status_of(request).get("conditions") or ()), failed]}
        longest = self._signing.seconds
        seconds = min(request["spec"].get("expirationSeconds") or longest, longest)
        certificate = sign(asked, self._signing.authorities[asked.signer], seconds, self._clock.now())
        return {"certificate": base64.b64encode(certificate).decode()}

"""Approves what kubelets ask for by rule (pkg/controller/certificates/approver/sarapprove.go)."""

from __future__ import annotations

import logging

from podyard.api.resources import CERTIFICATESIGNINGREQUESTS, NODES
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.workqueue import WorkQueue
from podyard.controllers.certificates.requests import approval, is_decided, read
from podyard.controllers.meta import Object, status_of

logger = logging.getLogger("csrapproving")


class CertificateApprovingController:
    """Looks at new requests, and again at those still open when a Node has other addresses, or is gone."""

    def __init__(self, client: Client, informers: InformerFactory) -> None:
        self._client = client
        self._queue: WorkQueue[str] = WorkQueue()
        self._requests = informers.informer(CERTIFICATESIGNINGREQUESTS)
        self._nodes = informers.informer(NODES)
        self._requests.add_handler(self._request_changed)
        self._nodes.add_handler(self._node_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._requests.synced()
        await self._nodes.synced()
        await run_workers("csrapproving", self._queue, self.sync, workers=1)

    def _request_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and not is_decided(new):
            self._queue.add(new["metadata"]["name"])

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if status_of(old or {}).get("addresses") == status_of(new or {}).get("addresses"):
            return
        for request in self._requests.list():
            self._request_changed(None, request)

    async def sync(self, name: str) -> None:
        """Approve one request, or leave it to a person."""
        request = self._requests.get("", name)
        if request is None or is_decided(request):
            return
        try:
            asked = read(request)
        except ValueError:
            return
        verdict = approval(asked, self._nodes.list())
        if not verdict.approved:
            if verdict.why:
                logger.warning("request %s (%s) is not approved: %s", name, asked.signer, verdict.why)
            return
        condition = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": verdict.why}
        status = status_of(request)
        conditions = [*(status.get("conditions") or ()), condition]
        approved = {**request, "status": {**status, "conditions": conditions}}
        written = await self._client.update(CERTIFICATESIGNINGREQUESTS, approved, subresource="approval")
        await self._requests.saw(written)

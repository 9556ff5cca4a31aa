"""Secrets of type kubernetes.io/service-account-token: filled with a token that lasts as long as they do.

Source: kubernetes pkg/controller/serviceaccount/tokens_controller.go. The token is one that the
apiserver issues on request, bound to the Secret.
"""

from __future__ import annotations

import base64

from podyard.api.errors import StatusError
from podyard.api.resources import SECRETS, SERVICEACCOUNTS
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.errors import ignore_not_found
from podyard.controllers.meta import Object, annotations_of, is_terminating

TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"

LIFETIME_SECONDS = 1 << 32
"""The longest that a token can be asked for."""


def belongs_to(secret: Object, account: Object | None) -> bool:
    """Whether the Secret's ServiceAccount is `account`, and not an earlier one of that name."""
    if account is None:
        return False
    return annotations_of(secret).get(ACCOUNT_UID) in (None, "", account["metadata"]["uid"])


def missing(secret: Object, ca_certificate: str) -> Object:
    """What is to be put into the Secret's data beside the token."""
    data = secret.get("data") or {}
    wanted = {"ca.crt": _encode(ca_certificate)}
    if not data.get("namespace"):
        wanted["namespace"] = _encode(secret["metadata"]["namespace"])
    return {key: value for key, value in wanted.items() if data.get(key) != value}


def token_request(secret: Object) -> Object:
    """Asks for a token that ends with the Secret."""
    metadata = secret["metadata"]
    reference = {"apiVersion": "v1", "kind": "Secret", "name": metadata["name"], "uid": metadata["uid"]}
    return {"spec": {"audiences": [], "expirationSeconds": LIFETIME_SECONDS, "boundObjectRef": reference}}


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class TokenSecretController:
    """Fills such Secrets, and deletes them with their ServiceAccount."""

    def __init__(self, client: Client, informers: InformerFactory, ca_certificate: str) -> None:
        self._client = client
        self._ca_certificate = ca_certificate
        self._queue: WorkQueue[Key] = WorkQueue()
        self._secrets = informers.informer(SECRETS, field_selector=f"type={TYPE}")
        self._secrets.add_index("account", lambda secret: [_account(secret)])
        self._secrets.add_handler(self._secret_changed)
        informers.informer(SERVICEACCOUNTS).add_handler(self._account_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._secrets.synced()
        await run_workers("tokens-controller", self._queue, self.sync, workers=2)

    def _secret_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._queue.add(key_of(new))

    def _account_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            for secret in self._secrets.by_index("account", "/".join(key_of(old))):
                self._queue.add(key_of(secret))

    async def sync(self, key: Key) -> None:
        """Fill one Secret, or delete it."""
        secret = self._secrets.get(*key)
        if secret is None or is_terminating(secret):
            return
        account = await self._live_account(secret)
        if account is None or not belongs_to(secret, account):
            with ignore_not_found():
                await self._client.delete(SECRETS, key[1], key[0], uid=secret["metadata"]["uid"])
            return
        data = missing(secret, self._ca_certificate)
        if not (secret.get("data") or {}).get("token"):
            answer = await self._client.create(
                SERVICEACCOUNTS,
                token_request(secret),
                key[0],
                name=account["metadata"]["name"],
                subresource="token",
            )
            data["token"] = _encode(answer["status"]["token"])
        if data or annotations_of(secret).get(ACCOUNT_UID) != account["metadata"]["uid"]:
            annotations = {ACCOUNT_UID: account["metadata"]["uid"]}
            patch = {"metadata": {"annotations": annotations}, "data": data}
            await self._secrets.saw(await self._client.patch(SECRETS, key[1], key[0], patch))

    async def _live_account(self, secret: Object) -> Object | None:
        """The ServiceAccount as it is now: the local copy may not have it yet."""
        name = annotations_of(secret).get(ACCOUNT_NAME, "")
        try:
            return await self._client.get(SERVICEACCOUNTS, name, secret["metadata"]["namespace"])
        except StatusError as error:
            if error.code != 404:
                raise
            return None


def _account(secret: Object) -> str:
    return f"{secret['metadata']['namespace']}/{annotations_of(secret).get(ACCOUNT_NAME, '')}"

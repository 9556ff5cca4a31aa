"""From a token to a node's certificate."""

from __future__ import annotations

import asyncio
import time

from podyard.api.objects import is_ready
from podyard.cli.joining.rest import Answer, Rest, Unreachable
from podyard.cli.joining.settings import (
    SETTINGS_NAME,
    SETTINGS_NAMESPACE,
    Settings,
    Unreadable,
    read_settings,
)
from podyard.client.signing import KUBELET_CLIENT, NotSigned, Wanted, certificate_in, make_request
from podyard.process import certificates
from podyard.process.main import UserError

SETTINGS_PATH = f"/api/v1/namespaces/{SETTINGS_NAMESPACE}/configmaps/{SETTINGS_NAME}"
REQUESTS_PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

SIGNED_SECONDS = 30.0
"""How long to wait for the signature."""

_POLL_SECONDS = 0.05


async def fetch_settings(rest: Rest) -> Settings:
    """What the server tells nodes. Raises UserError."""
    answer = await rest.get(SETTINGS_PATH)
    if answer.code == 401:
        raise UserError(
            "the server does not take this token: it is wrong, its time is over or it was deleted; on the "
            "server `podyard token create --print-join-command` makes a new one"
        )
    if answer.code >= 500:
        raise Unreachable(f"the server cannot answer now: {answer.message}")
    if answer.code != 200:
        raise UserError(f"the server does not tell what a node must know: {answer.message}")
    try:
        return read_settings(answer.body)
    except Unreadable as error:
        raise UserError(f"the server does not tell what a node must know: {error}") from None


async def check_name(rest: Rest, name: str) -> None:
    """Raise UserError when a node of that name is alive (as kubeadm join does)."""
    answer = await rest.get(f"/api/v1/nodes/{name}")
    if answer.code == 404:
        return
    if answer.code != 200:
        raise UserError(f"the server does not say whether there is a node {name}: {answer.message}")
    if is_ready(answer.body):
        raise UserError(
            f'a Node with name "{name}" and status "Ready" already exists in the cluster: give another '
            f"--node-name, or `kubectl delete node {name}` first"
        )


async def get_certificate(rest: Rest, node: str) -> bytes:
    """A key and the certificate of a node, one PEM file's bytes. Raises UserError."""
    key = certificates.new_key()
    wanted = Wanted(node, KUBELET_CLIENT)
    pem = certificates.signing_request(key, certificates.subject(wanted.user, "system:nodes"))
    answer = await rest.post(REQUESTS_PATH, make_request(wanted, pem))
    if answer.code != 201:
        raise UserError(f"the server takes no request for a certificate: {answer.message}")
    return await _signed(rest, answer) + certificates.key_pem(key)


async def _signed(rest: Rest, answer: Answer) -> bytes:
    name = answer.body["metadata"]["name"]
    end = time.monotonic() + SIGNED_SECONDS
    while time.monotonic() < end:
        try:
            if certificate := certificate_in(answer.body):
                return certificate
        except NotSigned as error:
            raise UserError(f"the server gives this node no certificate: {error}") from None
        await asyncio.sleep(_POLL_SECONDS)
        answer = await rest.get(f"{REQUESTS_PATH}/{name}")
        if answer.code != 200:
            raise UserError(f"the server says nothing more of request {name}: {answer.message}")
    raise UserError(
        f"nobody has signed request {name} within {SIGNED_SECONDS:g} s; do the server's controllers run "
        "(`podyard status` there, `kubectl get csr`)?"
    )

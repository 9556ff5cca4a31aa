"""The node's own certificates: asked for, and renewed before they end (pkg/kubelet/certificate)."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path

from podyard.api.errors import StatusError
from podyard.client.client import Client
from podyard.client.signing import NotSigned, Wanted, obtain
from podyard.process.clock import Clock

RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 60.0

logger = logging.getLogger("kubelet.certificates")


class Certificate:
    """One certificate and its key, in one PEM file that is replaced as a whole."""

    def __init__(self, client: Client, clock: Clock, wanted: Wanted, file: Path, rng: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._wanted = wanted
        self._file = file
        self._rng = rng
        self._made = asyncio.Event()

    def is_good(self) -> bool:
        """Whether there is one that is valid now, for the names that are wanted."""
        span = lifetime(self._file, self._wanted.names)
        return span is not None and span[0] <= self._clock.now() < span[1]

    async def available(self) -> None:
        """Wait until there is one that is valid, which `keep` sees to."""
        if not self.is_good():
            await self._made.wait()

    async def keep(self) -> None:
        """For ever: ask for a new one when the one that is there has had most of its time."""
        while True:
            span = lifetime(self._file, self._wanted.names)
            if span is not None:
                seconds = renewal(span, self._rng.random()) - self._clock.now()
                await self._clock.sleep(max(RETRY_SECONDS, seconds))
            await self._get()
            self._made.set()

    async def _get(self) -> None:
        """Ask for a new one until it is there."""
        # Late, as in `podyard.client.signing`.
        from podyard.process.files import write_file

        delay = RETRY_SECONDS
        while True:
            try:
                write_file(self._file, await obtain(self._client, self._wanted), 0o600)
                logger.info("%s: a new certificate for %s", self._file.name, self._wanted.user)
                return
            except (NotSigned, StatusError) as error:
                logger.warning("no new certificate for %s yet: %s", self._wanted.user, error)
            await self._clock.sleep(delay)
            delay = min(delay * 2, MAX_RETRY_SECONDS)


def renewal(span: tuple[float, float], chance: float) -> float:
    """When to renew a certificate that is valid for a `span`: after 70 to 90 % of it, by `chance` (0 to 1).

    So nodes that were made together do not all ask at once.
    """
    begins, ends = span
    return begins + (ends - begins) * (0.7 + 0.2 * chance)


def lifetime(file: Path, names: tuple[str, ...]) -> tuple[float, float] | None:
    """From when to when, in seconds since 1970, the certificate in a file is valid.

    None when there is none, or when it is for other names.
    """
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return None
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = {*extension.get_values_for_type(x509.DNSName)}
        found |= {str(address) for address in extension.get_values_for_type(x509.IPAddress)}
    except x509.ExtensionNotFound:
        found = set()
    if found != set(names):
        return None
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()

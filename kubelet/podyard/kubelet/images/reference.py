"""Image references (github.com/distribution/reference): parse and normalise. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from podyard.api.images import COMPONENT, DIGEST, DOMAIN, PORT, TAG
from podyard.kubelet.images import InvalidImageName

_PATH = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
_DOMAIN = re.compile(rf"{DOMAIN}(?:{PORT})?")
_TAG = re.compile(TAG)
_DIGEST = re.compile(DIGEST)
_MAX_NAME = 255

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"


@dataclass(frozen=True, slots=True)
class Reference:
    """A normalised reference: domain and path in full; a tag, a digest, or both."""

    repository: str  # "docker.io/library/nginx"
    tag: str  # "" only with a digest
    digest: str  # "sha256:…" or ""

    def __str__(self) -> str:
        return (
            self.repository
            + (f":{self.tag}" if self.tag else "")
            + (f"@{self.digest}" if self.digest else "")
        )

    @property
    def familiar(self) -> str:
        """As people write it: "nginx:latest"."""
        return familiar(str(self))


def parse(text: str) -> Reference:
    """Normalise "nginx" to docker.io/library/nginx:latest, and so on. Raises InvalidImageName."""
    rest, _, digest = text.partition("@")
    if "@" in text and not _DIGEST.fullmatch(digest):
        raise _invalid(text, "invalid reference format")
    tag = ""
    colon = rest.rfind(":")
    if colon > rest.rfind("/"):
        rest, tag = rest[:colon], rest[colon + 1 :]
        if not _TAG.fullmatch(tag):
            raise _invalid(text, "invalid reference format")
    repository = normalise_name(rest, text)
    return Reference(repository, tag or ("" if digest else DEFAULT_TAG), digest)


def normalise_name(name: str, text: str) -> str:
    """The repository with its domain: "nginx" is docker.io/library/nginx. `text` is for the error."""
    domain, slash, path = name.partition("/")
    if not slash or not ("." in domain or ":" in domain or domain == "localhost" or domain.lower() != domain):
        domain, path = DEFAULT_DOMAIN, name
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    if path.lower() != path:
        raise _invalid(text, f"invalid reference format: repository name ({path}) must be lowercase")
    if not _DOMAIN.fullmatch(domain) or not _PATH.fullmatch(path) or len(domain) + len(path) >= _MAX_NAME:
        raise _invalid(text, "invalid reference format")
    return f"{domain}/{path}"


def familiar(reference: str) -> str:
    """Without the parts that go without saying."""
    return reference.removeprefix(f"{DEFAULT_DOMAIN}/library/").removeprefix(f"{DEFAULT_DOMAIN}/")


def _invalid(text: str, why: str) -> InvalidImageName:
    return InvalidImageName(f'couldn\'t parse image name "{text}": {why}')

"""Image references: their grammar (github.com/distribution/reference), and what the API reads in them."""

from __future__ import annotations

COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
"""Of a repository's path."""
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
"""Of a registry, by its name, without the port."""
PORT = r":[0-9]+"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"


def image_tag(image: str) -> str:
    """The tag of an image reference: "latest" when it names neither tag nor digest, "" with a digest alone.

    As k8s.io/kubernetes/pkg/util/parsers.ParseImageName; a colon before the last slash belongs to
    the registry's port ("localhost:5000/nginx" has no tag). A path to an executable, or nothing,
    is no reference and has no tag.
    """
    if not image or image.startswith("/"):
        return ""
    name, at, _digest = image.partition("@")
    _registry, _slash, last = name.rpartition("/")
    _repository, colon, tag = last.partition(":")
    if colon:
        return tag
    return "" if at else "latest"

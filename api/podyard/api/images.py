"""Image references, as far as the API cares for them."""

from __future__ import annotations


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

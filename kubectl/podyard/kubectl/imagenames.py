"""Whether a text can be the name of an image.

Source: the grammar of github.com/distribution/reference. Here the path of an executable is an image, too.
"""

from __future__ import annotations

import re

from podyard.kubectl.errors import CommandError

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_NAME = re.compile(
    rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@{_DIGEST})?"
)
_PATH = re.compile(r"/\S+")


def check(image: str) -> None:
    """Raises CommandError."""
    if not _NAME.fullmatch(image) and not _PATH.fullmatch(image):
        raise CommandError(f'Invalid image name "{image}": invalid reference format')

"""Whether a text can be the name of an image; here the path of an executable is one, too."""

from __future__ import annotations

import re

from podyard.api.images import COMPONENT, DIGEST, DOMAIN, PORT, TAG
from podyard.kubectl.errors import CommandError

_HOST = rf"(?:{DOMAIN}|\[[a-fA-F0-9:]+\])(?:{PORT})?"
_NAME = re.compile(rf"(?:{_HOST}/)?{COMPONENT}(?:/{COMPONENT})*(?::{TAG})?(?:@{DIGEST})?")
_PATH = re.compile(r"/\S+")


def check(image: str) -> None:
    """Raises CommandError."""
    if not _NAME.fullmatch(image) and not _PATH.fullmatch(image):
        raise CommandError(f'Invalid image name "{image}": invalid reference format')

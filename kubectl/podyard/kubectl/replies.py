"""What a server answers: a document, a refusal, a warning."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from podyard.kubectl.errors import ApiError, CommandError


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body decoded. Raises ApiError for a status of 400 and above."""
        try:
            decoded = json.loads(self.body)
        except ValueError:
            decoded = None
        if self.status >= 400:
            raise _refused(self.status, decoded, self.body)
        if not isinstance(decoded, dict):
            raise CommandError("the server did not answer with JSON")
        return decoded


def warning_text(header: str) -> str:
    """The text of an HTTP Warning header: `299 - "text"`."""
    first = header.find('"')
    last = header.rfind('"')
    text = header[first + 1 : last] if header.startswith("299 ") and last > first >= 0 else ""
    return text.replace('\\"', '"').replace("\\\\", "\\")


def _refused(code: int, decoded: Any, body: bytes) -> ApiError:
    if isinstance(decoded, dict) and decoded.get("kind") == "Status":
        return ApiError(decoded)
    reasons = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed"}
    text = body.decode(errors="replace").strip() or http.client.responses.get(code, "unknown")
    message = "the server could not find the requested resource" if code == 404 else text
    return ApiError({"reason": reasons.get(code, ""), "code": code, "message": message})

"""What can go wrong in a command, and how kubectl words it on standard error.

Source: k8s.io/kubectl pkg/cmd/util/helpers.go (CheckErr, StandardErrorMessage).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CommandError(Exception):
    """A mistake of the user or of the machine. Printed as "error: TEXT"; the exit status is `code`."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class PlainError(CommandError):
    """An error whose text is printed as it is."""


class UsageError(CommandError):
    """A wrong use of `command` ("kubectl get"): the text and where to find help."""

    def __init__(self, command: str, text: str) -> None:
        super().__init__(f"{text}\nSee '{command} -h' for help and examples")


class Exit(CommandError):
    """Ends the command with a status; everything has been said already."""

    def __init__(self, code: int) -> None:
        super().__init__("", code)


class ApiError(CommandError):
    """The server refused: a Status of Kubernetes."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__(str(status.get("message") or "unknown"))
        self.status = status

    @property
    def reason(self) -> str:
        """The reason, such as NotFound, or ""."""
        return str(self.status.get("reason") or "")

    @property
    def http_code(self) -> int:
        """The HTTP status."""
        return int(self.status.get("code") or 0)

    @property
    def not_found(self) -> bool:
        """Whether the object does not exist."""
        return self.reason == "NotFound"

    @property
    def conflict(self) -> bool:
        """Whether somebody else changed the object first."""
        return self.reason == "Conflict"

    def about(self, verb: str, source: str) -> ApiError:
        """The same error, saying which file it came from."""
        if not source:
            return self
        return ApiError({**self.status, "message": f'error when {verb} "{source}": {self}'})


class Errors(CommandError):
    """Several errors at once; never of fewer than two."""

    def __init__(self, errors: Sequence[CommandError]) -> None:
        texts = list(dict.fromkeys(str(error) for error in errors))
        super().__init__(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
        self.errors = list(errors)


def raise_all(errors: Sequence[CommandError]) -> None:
    """Raise what was collected, if anything was."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Errors(errors)


def with_source(error: CommandError, verb: str, source: str) -> CommandError:
    """`error`, saying which file it came from and what was done with it."""
    if isinstance(error, ApiError):
        return error.about(verb, source)
    return CommandError(f'error when {verb} "{source}": {error}') if source else error


def report(error: CommandError) -> str:
    """What standard error shows for an error, with its newline; "" for nothing."""
    text = _report(error)
    return text + "\n" if text and not text.endswith("\n") else text


def _report(error: CommandError) -> str:
    if isinstance(error, Errors):
        return "".join(f"{_message(one)}\n" for one in error.errors)
    if isinstance(error, ApiError) and error.reason == "Invalid":
        return _invalid(error)
    if isinstance(error, (ApiError, PlainError)):
        return _message(error)
    text = str(error)
    return text if not text or text.startswith("error: ") else f"error: {text}"


def _message(error: CommandError) -> str:
    if not isinstance(error, ApiError):
        return str(error)
    if error.reason == "Unauthorized":
        return f"error: You must be logged in to the server ({error})"
    return f"Error from server ({error.reason}): {error}" if error.reason else f"Error from server: {error}"


def _invalid(error: ApiError) -> str:
    """An Invalid status: one line a field."""
    details = error.status.get("details")
    if not isinstance(details, dict):
        return f"The request is invalid: {error}"
    kind, name = details.get("kind") or "", details.get("name") or ""
    causes = details.get("causes") or []
    text = "The request is invalid"
    if kind or name:
        text = f'The {kind} "{name}" is invalid'
    elif not causes:
        text += f": {error}"
    lines = list(dict.fromkeys(f"{c.get('field', '')}: {c.get('message', '')}" for c in causes))
    if not lines:
        return text
    if len(lines) == 1:
        return f"{text}: {lines[0]}"
    return f"{text}: \n" + "".join(f"* {line}\n" for line in lines)

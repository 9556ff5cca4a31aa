"""LIST and WATCH from the watch cache: pages, consistent tokens, resource versions."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable

import orjson

from podyard.api.errors import StatusError, bad_request, expired, status_error
from podyard.api.resources import Resource
from podyard.apiserver.cacher.cacher import Cacher
from podyard.apiserver.cacher.selection import Entry, Selection
from podyard.apiserver.cacher.watcher import Watcher
from podyard.apiserver.registry import Event, Listed
from podyard.apiserver.storage import Compacted

_EXPIRED_TOKEN = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without the continue parameter, or use the continue token in this response to retrieve the "
    "remainder of the results. Continuing with the provided token results in an inconsistent list - "
    "objects that were created, modified, or deleted between the time the first chunk was returned and "
    "now may show up in the list."
)
_MATCHES = ("", "Exact", "NotOlderThan")


def list_entries(
    cacher: Cacher,
    group_resource: str,
    selection: Selection,
    *,
    limit: int,
    continue_token: str,
    resource_version: str,
    resource_version_match: str,
) -> Listed:
    """The page that is asked for. StatusError 400 and 410 as kube-apiserver."""
    _check_match(resource_version, resource_version_match, continue_token)
    cache = cacher.resource(group_resource)
    revision, after = cacher.revision, ("", "")
    if continue_token:
        revision, after = decode_token(continue_token)
        revision = cacher.revision if revision < 0 else revision
    elif resource_version not in ("", "0"):
        wanted = parse_version(resource_version)
        if wanted > cacher.revision:
            raise too_large(wanted, cacher.revision)
        if resource_version_match == "Exact" or (limit > 0 and not resource_version_match):
            revision = wanted
    try:
        if revision >= cacher.revision:
            entries: Iterable[Entry] = cache.entries(selection.namespace)
        else:
            entries = cache.entries_at(revision, selection.namespace)
    except Compacted:
        if continue_token:
            raise _expired_token(after) from None
        raise expired("The resourceVersion for the provided list is too old.") from None
    return _page(entries, selection, revision, after, limit)


def _page(
    entries: Iterable[Entry], selection: Selection, revision: int, after: tuple[str, str], limit: int
) -> Listed:
    if after != ("", ""):
        entries = (e for e in entries if (e.stored.namespace, e.stored.name) > after)
    chosen = (entry.stored for entry in entries if selection.matches(entry))
    if limit <= 0:
        return Listed(list(chosen), revision)
    items = list(itertools.islice(chosen, limit))
    rest = sum(1 for _ in chosen) if not selection.selects else None
    more = rest if rest is not None else next(chosen, None) is not None
    if not more:
        return Listed(items, revision)
    token = encode_token(revision, (items[-1].namespace, items[-1].name))
    return Listed(items, revision, token, rest)


def encode_token(revision: int, after: tuple[str, str]) -> str:
    """Where the next page begins; a negative revision means "as it is then"."""
    content = {"v": "meta.k8s.io/v1", "rv": revision, "start": "/".join(after) + "\0"}
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def decode_token(token: str) -> tuple[int, tuple[str, str]]:
    """The revision and the last key of a page; StatusError 400 when nobody made that token."""
    try:
        content = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = content["start"].removesuffix("\0").split("/")
        return int(content["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise bad_request("continue key is not valid: encoding is not valid") from None


def _expired_token(after: tuple[str, str]) -> StatusError:
    error = expired(_EXPIRED_TOKEN)
    return StatusError({**error.status, "metadata": {"continue": encode_token(-1, after)}})


def parse_version(text: str) -> int:
    """A resource version as a number; StatusError 400."""
    if not text.isascii() or not text.isdigit():
        raise bad_request(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


def too_large(wanted: int, current: int) -> StatusError:
    """504: a version that is still to come (of another cluster, perhaps)."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return status_error(
        504,
        "Timeout",
        f"Too large resource version: {wanted}, current: {current}",
        causes=[cause],
        retry_after_seconds=1,
    )


def _check_match(version: str, match: str, token: str) -> None:
    why = ""
    if match not in _MATCHES:
        why = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
    elif match and token:
        why = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
    elif match and not version:
        why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match == "Exact" and version == "0":
        why = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    elif token and version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    if why:
        raise bad_request(f"resourceVersionMatch: {why}")


def watch_entries(
    cacher: Cacher,
    resource: Resource,
    group_resource: str,
    selection: Selection,
    *,
    resource_version: str,
    bookmarks: bool,
    send_initial_events: bool,
    timeout_seconds: float | None,
) -> Watcher:
    """A registered watcher. `resource` is the served one: bookmarks are of its kind."""
    cache = cacher.resource(group_resource)
    version = parse_version(resource_version) if resource_version else 0
    if version > cacher.revision:
        raise too_large(version, cacher.revision)
    first: list[Event] = []
    if send_initial_events or not version:
        for entry in cache.entries(selection.namespace):
            if selection.matches(entry):
                first.append(Event("ADDED", entry.stored.resource_version, entry.stored.data))
    else:
        try:
            changes = cache.changes_after(version)
        except Compacted as error:
            raise expired(f"too old resource version: {version} ({error.oldest})") from None
        first += [event for change in changes if (event := change.seen_through(selection))]
    if send_initial_events:
        first.append(bookmark(resource, cacher.revision, initial=True))
    watcher = Watcher(
        selection,
        first,
        make_bookmark=(lambda: bookmark(resource, cacher.revision)) if bookmarks else None,
        timeout_seconds=timeout_seconds,
        forget=cache.watchers.discard,
    )
    cache.watchers.add(watcher)
    return watcher


def bookmark(resource: Resource, revision: int, *, initial: bool = False) -> Event:
    """An event that only says how far the stream has come."""
    own: dict[str, object] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial:
        own["annotations"] = {"k8s.io/initial-events-end": "true"}
    obj = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": own}
    return Event("BOOKMARK", revision, orjson.dumps(obj))

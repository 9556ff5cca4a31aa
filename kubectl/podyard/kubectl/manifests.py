"""Objects from files, directories and standard input (-f).

Source: k8s.io/cli-runtime pkg/resource (builder.go, visitor.go).
"""

from __future__ import annotations

import glob
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn

from podyard.kubectl import yamltext
from podyard.kubectl.errors import CommandError
from podyard.kubectl.jsontext import cannot_unmarshal, compact, type_name

EXTENSIONS = (".json", ".yaml", ".yml")
STDIN = "STDIN"

Document = tuple[str, dict[str, Any]]
"""Where an object comes from, and the object."""


def read(filenames: Sequence[str], recursive: bool = False, validate: bool = False) -> Iterator[Document]:
    """Every object of the named files; lists are taken apart. Raises CommandError.

    With `validate` what is no object is told of in the words of a validation.
    """
    if list(filenames).count("-") > 1:
        raise CommandError("standard input cannot be used for multiple arguments")
    for source, path in [pair for filename in filenames for pair in _expand(filename, recursive)]:
        text = _text(source, path)
        for document in _documents(text, source):
            if validate and isinstance(document, dict):
                _validate(document, source)
            yield from _flatten(document, source)


def _validate(document: dict[str, Any], source: str) -> None:
    missing = [f"{field} not set" for field in ("apiVersion", "kind") if not document.get(field)]
    if missing:
        text = missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]"
        raise CommandError(
            f'error validating "{source}": error validating data: {text}; '
            "if you choose to ignore these errors, turn validation off with --validate=false"
        )


def is_single(filenames: Sequence[str]) -> bool:
    """Whether the files name one object at most: one ordinary file."""
    return len(filenames) == 1 and filenames[0] != "-" and not os.path.isdir(filenames[0])


def _expand(filename: str, recursive: bool) -> list[tuple[str, Path | None]]:
    """Source and path of each file that a -f means."""
    if filename == "-":
        return [(STDIN, None)]
    if filename.startswith(("http://", "https://")):
        raise CommandError(
            f"{filename}: files are not fetched over the network; download it, and pass the file"
        )
    names = [filename]
    if not os.path.exists(filename):
        names = sorted(glob.glob(filename))
        if not names:
            raise CommandError(f'the path "{filename}" does not exist')
    return [(found, Path(found)) for name in names for found in _files(name, recursive)]


def _files(name: str, recursive: bool) -> list[str]:
    if not os.path.isdir(name):
        return [name]
    found = []
    for folder, folders, files in os.walk(name):
        folders.sort()
        found += [os.path.join(folder, file) for file in sorted(files) if file.endswith(EXTENSIONS)]
        if not recursive:
            break
    if not found:
        listed = " ".join(EXTENSIONS)
        raise CommandError(f"error reading [{name}]: recognized file extensions are [{listed}]")
    return found


def _text(source: str, path: Path | None) -> str:
    try:
        return sys.stdin.read() if path is None else path.read_text()
    except OSError as error:
        raise CommandError(f'the path "{source}" cannot be accessed: {error.strerror}') from None
    except UnicodeDecodeError:
        raise CommandError(f"error parsing {source}: it is no text in UTF-8") from None


def _documents(text: str, source: str) -> Iterator[Any]:
    """The documents of one file. JSON begins with a brace; all else is YAML."""
    try:
        if text.lstrip().startswith("{"):
            yield from _json_documents(text)
            return
    except (ValueError, RecursionError):
        pass  # YAML may begin with a brace, too
    for part in re.split(r"(?m)^---(?=\s|$)", text):
        try:
            yield yamltext.load(part)
        except yamltext.YAMLError as error:
            raise CommandError(
                f"error parsing {source}: error converting YAML to JSON: {yamltext.problem(error)}"
            ) from None


def _json_documents(text: str) -> list[Any]:
    decoder, at, found = json.JSONDecoder(parse_constant=_no_number), 0, []
    while at < len(text):
        blank = re.compile(r"\s*").match(text, at)
        at = blank.end() if blank else at
        if at < len(text):
            value, at = decoder.raw_decode(text, at)
            found.append(value)
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _flatten(document: Any, source: str) -> Iterator[Document]:
    if document is None:
        return
    if not isinstance(document, dict):
        raise CommandError(
            f"error parsing {source}: json: cannot unmarshal {type_name(document)} into Go value of type "
            "map[string]interface {}"
        )
    for field, name in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        if not document.get(field) or (field == "kind" and not isinstance(document[field], str)):
            text = compact(document)
            raise CommandError(f"unable to decode \"{source}\": Object '{name}' is missing in '{text}'")
    for value, where, wanted in _wrong_types(document):
        raise CommandError(f'unable to decode "{source}": {cannot_unmarshal(value, where, wanted)}')
    if not document["kind"].endswith("List") or "items" not in document:
        yield source, document
        return
    for item in document["items"] or ():
        yield from _flatten({} if item is None else item, source)


def _wrong_types(document: dict[str, Any]) -> Iterator[tuple[Any, str, str]]:
    """What of an object's head is of another type than every object's: the value, the field, its type."""
    if not isinstance(document["apiVersion"], str):
        yield document["apiVersion"], "metadataOnlyObject.apiVersion", "string"
    if document["kind"].endswith("List") and not isinstance(document.get("items"), (list, NoneType)):
        yield document["items"], "decodeList.items", "[]json.RawMessage"
    metadata = document.get("metadata")
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        yield metadata, "metadataOnlyObject.metadata", "v1.ObjectMeta"
        return
    for field in ("name", "namespace", "generateName", "resourceVersion"):
        if not isinstance(metadata.get(field), (str, NoneType)):
            yield metadata[field], f"ObjectMeta.metadata.{field}", "string"
    for field in ("labels", "annotations"):
        values = metadata.get(field)
        if not isinstance(values, (dict, NoneType)):
            yield values, f"ObjectMeta.metadata.{field}", "map[string]string"
            continue
        for value in (values or {}).values():
            if not isinstance(value, (str, NoneType)):
                yield value, f"ObjectMeta.metadata.{field}", "string"

"""The data of ConfigMaps and Secrets: --from-literal, --from-file, --from-env-file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from podyard.api.names import is_config_map_key
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.output import system_text
from podyard.kubectl.session import Session

SOURCE_FLAGS = (
    Flag("from-literal", "Specify a key and literal value to insert (i.e. mykey=somevalue)", kind="array"),
    Flag(
        "from-file", "Key files can be specified using their file path, optionally with KEY=.", kind="strings"
    ),
    Flag("from-env-file", "Specify the path to a file to read lines of key=val pairs.", kind="strings"),
)


def read_sources(session: Session, invalid: str, double: str) -> dict[str, bytes]:
    """All values by key. `invalid` and `double` word the errors about a KEY. Raises CommandError."""
    if session["from-env-file"] and (session["from-file"] or session["from-literal"]):
        raise CommandError("from-env-file cannot be combined with from-file or from-literal")
    found: dict[str, bytes] = {}
    for key, value in _pairs(session):
        if errors := is_config_map_key(key):
            raise CommandError(invalid.format(key=key, rule=",".join(errors)))
        if key in found:
            raise CommandError(double.format(key=key))
        found[key] = value
    return found


def _pairs(session: Session) -> Iterator[tuple[str, bytes]]:
    for literal in session["from-literal"]:
        key, equals, value = literal.partition("=")
        if not key or not equals:
            raise CommandError(f"invalid literal source {literal}, expected key=value")
        yield key, value.encode()
    for source in session["from-file"]:
        yield from _file(source)
    for path in session["from-env-file"]:
        yield from _environment(path)


def _file(source: str) -> Iterator[tuple[str, bytes]]:
    key, equals, path = source.partition("=")
    if not equals:
        key, path = os.path.basename(source), source
    elif not key:
        raise CommandError(f"key name for file path {path} missing")
    elif not path:
        raise CommandError(f"file path for key name {key} missing")
    elif "=" in path:
        raise CommandError("key names or file paths cannot contain '='")
    if os.path.isdir(path):
        if equals:
            raise CommandError("cannot give a key name for a directory path")
        for name in sorted(os.listdir(path)):
            if os.path.isfile(os.path.join(path, name)):
                yield name, read_file(os.path.join(path, name))
        return
    yield key, read_file(path)


_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_VARIABLE_RULE = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and "
    "must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for "
    "validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')"
)


def read_file(path: str) -> bytes:
    """A file's content. Raises CommandError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"error reading {path}: {system_text(error)}") from None


def _environment(path: str) -> Iterator[tuple[str, bytes]]:
    """`KEY=VALUE` lines; a KEY alone takes its value from our environment."""
    if os.path.isdir(path):
        raise CommandError("env config file cannot be a directory")
    for line in read_file(path).decode("utf-8-sig", errors="replace").splitlines():
        line = line.lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not _VARIABLE.fullmatch(key):
            raise CommandError(f'"{key}" is not a valid key name: {_VARIABLE_RULE}')
        yield key, (value if equals else os.environ.get(key, "")).encode()

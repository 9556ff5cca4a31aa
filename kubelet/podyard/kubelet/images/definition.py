"""What a catalog file says: YAML to definitions, and which of them a reference means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from podyard.kubelet.images import InvalidImageName
from podyard.kubelet.images.reference import DEFAULT_TAG, Reference, familiar, normalise_name
from podyard.kubelet.runtime import ContainerPort, ListenMode
from podyard.kubelet.shim.signals import signal_number
from podyard.process.main import UserError

_FIELDS = {
    "name",
    "names",
    "tags",
    "version",
    "description",
    "entrypoint",
    "command",
    "env",
    "workingDir",
    "ports",
    "listen",
    "waitForPorts",
    "stopSignal",
    "stopSignalBlocked",
    "programs",
}
_VERSION = re.compile(r"\d+(\.\d+)*")


class CatalogError(UserError):
    """A catalog file is wrong; the text names the file, the image and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One image of a catalog file. `directory` is the file's own: `${dir}` in its strings."""

    names: tuple[str, ...]  # globs over normalised repositories
    tags: tuple[str, ...]  # globs, or /regular expressions/
    directory: Path
    version: str = ""  # `${version}` when the tag has none
    description: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str]
    working_dir: str = "/"
    ports: tuple[ContainerPort, ...] = ()
    listen: ListenMode = ListenMode.NONE
    wait_for_ports: bool = False
    stop_signal: str = "SIGTERM"
    stop_signal_blocked: bool = False
    programs: Mapping[str, tuple[str, ...]]  # command name → argument vector; first in the image's PATH

    @property
    def reference(self) -> str:
        """A reference that means this image, for lists."""
        plain = [tag for tag in self.tags if not set(tag) & set("*?[/")]
        return f"{self.names[0]}:{plain[0] if plain else DEFAULT_TAG}"

    @property
    def familiar(self) -> str:
        """As a user would write it: the name, with the tag if there is only that one."""
        only = len(self.tags) == 1 and "*" not in self.tags[0]
        return familiar(self.reference if only else self.names[0])

    def has_repository(self, reference: Reference) -> bool:
        """Whether the name fits."""
        return any(fnmatchcase(reference.repository, name) for name in self.names)

    def has_tag(self, tag: str) -> bool:
        """Whether the tag fits."""
        return any(
            re.fullmatch(pattern[1:-1], tag) if pattern.startswith("/") else fnmatchcase(tag, pattern)
            for pattern in self.tags
        )

    def version_of(self, tag: str) -> str:
        """The version that a tag such as 1.25-alpine names, else the definition's own."""
        found = _VERSION.match(tag)
        return found[0] if found else self.version


def load(paths: Iterable[Path]) -> list[Definition]:
    """The definitions of some catalog files, in order. Raises CatalogError."""
    found: list[Definition] = []
    for path in paths:
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise CatalogError(f"{path}: {' '.join(str(error).split())}") from None
        entries = document.get("images") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise CatalogError(f'{path}: expected a list "images"')
        for index, entry in enumerate(entries):
            try:
                found.append(parse(entry, path.parent))
            except (ValueError, TypeError, InvalidImageName) as error:
                raise CatalogError(f"{path}: images[{index}]: {error}") from None
    return found


def parse(entry: Any, directory: Path) -> Definition:
    """One entry of a catalog file. Raises ValueError, TypeError, InvalidImageName."""
    if not isinstance(entry, dict):
        raise ValueError("expected a mapping")
    if unknown := sorted(set(entry) - _FIELDS):
        raise ValueError(f'unknown field "{unknown[0]}"')
    names = _strings(entry, "names") or ((entry["name"],) if "name" in entry else ())
    if not names:
        raise ValueError("name: required")
    stop_signal = str(entry.get("stopSignal", "SIGTERM"))
    try:
        signal_number(stop_signal)
    except ValueError as error:
        raise ValueError(f"stopSignal: {error}") from None
    tags = _strings(entry, "tags") or (DEFAULT_TAG,)
    for tag in tags:
        if tag.startswith("/"):
            re.compile(tag[1:-1])
    return Definition(
        names=tuple(_name(name) for name in names),
        tags=tags,
        directory=directory,
        version=str(entry.get("version", "")),
        description=str(entry.get("description", "")),
        entrypoint=_strings(entry, "entrypoint"),
        command=_strings(entry, "command"),
        env={str(key): str(value) for key, value in (entry.get("env") or {}).items()},
        working_dir=str(entry.get("workingDir", "/")),
        ports=tuple(_port(text) for text in _strings(entry, "ports")),
        listen=ListenMode(entry.get("listen", "none")),
        wait_for_ports=bool(entry.get("waitForPorts", False)),
        stop_signal=stop_signal,
        stop_signal_blocked=bool(entry.get("stopSignalBlocked", False)),
        programs={str(name): _strings(entry["programs"], name) for name in entry.get("programs") or {}},
    )


def _strings(entry: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = entry.get(field) or []
    if not isinstance(value, list):
        raise ValueError(f"{field}: expected a list")
    return tuple(str(item) for item in value)


def _name(name: str) -> str:
    """Globs keep their characters through normalising, which knows only plain names."""
    plain = re.sub(r"[*?]", "x", name)
    normalised = normalise_name(plain, name)
    return normalised[: len(normalised) - len(plain)] + name


def _port(text: str) -> ContainerPort:
    number, _, protocol = text.partition("/")
    if not number.isdigit() or not 0 < int(number) < 65536 or protocol not in ("", "TCP", "UDP"):
        raise ValueError(f'ports: "{text}" is not a port such as 80 or 53/UDP')
    return ContainerPort(container_port=int(number), protocol=protocol or "TCP")

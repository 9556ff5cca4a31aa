"""Files as tar streams, made and unpacked here; the other end is the container's `tar`."""

from __future__ import annotations

import os
import posixpath
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from podyard.kubectl.errors import CommandError
from podyard.kubectl.output import system_text


def pack(source: Path, name: str, out: BinaryIO) -> None:
    """Write a file or a directory to a stream, as `name`."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.add(source, name)


def unpack(archive_file: BinaryIO, prefix: str, target: Path, warn: Callable[[str], None]) -> None:
    """Unpack what stands under `prefix` to `target`; nothing is ever written elsewhere.

    Everything stands under "", "." and "..".

    Links are left out, and told of with `warn`. Raises CommandError when nothing came.
    """
    count = 0
    anywhere = prefix in ("", ".", "..")
    inside = target.resolve()
    with tarfile.open(fileobj=archive_file, mode="r|") as archive:
        for member in archive:
            name = posixpath.normpath(member.name)
            if not anywhere and name != prefix and not name.startswith(f"{prefix}/"):
                warn(f'warning: file "{member.name}" is outside of "{prefix}", skipping\n')
                continue
            count += 1
            relative = (name if anywhere else name[len(prefix) :]).lstrip("/")
            place = inside / relative if relative else inside
            if not (place == inside or inside in place.resolve().parents):
                warn(f'warning: file "{member.name}" is outside of "{target}", skipping\n')
            elif member.isdir():
                place.mkdir(parents=True, exist_ok=True)
            elif member.isfile():
                _write(archive, member, place)
            else:
                warn(f'warning: skipping symlink: "{place}" -> "{member.linkname}"\n')
    if not count:
        raise CommandError(f"no such file or directory: {prefix}")


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    content = archive.extractfile(member)
    if content is None:
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "wb") as file:
            while data := content.read(1024 * 1024):
                file.write(data)
    except OSError as error:
        raise CommandError(f"open {place}: {system_text(error)}") from None
    os.chmod(place, member.mode & 0o777 | 0o200)

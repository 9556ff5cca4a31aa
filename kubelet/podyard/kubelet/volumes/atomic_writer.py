"""Brings a directory from one set of files to another in one step (pkg/volume/util/atomic_writer.go).

    ..2026_11_23_09_38_58.483920156/   the files, written once
    ..data -> ..2026_11_23_09_38_58.483920156
    nginx.crt -> ..data/nginx.crt      what users see

A new set is written to a new directory; then `..data` is replaced by rename(2), so that a reader
sees either all of the old files or all of the new ones.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from podyard.kubelet.volumes import ContentError, Files

DATA = "..data"
NEW_DATA = "..data_tmp"
MAX_PATH = 4096
MAX_NAME = 255


def write(directory: Path, files: Files, prepare: Callable[[Path], None] | None = None) -> bool:
    """Make `files` the content of `directory`, which exists; False when they were that already.

    `prepare` is called with the new directory before it is seen, to give it an owner. Raises
    ContentError for a path that leads elsewhere or is in another's way, and OSError.
    """
    for path in files:
        check_path(path)
    current = _current(directory)
    if current is not None and _holds(current, files):
        _link(directory, files)
        return False
    fresh = _new_directory(directory)
    try:
        _fill(fresh, files)
        if prepare is not None:
            prepare(fresh)
        new = directory / NEW_DATA
        new.unlink(missing_ok=True)
        new.symlink_to(fresh.name)
        new.replace(directory / DATA)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _link(directory, files)
    _sweep(directory, fresh.name, files)
    return True


def check_path(path: str) -> None:
    """Raise ContentError unless `path` is below the directory it is relative to."""
    parts = path.split("/")
    problem = ""
    if not path:
        problem = f'must not be empty: "{path}"'
    elif path.startswith("/"):
        problem = f"must be relative path: {path}"
    elif len(path) > MAX_PATH:
        problem = f"must be less than or equal to {MAX_PATH} characters"
    elif ".." in parts:
        problem = f"must not contain '..': {path}"
    elif parts[0].startswith(".."):
        problem = f"must not start with '..': {path}"
    elif any(len(part) > MAX_NAME for part in parts):
        problem = f"filenames must be less than or equal to {MAX_NAME} characters"
    if problem:
        raise ContentError(f"invalid path: {problem}")


def _current(directory: Path) -> Path | None:
    """The directory that `..data` points to."""
    try:
        target = os.readlink(directory / DATA)
    except OSError:
        return None
    return directory / target if (directory / target).is_dir() else None


def _holds(current: Path, files: Files) -> bool:
    """Whether these files, and no others, stand in `current`. (A pod cannot change their modes.)"""
    found = {str(path.relative_to(current)) for path in current.rglob("*") if not path.is_dir()}
    if found != {os.path.normpath(path) for path in files}:
        return False
    try:
        return all((current / path).read_bytes() == file.data for path, file in files.items())
    except OSError:  # unreadable even for us: written anew
        return False


def _new_directory(directory: Path) -> Path:
    now = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S")
    fresh = directory / f"{now}.{secrets.randbelow(10**9)}"
    fresh.mkdir()
    fresh.chmod(0o755)
    return fresh


def _fill(directory: Path, files: Files) -> None:
    for path, file in files.items():
        target = directory / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.data)
        except (NotADirectoryError, IsADirectoryError, FileExistsError):
            raise ContentError(f"cannot write {path}: another file's path is in its way") from None
        target.chmod(file.mode)


def _tops(files: Files) -> set[str]:
    """The names that users see in the volume itself."""
    return {os.path.normpath(path).split("/")[0] for path in files}


def _link(directory: Path, files: Files) -> None:
    for name in _tops(files):
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"{DATA}/{name}")


def _sweep(directory: Path, current: str, files: Files) -> None:
    """Remove the links to files that are no more, and older directories, half-made ones included."""
    keep = {DATA, current} | _tops(files)
    for entry in list(os.scandir(directory)):
        if entry.name in keep:
            continue
        if entry.is_symlink():
            os.unlink(entry.path)
        elif entry.name.startswith(".."):
            shutil.rmtree(entry.path, ignore_errors=True)

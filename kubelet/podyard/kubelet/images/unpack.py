"""Put an image's own commands where its PATH finds them: one small shell script for each."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path


def unpack(folder: Path, programs: Mapping[str, Sequence[str]]) -> int:
    """Write what is missing in `folder`; returns the size of the commands and of the programs they start."""
    size = 0
    for name, command in programs.items():
        script = f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n'.encode()
        _write(folder / name, script)
        size += len(script) + sum(_size(word) for word in command)
    return size


def _write(path: Path, script: bytes) -> None:
    try:
        if path.read_bytes() == script:
            return
    except OSError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(script)
    new.chmod(0o755)
    os.replace(new, path)


def _size(word: str) -> int:
    return os.path.getsize(word) if word.startswith("/") and os.path.isfile(word) else 0

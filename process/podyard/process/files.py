"""Files that are replaced as a whole, and errors that say which file they are about."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def write_file(file: Path, data: bytes, mode: int) -> None:
    """Replace a file as a whole: a crash or a full disk leaves the old one or the new one."""
    draft = file.with_suffix(".tmp")
    try:
        with naming(file):
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(descriptor, "wb") as out:
                out.write(data)
            os.replace(draft, file)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def naming(file: Path) -> Iterator[None]:
    """Have an OSError name this file; one that comes of writing to a file that is open names none."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(file), None
        raise


def described(error: OSError) -> str:
    """What the system says about an error, with the file if it is known, for a line that a user reads."""
    text = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {text}" if error.filename is not None else text

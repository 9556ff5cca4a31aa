"""The file of a data directory that says what lives there: JSON, with the number of its format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from podyard.process.files import write_file
from podyard.process.main import UserError

FORMAT = 1
"""A newer one is refused, an older one would be migrated."""

T = TypeVar("T")


def save(file: Path, fields: Mapping[str, Any]) -> None:
    """Write it, all or nothing."""
    text = json.dumps({"format": FORMAT, **fields}, indent=2) + "\n"
    write_file(file, text.encode(), 0o644)


def load(file: Path, make: Callable[[dict[str, Any]], T]) -> T | None:
    """What `make` makes of its fields; None when there is no file. Raises UserError when unreadable."""
    try:
        fields = json.loads(file.read_text())
        version = fields.pop("format")
        if version != FORMAT:
            raise UserError(
                f"{file} has format {version}, made by another podyard; this one reads format {FORMAT}. "
                "Nothing was changed: use that podyard, or another --data-dir"
            )
        return make(fields)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{file} is damaged. Nothing was changed: restore it from a backup, or use another --data-dir"
        ) from None

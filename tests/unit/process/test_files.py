"""Files that are replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podyard.process.files import described, write_file
from tests.support.full_disk import files_of_at_most


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_file(file, b"before", 0o600)
    assert file.stat().st_mode & 0o777 == 0o600
    with files_of_at_most(10), pytest.raises(OSError) as raised:
        write_file(file, b"after" * 10, 0o600)
    assert described(raised.value) == f"{file}: File too large"
    assert file.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["state.json"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(30, "Read-only file system", "/a"), "/a: Read-only file system"),
        (OSError("no reason"), "no reason"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_descriptions(error: OSError, text: str) -> None:
    assert described(error) == text

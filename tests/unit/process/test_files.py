"""Files that are replaced as a whole."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from podyard.process.files import described, write_file


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may get more than 10 bytes, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_cannot_be_written_changes_nothing(tmp_path: Path, small_files: None) -> None:
    file = tmp_path / "state.json"
    write_file(file, b"before", 0o600)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError) as raised:
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

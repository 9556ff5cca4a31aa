"""The atomic writer on real directories."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from podyard.kubelet.volumes import ContentError, File, Files, atomic_writer
from podyard.kubelet.volumes.atomic_writer import check_path, write


def files(**content: str) -> Files:
    """Files of mode 0644; "__" in a name stands for a slash."""
    return {name.replace("__", "/"): File(text.encode(), 0o644) for name, text in content.items()}


def seen(directory: Path) -> dict[str, str]:
    """What a user of the volume sees: every file that is not hidden."""
    found = {}
    for entry in directory.iterdir():
        if entry.name.startswith(".."):
            continue
        for path in (entry, *entry.rglob("*")):
            if path.is_file():
                found[str(path.relative_to(directory))] = path.read_text()
    return found


def inner(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir() if entry.name.startswith(".."))


def test_the_layout_is_that_of_kubernetes(tmp_path: Path) -> None:
    assert write(tmp_path, {**files(a="1", sub__deep__b="2"), "key": File(b"3", 0o400)})
    assert seen(tmp_path) == {"a": "1", "sub/deep/b": "2", "key": "3"}
    assert {e.name: os.readlink(e) for e in tmp_path.iterdir() if not e.name.startswith("..")} == {
        "a": "..data/a",
        "sub": "..data/sub",
        "key": "..data/key",
    }
    data, name = os.readlink(tmp_path / "..data"), inner(tmp_path)[0]
    assert data == name and name.startswith("..2")
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("a", "key", "sub", "..data")}
    assert modes == {"a": 0o644, "key": 0o400, "sub": 0o755, "..data": 0o755}


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    write(tmp_path, files(a="1", sub__b="2"))
    before = os.readlink(tmp_path / "..data")
    assert not write(tmp_path, files(a="1", sub__b="2"))
    assert os.readlink(tmp_path / "..data") == before
    (tmp_path / "a").unlink()
    assert not write(tmp_path, files(a="1", sub__b="2"))
    assert seen(tmp_path) == {"a": "1", "sub/b": "2"}


@pytest.mark.parametrize(
    "after",
    [
        files(a="changed", sub__b="2"),
        files(a="1"),
        files(sub__b="2", other="3"),
        files(a__now__deep="1"),
        files(sub="was a directory"),
        {},
    ],
)
def test_changes_leave_nothing_behind(tmp_path: Path, after: Files) -> None:
    write(tmp_path, files(a="1", sub__b="2"))
    assert write(tmp_path, after)
    assert seen(tmp_path) == {path: file.data.decode() for path, file in after.items()}
    assert len(inner(tmp_path)) == 2, "..data and what it points to"


def test_an_empty_volume_is_written_once(tmp_path: Path) -> None:
    assert write(tmp_path, {})
    assert not write(tmp_path, {})


def test_half_written_directories_are_swept_away(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"))
    (tmp_path / "..2020_01_01_00_00_00.1").mkdir()
    (tmp_path / "..data_tmp").symlink_to("..2020_01_01_00_00_00.1")
    write(tmp_path, files(a="2"))
    assert seen(tmp_path) == {"a": "2"}
    assert len(inner(tmp_path)) == 2


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"))

    def fail(_: Path) -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        write(tmp_path, files(a="2"), fail)
    with pytest.raises(ContentError, match="cannot write a/b: another file's path is in its way"):
        write(tmp_path, files(a="2", a__b="3"))
    assert seen(tmp_path) == {"a": "1"}
    assert len(inner(tmp_path)) == 2


def test_the_owner_is_set_before_the_files_are_seen(tmp_path: Path) -> None:
    def look(fresh: Path) -> None:
        assert (fresh / "a").read_text() == "1"
        assert not (tmp_path / "..data").exists()

    write(tmp_path, files(a="1"), look)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", 'must not be empty: ""'),
        ("/etc/passwd", "must be relative path: /etc/passwd"),
        ("a/../b", "must not contain '..': a/../b"),
        ("..a", "must not start with '..': ..a"),
        ("x" * 256, "filenames must be less than or equal to 255 characters"),
        ("x/" * 2049, "must be less than or equal to 4096 characters"),
    ],
)
def test_paths_that_lead_elsewhere(tmp_path: Path, path: str, problem: str) -> None:
    with pytest.raises(ContentError) as caught:
        write(tmp_path, {path: File(b"", 0o644)})
    assert str(caught.value) == f"invalid path: {problem}"
    assert list(tmp_path.iterdir()) == []
    check_path("a..b/..c")


def test_a_reader_never_sees_half_an_update(tmp_path: Path) -> None:
    """`left` and `right` are written together; each round of the reader opens one version of both."""
    write(tmp_path, files(left="0", right="0"))
    seen_versions: set[str] = set()
    problems: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for name in ("left", atomic_writer.DATA):
                if not os.path.lexists(tmp_path / name):
                    problems.append(f"{name} was missing")
            try:
                directory = os.open(tmp_path / atomic_writer.DATA, os.O_RDONLY)
            except FileNotFoundError:
                continue  # the link was followed, and then its target removed: the next one is there
            try:
                pair = [_read(directory, name) for name in ("left", "right")]
            except FileNotFoundError:
                continue  # this version has gone; the next one is complete
            finally:
                os.close(directory)
            seen_versions.add(pair[0])
            if pair[0] != pair[1] or not pair[0]:
                problems.append(f"half an update: {pair}")

    reader = threading.Thread(target=read)
    reader.start()
    for version in range(1, 300):
        write(tmp_path, files(left=str(version), right=str(version)))
    done.set()
    reader.join()
    assert problems == []
    assert len(seen_versions) > 10


def _read(directory: int, name: str) -> str:
    file = os.open(name, os.O_RDONLY, dir_fd=directory)
    try:
        return os.read(file, 100).decode()
    finally:
        os.close(file)

"""What comes out of a container's tar stream."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from podyard.kubectl.copying import pack, unpack
from podyard.kubectl.errors import CommandError


def packed(source: Path, name: str) -> io.BytesIO:
    archive = io.BytesIO()
    pack(source, name, archive)
    archive.seek(0)
    return archive


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    (made / "d").mkdir(parents=True)
    (made / "a").write_text("one")
    (made / "d" / "b").write_text("two")
    return made


@pytest.mark.parametrize(("name", "prefix"), [("app", "app"), (".", "."), ("x", ""), ("x", "..")])
def test_a_directory(tmp_path: Path, source: Path, name: str, prefix: str) -> None:
    target = tmp_path / "target"
    unpack(packed(source, name), prefix, target, pytest.fail)
    root = target / "x" if name == "x" else target
    assert ((root / "a").read_text(), (root / "d" / "b").read_text()) == ("one", "two")


def test_a_file_does_not_replace_a_directory(source: Path) -> None:
    with pytest.raises(CommandError, match=f"open {source}: is a directory"):
        unpack(packed(source / "a", "a"), "a", source, pytest.fail)


def test_what_is_outside_is_left_out(tmp_path: Path, source: Path) -> None:
    warnings: list[str] = []
    with pytest.raises(CommandError, match="no such file or directory: app"):
        unpack(packed(source, "other"), "app", tmp_path / "target", warnings.append)
    assert len(warnings) == 4
    unpack(packed(source, "../../evil"), "..", tmp_path / "target" / "deep", warnings.append)
    assert not (tmp_path / "evil").exists()
    assert "is outside of" in warnings[-1]

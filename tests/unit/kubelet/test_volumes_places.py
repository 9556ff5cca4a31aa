"""hostPath, emptyDir, fsGroup, and what is mounted where, on real files."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from podyard.kubelet.runtime import Mount
from podyard.kubelet.volumes import VolumeError, empty_dir, host_path, ownership, tmpfs
from podyard.kubelet.volumes.mounts import container_mounts, sub_path
from podyard.kubelet.volumes.node_volumes import _remove_tree
from tests.unit.kubelet.pods import container, pod
from tests.unit.kubelet.runtime_harness import is_root

Object = dict[str, Any]

as_root = pytest.mark.skipif(not is_root(), reason="only root may")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A directory with one of everything."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("x")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "socket"))
    (tmp_path / "null").symlink_to("/dev/null")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "type_", "problem"),
    [
        ("dir", "", ""),
        ("dir", "Directory", ""),
        ("dir", "DirectoryOrCreate", ""),
        ("dir", "File", "is not a file"),
        ("file", "File", ""),
        ("file", "FileOrCreate", ""),
        ("file", "Directory", "is not a directory"),
        ("file", "DirectoryOrCreate", "is not a directory"),
        ("file", "Socket", "is not a socket file"),
        ("socket", "Socket", ""),
        ("null", "CharDevice", ""),
        ("null", "BlockDevice", "is not a block device"),
        ("file", "CharDevice", "is not a character device"),
        ("none", "Directory", "is not a directory"),
        ("none", "File", "is not a file"),
        ("none", "Socket", "is not a socket file"),
    ],
)
def test_host_path_types(host: Path, name: str, type_: str, problem: str) -> None:
    try:
        host_path.prepare({"path": str(host / name), "type": type_})
        found = ""
    except VolumeError as error:
        found = str(error)
    assert found == (f"hostPath type check failed: {host / name} {problem}" if problem else "")


@pytest.mark.parametrize(
    ("type_", "is_directory"), [("", True), ("DirectoryOrCreate", True), ("FileOrCreate", False)]
)
def test_host_paths_that_are_made(tmp_path: Path, type_: str, is_directory: bool) -> None:
    path = tmp_path / ("a/b" if is_directory else "b")
    host_path.prepare({"path": str(path), "type": type_})
    assert path.is_dir() is is_directory
    assert path.stat().st_mode & 0o777 == (0o755 if is_directory else 0o644)


def test_an_invalid_host_path_type(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"^Folder is an invalid volume type$"):
        host_path.prepare({"path": str(tmp_path), "type": "Folder"})


def test_an_empty_dir_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "volumes/data"
    assert empty_dir.prepare({}, path)
    assert path.stat().st_mode & 0o777 == 0o777
    (path / "kept").touch()
    assert not empty_dir.prepare({}, path)
    assert (path / "kept").exists()
    with pytest.raises(VolumeError, match='the medium "HugePages"'):
        empty_dir.prepare({"medium": "HugePages"}, tmp_path / "other")


@as_root
def test_an_empty_dir_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "with blank/data"
    source = {"medium": "Memory", "sizeLimit": "1Mi"}
    assert empty_dir.prepare(source, path)
    try:
        info = os.statvfs(path)
        assert info.f_blocks * info.f_frsize == 1 << 20
        (path / "kept").touch()
        assert not empty_dir.prepare(source, path)
        assert (path / "kept").exists()
        tmpfs.unmount_below(tmp_path / "with")
        assert path.is_mount(), "a directory whose name only begins the same"
    finally:
        tmpfs.unmount_below(tmp_path)
    assert not path.is_mount()
    assert list(path.iterdir()) == []
    tmpfs.unmount_below(tmp_path)


def test_without_a_tmpfs_memory_is_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(tmpfs, "mount", refuse)
    path = tmp_path / "data"
    assert empty_dir.prepare({"medium": "Memory"}, path)
    assert path.stat().st_mode & 0o777 == 0o777
    assert not path.is_mount()


@as_root
def test_fs_group(tmp_path: Path) -> None:
    subject = pod(container("web"))
    assert ownership.fs_group(subject) is None
    subject["spec"]["securityContext"] = {"fsGroup": 2000}
    group = ownership.fs_group(subject)
    assert group == 2000
    (tmp_path / "sub").mkdir(mode=0o700)
    (tmp_path / "sub/key").touch(mode=0o400)
    (tmp_path / "link").symlink_to("/etc/passwd")
    before = os.stat("/etc/passwd")
    ownership.give(tmp_path / "sub", group, read_only=True)
    modes = {path: stat.S_IMODE((tmp_path / path).stat().st_mode) for path in ("sub", "sub/key")}
    assert modes == {"sub": 0o2750, "sub/key": 0o440}
    ownership.give(tmp_path, group, read_only=False)
    assert stat.S_IMODE((tmp_path / "sub/key").stat().st_mode) == 0o660
    assert {p.lstat().st_gid for p in (tmp_path, tmp_path / "sub", tmp_path / "sub/key")} == {2000}
    assert os.stat("/etc/passwd") == before


def mounts_of(directory: Path, *volume_mounts: Object, env: dict[str, str] | None = None) -> list[Mount]:
    """A container's mounts with one volume of each sort; `data`, `conf` and `host` exist."""
    subject = pod(container("web", volumeMounts=list(volume_mounts)))
    subject["spec"]["volumes"] = [
        {"name": "data", "emptyDir": {}},
        {"name": "conf", "configMap": {"name": "c"}},
        {"name": "host", "hostPath": {"path": str(directory / "host")}},
        {"name": "share", "nfs": {}},
    ]
    for path in (directory / "volumes/kubernetes.io~empty-dir/data", directory / "host"):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
    conf = directory / "volumes/kubernetes.io~configmap/conf/..1"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "a.conf").touch()
    if not (conf.parent / "a.conf").is_symlink():
        (conf.parent / "..data").symlink_to("..1")
        (conf.parent / "a.conf").symlink_to("..data/a.conf")
    return container_mounts(subject, subject["spec"]["containers"][0], directory, env or {})


def test_mounts_outer_ones_first(tmp_path: Path) -> None:
    volumes = tmp_path / "volumes"
    assert mounts_of(
        tmp_path,
        {"name": "data", "mountPath": "/a/b/c/"},
        {"name": "conf", "mountPath": "/a"},
        {"name": "host", "mountPath": "relative", "readOnly": True},
        {"name": "host", "mountPath": "/a/./b"},
    ) == [
        Mount(str(volumes / "kubernetes.io~configmap/conf"), "/a", read_only=True),
        Mount(str(tmp_path / "host"), "/relative", read_only=True),
        Mount(str(tmp_path / "host"), "/a/b"),
        Mount(str(volumes / "kubernetes.io~empty-dir/data"), "/a/b/c"),
    ]
    assert mounts_of(tmp_path) == []


def test_sub_paths(tmp_path: Path) -> None:
    data = tmp_path / "volumes/kubernetes.io~empty-dir/data"
    found = mounts_of(
        tmp_path,
        {"name": "data", "mountPath": "/x", "subPath": "made/deep"},
        {"name": "data", "mountPath": "/y", "subPathExpr": "$(POD)/log"},
        {"name": "conf", "mountPath": "/etc/a.conf", "subPath": "a.conf"},
        env={"POD": "web-0"},
    )
    assert [mount.host_path for mount in found] == [
        str(data / "made/deep"),
        str(data / "web-0/log"),
        str(tmp_path / "volumes/kubernetes.io~configmap/conf/..1/a.conf"),
    ]
    assert {p.stat().st_mode & 0o777 for p in (data / "made", data / "made/deep")} == {0o777}


@pytest.mark.parametrize(
    ("mount", "problem"),
    [
        ({"name": "share"}, "this node cannot mount volumes of type nfs"),
        ({"name": "none"}, 'cannot find volume "none" to mount into container "web"'),
        ({"name": "data", "subPath": "/abs"}, 'error SubPath "/abs" must not be an absolute path'),
        (
            {"name": "data", "subPath": "a/../../b"},
            "unable to provision SubPath \"a/../../b\": must not contain '..'",
        ),
        ({"name": "data", "subPathExpr": "$(A)/$(B)/$(C)"}, "missing value for A, B"),
        (
            {"name": "host", "subPath": "out/x"},
            'failed to prepare subPath for volumeMount "host" of container "web"',
        ),
        (
            {"name": "host", "subPath": "file/x"},
            'failed to create subPath directory for volumeMount "host" of container "web"',
        ),
    ],
)
def test_mounts_that_cannot_be(tmp_path: Path, mount: Object, problem: str) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/out").symlink_to("/etc")
    (tmp_path / "host/file").touch()
    with pytest.raises(VolumeError) as caught:
        mounts_of(tmp_path, {"mountPath": "/x", **mount}, env={"A": "", "C": "c"})
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("mount", "path"),
    [
        ({}, ""),
        ({"subPath": "a"}, "a"),
        ({"subPath": "..a"}, "..a"),
        ({"subPathExpr": "$(A)-$$(A)"}, "1-$(A)"),
    ],
)
def test_sub_path_expressions(mount: Object, path: str) -> None:
    assert sub_path(mount, {"A": "1"}) == path


def test_what_a_program_has_closed_is_removed_too(tmp_path: Path) -> None:
    target = tmp_path / "pod"
    (target / "a/b").mkdir(parents=True)
    (target / "a/b/file").touch()
    (target / "outside").symlink_to(tmp_path)
    (target / "a/b").chmod(0)
    (target / "a").chmod(0o500)
    _remove_tree(target)
    assert list(tmp_path.iterdir()) == []

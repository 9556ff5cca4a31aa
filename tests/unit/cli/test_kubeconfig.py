"""The user's kubeconfig is theirs: only our entries change."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from podyard.cli.cluster import kubeconfig, pki
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.joining.kept import KeptCluster
from podyard.process.main import UserError

THEIRS = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "work",
    "preferences": {"colors": True},
    "clusters": [{"name": "work", "cluster": {"server": "https://work.example"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "users": [{"name": "me", "user": {"token": "secret"}}],
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterConfig:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    made = ClusterConfig("podyard", str(tmp_path / "data"), 0, 6443, 1)
    made.save()
    pki.ensure(made)
    return made


def read(file: Path) -> dict[str, object]:
    return dict(yaml.safe_load(file.read_text()))


def test_added_to_nothing_and_removed(cluster: ClusterConfig) -> None:
    file = kubeconfig.add_context(cluster)
    assert file == Path.home() / ".kube" / "config"
    assert file.stat().st_mode & 0o777 == 0o600
    assert read(file)["current-context"] == "podyard"
    kubeconfig.remove_context(cluster)
    assert read(file)["contexts"] == []
    assert read(file)["current-context"] == ""


def test_other_entries_stay_as_they_are(
    cluster: ClusterConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "theirs"
    file.write_text(yaml.safe_dump(THEIRS))
    monkeypatch.setenv("KUBECONFIG", f"{file}:/nowhere")
    kubeconfig.add_context(cluster)
    kubeconfig.add_context(cluster)
    after = read(file)
    assert [c["name"] for c in after["contexts"]] == ["work", "podyard"]  # type: ignore[attr-defined]
    assert after["preferences"] == THEIRS["preferences"]
    kubeconfig.remove_context(cluster)
    assert read(file) == {**THEIRS, "current-context": ""}


@pytest.mark.parametrize("content", ["- a\n- b\n", "{unclosed", "just text", "users: 1", "users: [me]", "\0"])
def test_a_file_that_is_no_kubeconfig_is_left_alone(cluster: ClusterConfig, content: str) -> None:
    file = kubeconfig.user_file()
    file.parent.mkdir()
    file.write_text(content)
    for use in (kubeconfig.check_user_file, lambda: kubeconfig.add_context(cluster)):
        with pytest.raises(UserError, match=r"^your kubeconfig .* was left alone.*$") as raised:
            use()
        assert "\n" not in str(raised.value)
    assert file.read_text() == content


def test_a_file_that_can_be_used(cluster: ClusterConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig.check_user_file()
    assert not kubeconfig.user_file().parent.exists()
    kubeconfig.add_context(cluster)
    kubeconfig.check_user_file()
    monkeypatch.setenv("KUBECONFIG", "new")  # in the working directory
    kubeconfig.check_user_file()


def test_a_folder_that_cannot_be_written(cluster: ClusterConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/proc/self/config")  # nor by root
    with pytest.raises(
        UserError, match=r"^your kubeconfig /proc/self/config cannot be written: /proc/\d+ is not"
    ):
        kubeconfig.check_user_file()
    (Path.home() / ".kube").write_text("")
    monkeypatch.delenv("KUBECONFIG")
    with pytest.raises(UserError, match=r"^your kubeconfig .*/\.kube/config cannot be (read|written).*: "):
        kubeconfig.check_user_file()


def test_what_is_purged_is_gone_whatever_the_kubeconfig_is(cluster: ClusterConfig) -> None:
    kubeconfig.user_file().mkdir(parents=True)
    with pytest.raises(
        UserError, match=r"^cluster podyard is removed, its context 'podyard' is not: your kube"
    ):
        KeptCluster(cluster).purge()
    assert not cluster.path.exists()


def test_a_link_stays_a_link(cluster: ClusterConfig, tmp_path: Path) -> None:
    file = kubeconfig.user_file()
    file.parent.mkdir()
    (tmp_path / "real").write_text(yaml.safe_dump(THEIRS))
    file.symlink_to(tmp_path / "real")
    kubeconfig.add_context(cluster)
    assert file.is_symlink()
    assert read(tmp_path / "real")["current-context"] == "podyard"

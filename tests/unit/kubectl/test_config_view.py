"""`config view`, whose output becomes other people's kubeconfig."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from podyard.kubectl.main import main


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config"
    (tmp_path / "tls.crt").write_text("certificate")
    user = {"token": "abc", "client-certificate": str(tmp_path / "tls.crt"), "client-key-data": "a2V5"}
    file.write_text(yaml.safe_dump({"users": [{"name": "me", "user": user}]}))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def shown(capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, str]:
    assert main(["config", "view", *flags]) == 0
    (user,) = yaml.safe_load(capsys.readouterr().out)["users"]
    return dict(user["user"])


def test_secrets_are_left_out(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate = str(config.with_name("tls.crt"))
    left_out = {"token": "REDACTED", "client-certificate": certificate, "client-key-data": "DATA+OMITTED"}
    assert shown(capsys) == left_out
    assert shown(capsys, "--raw")["token"] == "abc"


def test_a_flattened_one_is_whole(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Or what is merged by it is of no use to anybody."""
    certificate = base64.b64encode(b"certificate").decode()
    whole = {"token": "abc", "client-certificate-data": certificate, "client-key-data": "a2V5"}
    assert shown(capsys, "--flatten") == whole


def test_without_merging_one_file_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "view", "--merge=false"]) == 1
    assert capsys.readouterr().err == "error: if merge==false a precise file must be specified\n"
    assert main(["config", "view", "--merge=false", f"--kubeconfig={config}.not"]) == 1
    assert capsys.readouterr().err == f"error: stat {config}.not: no such file or directory\n"
    assert shown(capsys, "--merge=false", f"--kubeconfig={config}")["token"] == "REDACTED"


def test_a_file_that_is_not_there(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate = config.with_name("tls.crt")
    certificate.unlink()
    assert main(["config", "view", "--flatten"]) == 1
    assert capsys.readouterr().err == f"error: open {certificate}: no such file or directory\n"


def test_set_writes_what_can_be_read_again(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, value in (
        ("clusters.a.insecure-skip-tls-verify", "true"),
        ("users.me.as-groups", "x,y"),
        ("users.me.token", "5"),
    ):
        assert main(["config", "set", path, value]) == 0
    capsys.readouterr()
    assert main(["config", "view", "--raw"]) == 0
    document = yaml.safe_load(capsys.readouterr().out)
    assert document["clusters"] == [{"name": "a", "cluster": {"insecure-skip-tls-verify": True}}]
    user = document["users"][0]["user"]
    assert (user["token"], user["as-groups"]) == ("5", ["x", "y"])


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("clusters.a.insecure-skip-tls-verify", "invalid syntax"),
        ("users.me.exec", "users have no field exec that is set to a value"),
        ("clusters.a.nonsense", "clusters have no field nonsense that is set to a value"),
    ],
)
def test_set_refuses_what_could_not_be_read(
    config: Path, path: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = config.read_bytes()
    assert main(["config", "set", path, "x"]) == 1
    assert capsys.readouterr().err.endswith(f"{problem}\n")
    assert config.read_bytes() == before

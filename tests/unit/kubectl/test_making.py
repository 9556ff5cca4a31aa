"""Objects that commands make of their flags, and lists that they change."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from podyard.kubectl import imagenames
from podyard.kubectl.commands.create_ingress import make_spec
from podyard.kubectl.commands.set_env import changed_variables, parse_variables
from podyard.kubectl.commands.set_resources import parse_amounts
from podyard.kubectl.errors import CommandError
from podyard.kubectl.hashing import content_hash
from podyard.kubectl.main import main


def _secret(**more: Any) -> dict[str, Any]:
    return {"kind": "Secret", "metadata": {"name": "s2"}, **more}


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        ({"kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"a": "1"}}, "bdcb29862k"),
        (_secret(data={"a": "MQ=="}), "7dm97ckmgd"),
    ],
)
def test_hashes_are_those_of_the_stock_kubectl(obj: dict[str, Any], text: str) -> None:
    assert content_hash(obj) == text


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/=web:80", {"path": "/", "pathType": "Exact"}),
        ("/a*=web:80", {"path": "/a", "pathType": "Prefix"}),
        ("x.org/*=web:80", {"path": "/", "pathType": "Prefix"}),
    ],
)
def test_paths_of_an_ingress(rule: str, path: dict[str, str]) -> None:
    made = make_spec([rule], "", "")["rules"][0]
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    assert made["http"]["paths"] == [{**path, "backend": backend}]
    assert made.get("host", "") == rule.partition("/")[0]


def test_an_ingress_with_everything() -> None:
    spec = make_spec(["x.org/a=a:http,tls=cert", "x.org/b=b:81,tls=cert", "y.org/=c:1,tls"], "d:80", "nginx")
    assert spec["ingressClassName"] == "nginx"
    assert spec["defaultBackend"] == {"service": {"name": "d", "port": {"number": 80}}}
    assert [len(rule["http"]["paths"]) for rule in spec["rules"]] == [2, 1]
    assert spec["tls"] == [{"hosts": ["x.org"], "secretName": "cert"}, {"hosts": ["y.org"]}]


@pytest.mark.parametrize("rule", ["x", "/a=b", "/a=b:c:d", "=web:80"])
def test_wrong_rules_of_an_ingress(rule: str) -> None:
    with pytest.raises(CommandError, match="is invalid and should be in format"):
        make_spec([rule], "", "")


BEFORE = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        (["A=9"], ["A=9", "B=2"]),
        (["C=3"], ["A=1", "B=2", "C=3"]),
        (["A-"], ["B=2"]),
        (["A-", "B=x=y"], ["B=x=y"]),
        (["Z-"], ["A=1", "B=2"]),
    ],
)
def test_variables(changes: list[str], after: list[str]) -> None:
    added, removed = parse_variables(changes)
    changed = changed_variables(BEFORE, added, removed)
    assert [f"{one['name']}={one['value']}" for one in changed] == after


def test_what_is_no_variable() -> None:
    with pytest.raises(CommandError, match="must be of the form key=value and not nonsense"):
        parse_variables(["nonsense"])


def test_amounts() -> None:
    assert parse_amounts("cpu=200m,memory=512Mi") == {"cpu": "200m", "memory": "512Mi"}
    with pytest.raises(CommandError, match="expected <resource>=<value>"):
        parse_amounts("cpu")
    with pytest.raises(CommandError, match="quantities must match"):
        parse_amounts("cpu=lots")


@pytest.mark.parametrize(
    ("image", "right"),
    [
        ("nginx", True),
        ("localhost:5000/a/b-c__d:1.0_x", True),
        ("[::1]:5000/a", True),
        ("Host/a@sha256:" + "0" * 64, True),
        ("/usr/bin/python3", True),
        ("A", False),
        ("a:b:c", False),
        ("a b", False),
        ("x/Y", False),
        ("a..b", False),
        ("-a", False),
        ("a:", False),
        ("a@sha256:1", False),
    ],
)
def test_names_of_images(image: str, right: bool) -> None:
    expected = contextlib.nullcontext() if right else pytest.raises(CommandError, match="invalid reference")
    with expected:
        imagenames.check(image)


def test_keys_of_an_environment_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "e"
    file.write_text("GOOD=1\n1X=2\n")
    words = ["create", "configmap", "c", f"--from-env-file={file}", "--dry-run=client"]
    assert main(words) == 1
    assert capsys.readouterr().err.startswith('error: "1X" is not a valid key name: a valid environment')


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--min-available=x"], "invalid format specified for min-available"),
        (["--max-unavailable=-1"], "invalid format specified for max-unavailable"),
        ([], "one of min-available or max-unavailable must be specified"),
        (["--min-available=1", "--max-unavailable=1"], "cannot be both specified"),
    ],
)
def test_wrong_budgets(flags: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "pdb", "p", "--selector=a=b", "--dry-run=client", *flags]) == 1
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(("key", "problem"), [("..a", "start with '..'"), (".", "be '.'"), ("..", "be '..'")])
@pytest.mark.parametrize("kind", [["configmap"], ["secret", "generic"]])
def test_keys_that_no_file_may_have(
    kind: list[str], key: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "env").write_text(f"{key}=1\n")
    for flag in (f"--from-literal={key}=1", f"--from-env-file={tmp_path / 'env'}"):
        assert main(["create", *kind, "x", "--dry-run=client", flag]) == 1
        assert capsys.readouterr().err.endswith(f" must not {problem}\n")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["replace", "--timeout=5s"], "--timeout must have --force specified"),
        (["replace", "--grace-period=5"], "--grace-period must have --force specified"),
        (["replace", "--force", "--dry-run=client"], "--dry-run can not be used when --force is set"),
        (["apply", "--subresource=status"], "--subresource can only be specified for --server-side"),
        (["expose", "--override-type=x"], "invalid override type: x"),
    ],
)
def test_flags_that_do_not_go_together(
    words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "-f", "/nowhere.yaml"]) == 1
    assert capsys.readouterr().err == f"error: {problem}\n"

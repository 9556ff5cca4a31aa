"""How command lines are taken apart, and what is said about wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag, check_required, parse, parse_duration

FLAGS = (
    Flag("output", "", short="o"),
    Flag("stdin", "", "i", "bool"),
    Flag("tty", "", "t", "bool"),
    Flag("replicas", "", kind="int", default=1),
    Flag("timeout", "", kind="duration"),
    Flag("filename", "", "f", "strings"),
    Flag("env", "", kind="array"),
    Flag("dry-run", "", default="none", bare="unchanged"),
    Flag("image", "", required=True),
)


@pytest.mark.parametrize(
    ("words", "values", "args"),
    [
        ("get pods", {"output": "", "replicas": 1, "dry-run": "none"}, ["get", "pods"]),
        ("-o yaml", {"output": "yaml"}, []),
        ("-oyaml", {"output": "yaml"}, []),
        ("-o=yaml", {"output": "yaml"}, []),
        ("--output=a=b", {"output": "a=b"}, []),
        ("--output yaml x", {"output": "yaml"}, ["x"]),
        ("-it x", {"stdin": True, "tty": True}, ["x"]),
        ("--stdin=false -t", {"stdin": False, "tty": True}, []),
        ("--stdin x", {"stdin": True}, ["x"]),
        ("--dry-run x", {"dry-run": "unchanged"}, ["x"]),
        ("--dry-run=client", {"dry-run": "client"}, []),
        ("-f a,b -f c", {"filename": ["a", "b", "c"]}, []),
        ("--env=a=1,b --env=c", {"env": ["a=1,b", "c"]}, []),
        ("--timeout=1m30s", {"timeout": 90.0}, []),
        ("-f -", {"filename": ["-"]}, []),
        ("x -- -o y", {"output": ""}, ["x", "-o", "y"]),
    ],
)
def test_parse(words: str, values: dict[str, Any], args: list[str]) -> None:
    parsed = parse(words.split(), FLAGS)
    assert {name: parsed[name] for name in values} == values
    assert parsed.args == args
    assert parsed.dash == (1 if "--" in words.split() else -1)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("--nope", "unknown flag: --nope"),
        ("-z", "unknown shorthand flag: 'z' in -z"),
        ("-iz", "unknown shorthand flag: 'z' in -z"),
        ("-o", "flag needs an argument: 'o' in -o"),
        ("--output", "flag needs an argument: --output"),
        ("--=x", "bad flag syntax: --=x"),
        (
            "--replicas=x",
            'invalid argument "x" for "--replicas" flag: strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            "--stdin=maybe",
            'invalid argument "maybe" for "-i, --stdin" flag: '
            'strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (
            "--timeout=5",
            'invalid argument "5" for "--timeout" flag: time: missing unit in duration "5"',
        ),
    ],
)
def test_wrong_flags(words: str, problem: str) -> None:
    with pytest.raises(CommandError) as raised:
        parse(words.split(), FLAGS)
    assert str(raised.value) == problem


def test_required_flags() -> None:
    with pytest.raises(CommandError, match=r'required flag\(s\) "image" not set'):
        check_required(FLAGS, parse([], FLAGS))
    check_required(FLAGS, parse(["--image=x"], FLAGS))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("5s", 5), ("1h1m1s", 3661), ("1.5s", 1.5), ("100ms", 0.1), ("-2m", -120), ("+1s", 1)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5x", "1s2", "--1s"])
def test_wrong_durations(text: str) -> None:
    with pytest.raises(ValueError, match="time: "):
        parse_duration(text)

"""What a transcript's patterns and placeholders mean."""

from __future__ import annotations

import re

import pytest

from podyard.cli.demo.page import PAGE
from podyard.cli.demo.transcript import Step, fill, missing, shown


def test_placeholders_are_filled_with_what_was_shown() -> None:
    assert fill("curl <POD-IP>:<PORT>", {"POD-IP": "127.0.0.1", "PORT": "80"}) == "curl 127.0.0.1:80"
    with pytest.raises(KeyError):
        fill("curl <POD-IP>", {})


@pytest.mark.parametrize(
    ("shows", "hides", "output", "expected"),
    [
        ((r"^b$",), (), "a\nb\n", ""),
        ((r"^b$",), (), "a\nbb\n", "this did not appear: ^b$"),
        ((), (r"^b$",), "a\nb\n", "this must not appear: ^b$"),
        ((r"^ip: <IP>$",), (), "ip: 1.2.3.4\n", ""),
        ((r"^ip: <IP>$",), (), "ip: 1x2.3.4\n", "this did not appear: ^ip: <IP>$"),  # a value is no pattern
    ],
)
def test_what_a_step_lacks(
    shows: tuple[str, ...], hides: tuple[str, ...], output: str, expected: str
) -> None:
    assert missing(Step("x", shows, hides), output, {"IP": "1.2.3.4"}) == expected


def test_named_groups_become_values_that_later_patterns_know() -> None:
    patterns = (r"^a (?P<NODE_IP>\S+)$", r"^b <NODE-IP> (?P<PORT>\d+)$")
    assert shown(patterns, "a 1.1.1.1\nb 1.1.1.1 80\n", {}) == {"NODE-IP": "1.1.1.1", "PORT": "80"}


def test_each_placeholder_of_the_page_has_been_shown_before() -> None:
    known = {"TMP": "/tmp"}
    for step in PAGE:
        fill(step.command, known)
        for pattern in step.shows:
            known |= {name.replace("_", "-"): "1" for name in re.compile(pattern).groupindex}

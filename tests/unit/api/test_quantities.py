"""Quantities: exact values and canonical texts, compared with those of kubectl."""

from __future__ import annotations

from decimal import Decimal

import pytest

from podyard.api import quantities


@pytest.mark.parametrize(
    ("text", "value", "canonical"),
    [
        ("0", "0", "0"),
        ("0Ki", "0", "0"),
        (3, "3", "3"),
        (0.5, "0.5", "500m"),
        ("100m", "0.1", "100m"),
        ("0.1", "0.1", "100m"),
        ("1500m", "1.5", "1500m"),
        ("1000m", "1", "1"),
        ("1000", "1000", "1k"),
        ("1500", "1500", "1500"),
        ("12000000", "12000000", "12M"),
        ("2E", "2000000000000000000", "2E"),
        ("1e3", "1000", "1e3"),
        ("1E3", "1000", "1E3"),
        ("1.5e3", "1500", "1500"),
        ("25e-1", "2.5", "2500e-3"),
        ("64Mi", "67108864", "64Mi"),
        ("1024Ki", "1048576", "1Mi"),
        ("1.5Gi", "1610612736", "1536Mi"),
        ("0.5Ki", "512", "512"),
        ("0.1Ki", "102.4", "102400m"),
        ("1Ei", "1152921504606846976", "1Ei"),
        ("-1Ki", "-1024", "-1Ki"),
        ("+5u", "0.000005", "+5u"),
        ("7n", "7E-9", "7n"),
        ("0.1n", "1E-9", "1n"),
        ("-0.1n", "-1E-9", "-1n"),
        (".5", "0.5", "500m"),
        (".", "0", "0"),
        ("m", "0", "0"),
        ("-", "0", "0"),
        ("08Ki", "8192", "8Ki"),
        ("1000e0", "1000", "1e3"),
        ("12345e-4", "1.2345", "1234500e-6"),
        # Kubernetes keeps a text that it takes as canonical.
        ("5.", "5", "5."),
        ("007", "7", "007"),
        ("971.144", "971.144", "971.144"),
        ("100E", "9223372036854775807", "100E"),
        ("1e400", "9223372036854775807", "10e399"),
        ("-16Ei", "-9223372036854775807", "-9223372036854775807"),
        ("1504.10E", "9223372036854775807", "1504100P"),
        ("0.000000000000000000000001E", "0.000001", "1u"),
    ],
)
def test_quantity(text: str | int | float, value: str, canonical: str) -> None:
    assert quantities.parse_quantity(text) == Decimal(value)
    assert quantities.canonical_quantity(text) == canonical


@pytest.mark.parametrize("text", ["64Mi", "1500m", "1k", "1e3", "1Ei", "9223372036854775807", "2500e-3"])
def test_canonical_is_stable(text: str) -> None:
    assert quantities.canonical_quantity(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "quantities must match the regular expression"),
        ("ten", "quantities must match the regular expression"),
        ("1 Gi", "quantities must match the regular expression"),
        ("1Gib", "quantities must match the regular expression"),
        ("1.2.3", "quantities must match the regular expression"),
        ("--1", "unable to parse quantity's suffix"),
        ("1e123456789", "unable to parse quantity's suffix"),
        ("1K", "unable to parse quantity's suffix"),
        ("1Kk", "unable to parse quantity's suffix"),
        ("1mi", "unable to parse quantity's suffix"),
        ("1e", "unable to parse quantity's suffix"),
    ],
)
def test_no_quantity(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quantities.parse_quantity(text)

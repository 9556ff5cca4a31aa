"""Tables, columns of one's own, names and documents."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.kubectl.errors import CommandError
from podyard.kubectl.gotext import go_print
from podyard.kubectl.printers.columns import CustomColumns, parse_columns
from podyard.kubectl.printers.documents import YamlPrinter, json_text
from podyard.kubectl.printers.name import name_line
from podyard.kubectl.printers.table import TableOptions, TablePrinter
from podyard.kubectl.tabwriter import TabWriter

TABLE = {
    "kind": "Table",
    "columnDefinitions": [
        {"name": "Name", "type": "string", "format": "name"},
        {"name": "Ready", "type": "string"},
        {"name": "Node", "type": "string", "priority": 1},
    ],
    "rows": [
        {
            "cells": ["one", "1/1", "n1"],
            "object": {"metadata": {"namespace": "ns", "labels": {"b": "2", "a": "1"}}},
        },
        {"cells": ["two\nlines", None, "n2"], "object": {"metadata": {"namespace": "ns"}}},
    ],
}


def _lines(options: TableOptions, event: str = "") -> list[list[str]]:
    writer = TabWriter(6, 3, remember=True)
    TablePrinter(options, writer).print(TABLE, event)
    return [line.split() for line in writer.flush().splitlines()]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (TableOptions(), ["NAME READY", "one 1/1", "two..."]),
        (TableOptions(headers=False), ["one 1/1", "two..."]),
        (TableOptions(wide=True), ["NAME READY NODE", "one 1/1 n1", "two... n2"]),
        (TableOptions(kind="pod"), ["NAME READY", "pod/one 1/1", "pod/two..."]),
        (TableOptions(namespace=True), ["NAMESPACE NAME READY", "ns one 1/1", "ns two..."]),
        (TableOptions(labels=("x/a", "b")), ["NAME READY A B", "one 1/1 2", "two..."]),
        (TableOptions(show_labels=True), ["NAME READY LABELS", "one 1/1 a=1,b=2", "two... <none>"]),
    ],
)
def test_tables(options: TableOptions, lines: list[str]) -> None:
    assert _lines(options) == [line.split() for line in lines]


def test_an_event_of_a_watch_has_a_column() -> None:
    assert _lines(TableOptions(), "ADDED")[:2] == [["EVENT", "NAME", "READY"], ["ADDED", "one", "1/1"]]


PODS: dict[str, Any] = {
    "kind": "List",
    "items": [
        {"metadata": {"name": "a"}, "spec": {"ports": [80, 81], "labels": {"x": "y"}, "ratio": 1.5}},
        {"metadata": {"name": "b"}, "spec": {"empty": None}},
    ],
}


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        ("NAME:.metadata.name", ["NAME", "a", "b"]),
        ("N:metadata.name,P:{.spec.ports[*]}", ["N P", "a 80,81", "b <none>"]),
        ("P:.spec.ports,L:.spec.labels", ["P L", "[80 81] map[x:y]", "<none> <none>"]),
        ("R:.spec.ratio,E:.spec.empty", ["R E", "1.5 <none>", "<none> <nil>"]),
    ],
)
def test_custom_columns(spec: str, lines: list[str]) -> None:
    shown = CustomColumns(parse_columns(spec))(PODS)
    assert [" ".join(line.split()) for line in shown.splitlines()] == lines


@pytest.mark.parametrize("spec", ["", "NAME", "A:.x,B"])
def test_wrong_custom_columns(spec: str) -> None:
    with pytest.raises(CommandError, match="custom-columns"):
        parse_columns(spec)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "<nil>"),
        (True, "true"),
        (7, "7"),
        (0.5, "0.5"),
        (2.0, "2"),
        (123456.0, "123456"),
        (1234567.0, "1.234567e+06"),
        (1e6, "1e+06"),
        (0.00001, "1e-05"),
        (-2500000.0, "-2.5e+06"),
        (["a", 1, None], "[a 1 <nil>]"),
        ({"b": 1, "a": {"c": []}}, "map[a:map[c:[]] b:1]"),
    ],
)
def test_go_print(value: Any, text: str) -> None:
    assert go_print(value) == text


def test_names() -> None:
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    assert name_line(deployment, "created") == "deployment.apps/web created\n"
    assert name_line({"kind": "List", "items": [deployment, service]}) == "deployment.apps/web\nservice/web\n"


def test_documents_hide_managed_fields() -> None:
    obj = {"metadata": {"name": "a", "managedFields": [{}]}}
    assert json_text(obj) == '{\n    "metadata": {\n        "name": "a"\n    }\n}\n'
    assert "managedFields" in json_text(obj, keep_managed_fields=True)
    printer = YamlPrinter()
    assert printer(obj) + printer(obj) == "metadata:\n  name: a\n---\nmetadata:\n  name: a\n"

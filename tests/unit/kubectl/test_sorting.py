"""--sort-by, of tables."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.kubectl.errors import CommandError
from podyard.kubectl.sorting import sort_tables


def _table(*values: object) -> dict[str, Any]:
    return {"rows": [{"object": {"spec": {} if value is None else {"size": value}}} for value in values]}


def test_rows_without_the_field_come_first() -> None:
    table = _table("10Mi", None, "2Mi")
    sort_tables([table], ".spec.size")
    assert table == _table(None, "2Mi", "10Mi")


def test_a_field_that_no_row_has() -> None:
    with pytest.raises(CommandError, match=r'^couldn\'t find any field with path "{.spec.nope}" in the list'):
        sort_tables([_table(1, 2)], ".spec.nope")


@pytest.mark.parametrize("table", [{"rows": None}, _table(), _table(1)])
def test_what_needs_no_sorting_needs_no_field(table: dict[str, Any]) -> None:
    """As with the stock kubectl."""
    before = {**table}
    sort_tables([table], ".spec.nope")
    assert table == before

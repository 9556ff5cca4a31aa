"""Objects as JSON, YAML, or through a JSONPath template."""

from __future__ import annotations

from typing import Any

from podyard.kubectl import yamltext
from podyard.kubectl.errors import CommandError
from podyard.kubectl.jsonpath import JsonPath, JsonPathError
from podyard.kubectl.jsontext import indented


def without_managed_fields(obj: dict[str, Any]) -> dict[str, Any]:
    """An object, or a List, without metadata.managedFields; nothing is changed in place."""
    if isinstance(obj.get("items"), list):
        return {**obj, "items": [without_managed_fields(item) for item in obj["items"]]}
    metadata = obj.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        kept = {key: value for key, value in metadata.items() if key != "managedFields"}
        return {**obj, "metadata": kept}
    return obj


def json_text(obj: dict[str, Any], keep_managed_fields: bool = False) -> str:
    """An object as `-o json` shows it."""
    return indented(obj if keep_managed_fields else without_managed_fields(obj)) + "\n"


class YamlPrinter:
    """`-o yaml`: several objects are separated by `---`."""

    def __init__(self, keep_managed_fields: bool = False) -> None:
        self._keep = keep_managed_fields
        self._separator = ""

    def __call__(self, obj: dict[str, Any]) -> str:
        text = yamltext.dump(obj if self._keep else without_managed_fields(obj))
        text, self._separator = self._separator + text, "---\n"
        return text


class JsonPathPrinter:
    """`-o jsonpath=TEMPLATE`; nothing stands between or behind the objects."""

    def __init__(self, template: str, *, as_json: bool = False) -> None:
        self._template = template
        try:
            self._path = JsonPath(template, allow_missing=True, as_json=as_json)
        except JsonPathError as error:
            raise CommandError(f"error parsing jsonpath {template}, {error}") from None

    def __call__(self, obj: dict[str, Any]) -> str:
        try:
            return self._path.text(obj)
        except JsonPathError as error:
            raise CommandError(
                f'error executing jsonpath "{self._template}": Error executing template: {error}. Printing '
                f"more information for debugging the template:\n\ttemplate was:\n\t\t{self._template}\n"
            ) from None

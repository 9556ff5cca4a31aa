"""Objects as JSON, YAML, or through a JSONPath template."""

from __future__ import annotations

import json
from typing import Any

from podyard.kubectl import yamltext
from podyard.kubectl.errors import CommandError
from podyard.kubectl.gotemplate import Template, TemplateError
from podyard.kubectl.gotext import go_syntax
from podyard.kubectl.jsonpath import JsonPath
from podyard.kubectl.jsonpath_parser import JsonPathError
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

    def __init__(self, template: str, *, as_json: bool = False, allow_missing: bool = True) -> None:
        self._template = template
        try:
            self._path = JsonPath(template, allow_missing=allow_missing, as_json=as_json)
        except JsonPathError as error:
            raise CommandError(f"error parsing jsonpath {template}, {error}") from None

    def __call__(self, obj: dict[str, Any]) -> str:
        try:
            return self._path.text(obj)
        except JsonPathError as error:
            raise CommandError(
                f"error executing jsonpath {json.dumps(self._template)}: Error executing template: {error}. "
                f"Printing more information for debugging the template:\n\ttemplate was:\n\t\t"
                f"{self._template}\n\tobject given to jsonpath engine was:\n\t\t{go_syntax(obj)}\n\n\n"
            ) from None


class GoTemplatePrinter:
    """`-o go-template=TEMPLATE`; nothing stands between or behind the objects."""

    def __init__(self, text: str, *, allow_missing: bool = True) -> None:
        self._text = text
        try:
            self._template = Template(text, allow_missing=allow_missing)
        except TemplateError as error:
            raise CommandError(f"error parsing template {text}, template: output:1: {error}") from None

    def __call__(self, obj: dict[str, Any]) -> str:
        try:
            return self._template.text(obj)
        except TemplateError as error:
            raise CommandError(
                f'error executing template "{self._text}": template: output: executing "output" at {error}'
            ) from None

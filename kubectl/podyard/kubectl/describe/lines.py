"""The building blocks of descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podyard.kubectl.writing import LAST_APPLIED

NONE = "<none>"
_LONGEST_ANNOTATION = 140


class Lines:
    """Text that grows; a level indents by two spaces."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def add(self, text: str, level: int = 0) -> None:
        """Add one line, given without its line break."""
        self._parts.append(f"{'  ' * level}{text}\n")

    def raw(self, text: str) -> None:
        """Add text as it is."""
        self._parts.append(text)

    def named(self, name: str, value: Any, level: int = 0) -> None:
        """Add `NAME:` and a value."""
        self.add(f"{name}:\t{value}", level)

    def text(self) -> str:
        """All of it."""
        return "".join(self._parts).replace("\x1b", "^[")


def heading(lines: Lines, obj: Mapping[str, Any], *, namespace: bool = True) -> None:
    """The name, and the namespace."""
    lines.named("Name", obj["metadata"].get("name", ""))
    if namespace:
        lines.named("Namespace", obj["metadata"].get("namespace", ""))


def labels_and_annotations(lines: Lines, obj: Mapping[str, Any]) -> None:
    """Both, each entry on a line of its own."""
    pairs(lines, "Labels", obj["metadata"].get("labels"))
    annotation_lines(lines, "Annotations", obj["metadata"].get("annotations"))


def column(lines: Lines, title: str, values: Iterable[str], indent: str = "", inner: str = "\t") -> None:
    """A title and values below one another; NONE when there are none."""
    listed = list(values)
    lines.raw(f"{indent}{title}:{inner}{listed[0] if listed else NONE}\n")
    lines.raw("".join(f"{indent}{inner}{value}\n" for value in listed[1:]))


def pairs(lines: Lines, title: str, values: Mapping[str, Any] | None) -> None:
    """`KEY=VALUE` pairs such as labels."""
    column(lines, title, (f"{key}={(values or {})[key]}" for key in sorted(values or {})))


def annotation_lines(lines: Lines, title: str, values: Mapping[str, str] | None) -> None:
    """Annotations; long ones are cut, and what kubectl itself keeps there is left out."""
    shown = {key: value for key, value in (values or {}).items() if key != LAST_APPLIED}
    lines.raw(f"{title}:\t")
    if not shown:
        lines.raw(f"{NONE}\n")
    for number, key in enumerate(sorted(shown)):
        value = shown[key].removesuffix("\n")
        indent = "\t" if number else ""
        if len(value) + len(key) + 2 > _LONGEST_ANNOTATION or "\n" in value:
            lines.raw(f"{indent}{key}:\n")
            lines.raw("".join(f"\t  {_shorten(part)}\n" for part in value.split("\n")))
        else:
            lines.raw(f"{indent}{key}: {value}\n")


def _shorten(text: str) -> str:
    longest = _LONGEST_ANNOTATION - 2
    return text[:longest] + "..." if len(text) > longest else text


def truth(value: Any) -> str:
    """True or False."""
    return "True" if value else "False"


def go_bool(value: Any) -> str:
    """A boolean as Go prints it."""
    return "true" if value else "false"


def controller(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The owner that manages an object."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def controlled_by(lines: Lines, obj: Mapping[str, Any]) -> None:
    """The line that names the owner, if there is one."""
    owner = controller(obj)
    if owner:
        lines.named("Controlled By", f"{owner['kind']}/{owner['name']}")


def label_selector(selector: Mapping[str, Any] | None) -> str:
    """A label selector as text: "a=b,c in (d,e)"; NONE for an empty one."""
    if selector is None:
        return NONE
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression["key"], expression["operator"]
        values = ",".join(sorted(expression.get("values") or ()))
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }.get(operator, key)
        )
    return ",".join(parts) or NONE

"""kubectl api-resources."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.discovery import Resource
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session
from podyard.kubectl.tabwriter import TabWriter

_TITLES = ("NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND")


def run(session: Session) -> int:
    """List the resources of the server."""
    output, order = session["output"], session["sort-by"]
    if session.args:
        raise UsageError(session.command, f"unexpected arguments: [{' '.join(session.args)}]")
    if output not in ("", "wide", "name"):
        raise CommandError(f"--output {output} is not available")
    if order not in ("", "name", "kind"):
        raise CommandError("--sort-by accepts only name or kind")
    fields = {"name": lambda one: one.plural, "kind": lambda one: one.kind, "": lambda one: one.group}
    shown = sorted(
        (one for one in preferred(session.discovery.all) if _wanted(session, one)),
        key=lambda one: (fields[order](one), one.plural),
    )
    if output == "name":
        session.out("".join(f"{one.group_resource}\n" for one in shown))
        return 0
    writer = TabWriter(6, 3, remember=True)
    if not session["no-headers"]:
        writer.write("\t".join(_TITLES + (("VERBS", "CATEGORIES") if output else ())) + "\n")
    for one in shown:
        cells = [one.plural, ",".join(one.short_names), one.group_version]
        cells += ["true" if one.namespaced else "false", one.kind]
        if output == "wide":
            cells += [",".join(one.verbs), ",".join(one.categories)]
        writer.write("\t".join(cells) + "\n")
    session.out(writer.flush())
    return 0


def preferred(resources: list[Resource]) -> list[Resource]:
    """Each resource of a group once, in the first version that has it."""
    found: dict[tuple[str, str], Resource] = {}
    for one in resources:
        found.setdefault((one.group, one.plural), one)
    return list(found.values())


def _wanted(session: Session, one: Resource) -> bool:
    if not one.verbs or (session.given("api-group") and one.group != session["api-group"]):
        return False
    if session.given("namespaced") and one.namespaced != session["namespaced"]:
        return False
    return set(session["verbs"]) <= set(one.verbs) and set(session["categories"]) <= set(one.categories)


COMMAND = Command(
    "api-resources",
    "Print the supported API resources on the server",
    run,
    (
        Flag("api-group", "Limit to resources in the specified API group."),
        Flag("namespaced", "If false, non-namespaced resources will be returned.", kind="bool", default=True),
        Flag("verbs", "Limit to resources that support the specified verbs.", kind="strings"),
        Flag("categories", "Limit to resources that belong to the specified categories.", kind="strings"),
        Flag(
            "no-headers",
            "When using the default or custom-column output format, don't print headers.",
            kind="bool",
        ),
        Flag("output", "Output format. One of: (wide, name).", short="o"),
        Flag("cached", "Without effect: nothing is cached.", kind="bool"),
        Flag("sort-by", "If non-empty, sort list of resources using specified field: name or kind."),
    ),
    "kubectl api-resources --namespaced=true -o wide",
)

"""kubectl create: from a file, or by one of the sub-commands. Source: k8s.io/kubectl pkg/cmd/create."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, saved
from podyard.kubectl.errors import CommandError, UsageError, raise_all, with_source
from podyard.kubectl.finder import Info, find, info_of
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG, wanted
from podyard.kubectl.writing import Writer


def run(session: Session) -> int:
    """Create every object of the files."""
    if session.args:
        raise UsageError(session.command, f"Unexpected args: [{' '.join(session.args)}]")
    if not session["filename"] and not session["kustomize"]:
        session.err("Error: must specify one of -f and -k\n\n")
        from podyard.kubectl.usage import help_text

        session.out(help_text(COMMAND))
        return 1
    what = wanted(session)
    what.selector = ""
    found = find(session, what)
    if not found.infos and not found.errors:
        raise CommandError("no objects passed to create")
    if session["edit"]:
        return _edit(session, found.all())
    errors = found.errors
    for info in found.infos:
        try:
            _create(session, info)
        except CommandError as error:
            errors.append(with_source(error, "creating", info.source))
    raise_all(errors)
    return 0


def _create(session: Session, info: Info) -> None:
    obj, strategy = saved(session, info.object), dry_run(session)
    if strategy != "client":
        obj = Writer(session, strategy).create(info.resource, info.namespace, obj)
    session.out(printer_for(session, "created")(obj))


def _edit(session: Session, infos: list[Info]) -> int:
    """Let the user edit the objects first (--edit)."""
    from podyard.kubectl.editing import Round, edit

    def save(items: list[dict[str, Any]]) -> Round:
        for item in items:
            _create(session, info_of(session, item, ""))
        return Round()

    return edit(session, infos, save)


COMMAND = Command(
    "create -f FILENAME",
    "Create a resource from a file or from stdin",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        *CREATE_FLAGS,
        Flag("edit", "Edit the API resource before creating", kind="bool"),
    ),
    "kubectl create -f ./pod.json\nkubectl create deployment my-dep --image=nginx",
    {
        "clusterrole": "create_clusterrole",
        "clusterrolebinding": "create_clusterrolebinding",
        "configmap": "create_configmap",
        "cm": "create_configmap",
        "cronjob": "create_cronjob",
        "cj": "create_cronjob",
        "deployment": "create_deployment",
        "deploy": "create_deployment",
        "ingress": "create_ingress",
        "ing": "create_ingress",
        "job": "create_job",
        "namespace": "create_namespace",
        "ns": "create_namespace",
        "poddisruptionbudget": "create_poddisruptionbudget",
        "pdb": "create_poddisruptionbudget",
        "priorityclass": "create_priorityclass",
        "pc": "create_priorityclass",
        "quota": "create_quota",
        "resourcequota": "create_quota",
        "role": "create_role",
        "rolebinding": "create_rolebinding",
        "secret": "create_secret",
        "service": "create_service",
        "svc": "create_service",
        "serviceaccount": "create_serviceaccount",
        "sa": "create_serviceaccount",
        "token": "create_token",
    },
)

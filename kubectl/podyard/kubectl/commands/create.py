"""kubectl create: from a file, or by one of the sub-commands. Source: k8s.io/kubectl pkg/cmd/create."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, saved
from podyard.kubectl.errors import CommandError, UsageError, raise_all, with_source
from podyard.kubectl.finder import FILE_FLAGS, SELECTOR_FLAG, find, wanted
from podyard.kubectl.printers import dry_run, printer_for
from podyard.kubectl.session import Session
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
    strategy = dry_run(session)
    writer, printer = Writer(session, strategy), printer_for(session, "created")
    errors = found.errors
    for info in found.infos:
        obj = saved(session, info.object)
        try:
            if strategy != "client":
                obj = writer.create(info.resource, info.namespace, obj)
        except CommandError as error:
            errors.append(with_source(error, "creating", info.source))
            continue
        session.out(printer(obj))
    raise_all(errors)
    return 0


COMMAND = Command(
    "create -f FILENAME",
    "Create a resource from a file or from stdin",
    run,
    (*FILE_FLAGS, SELECTOR_FLAG, *CREATE_FLAGS),
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

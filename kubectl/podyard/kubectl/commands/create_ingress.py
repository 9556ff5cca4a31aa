"""kubectl create ingress. Source: k8s.io/kubectl pkg/cmd/create/create_ingress.go."""

from __future__ import annotations

import re
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session

_RULE = re.compile(
    r"(?P<host>[\w*.-]*)(?P<path>/[^=]*)=(?P<service>[\w-]+):(?P<port>[\w-]+)(?P<tls>,tls(=(?P<secret>[\w-]*))?)?"
)
_BACKEND = re.compile(r"(?P<service>[\w-]+):(?P<port>[\w-]+)")


def run(session: Session) -> int:
    """Make an Ingress."""
    name = only_name(session)
    if not session["rule"] and not session["default-backend"]:
        raise CommandError(
            "not enough information provided: every ingress has to either specify a default-backend (which "
            "catches all traffic) or a list of rules (which catch specific paths)"
        )
    about = metadata(session, name)
    if session["annotation"]:
        about["annotations"] = dict(_annotation(text) for text in session["annotation"])
    spec = make_spec(session["rule"], session["default-backend"], session["class"])
    obj = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": about,
        "spec": spec,
        "status": {"loadBalancer": {}},
    }
    create(session, obj, "failed to create ingress:")
    return 0


def make_spec(rules: list[str], default: str, ingress_class: str) -> dict[str, Any]:
    """The spec of an Ingress: one rule a host, in the order of the flags. Raises CommandError."""
    spec: dict[str, Any] = {"ingressClassName": ingress_class} if ingress_class else {}
    if default:
        matched = _BACKEND.fullmatch(default)
        if matched is None:
            raise CommandError("default-backend should be in format servicename:serviceport")
        spec["defaultBackend"] = _backend(matched)
    hosts: dict[str, list[dict[str, Any]]] = {}
    secrets: dict[str, list[str]] = {}
    for text in rules:
        matched = _RULE.fullmatch(text)
        if matched is None:
            raise CommandError(
                f"rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
            )
        prefix = matched["path"].endswith("*")
        path = {"path": matched["path"].removesuffix("*"), "pathType": "Prefix" if prefix else "Exact"}
        hosts.setdefault(matched["host"], []).append({"backend": _backend(matched), **path})
        if matched["tls"]:
            named = secrets.setdefault(matched["secret"] or "", [])
            named += [matched["host"]] if matched["host"] and matched["host"] not in named else []
    if hosts:
        spec["rules"] = [
            {**({"host": host} if host else {}), "http": {"paths": paths}} for host, paths in hosts.items()
        ]
    if secrets:
        spec["tls"] = [
            {**({"hosts": named} if named else {}), **({"secretName": secret} if secret else {})}
            for secret, named in secrets.items()
        ]
    return spec


def _backend(matched: re.Match[str]) -> dict[str, Any]:
    port = matched["port"]
    number = {"number": int(port)} if port.isdigit() else {"name": port}
    return {"service": {"name": matched["service"], "port": number}}


def _annotation(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise CommandError(f"annotation {text} is invalid and should be in format key=[value]")
    return key, value


COMMAND = Command(
    "create ingress NAME --rule=host/path=service:port[,tls[=secret]]",
    "Create an ingress with the specified name",
    run,
    (
        Flag(
            "rule",
            "Rule in format host/path=service:port[,tls=secretname]; a path that ends with * is a prefix.",
            kind="array",
        ),
        Flag("class", "Ingress Class to be used"),
        Flag("default-backend", "Default service for backend, in format of svcname:port"),
        Flag(
            "annotation",
            "Annotation to insert in the ingress object, in the format annotation=value",
            kind="array",
        ),
        *CREATE_FLAGS,
    ),
    'kubectl create ingress simple --rule="foo.com/bar=svc1:8080,tls=my-cert"',
)

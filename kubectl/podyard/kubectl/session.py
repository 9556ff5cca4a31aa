"""What a running command works with: its flags, the cluster they choose, its three streams."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Any

from podyard.kubectl import kubeconfig
from podyard.kubectl.discovery import Discovery
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag, Parsed, parse_duration
from podyard.kubectl.transport import Transport

GLOBAL_FLAGS = (
    Flag("kubeconfig", "Path to the kubeconfig file to use for CLI requests."),
    Flag("context", "The name of the kubeconfig context to use"),
    Flag("cluster", "The name of the kubeconfig cluster to use"),
    Flag("user", "The name of the kubeconfig user to use"),
    Flag("namespace", "If present, the namespace scope for this CLI request", short="n"),
    Flag("server", "The address and port of the Kubernetes API server", short="s"),
    Flag("token", "Bearer token for authentication to the API server"),
    Flag("certificate-authority", "Path to a cert file for the certificate authority"),
    Flag("client-certificate", "Path to a client certificate file for TLS"),
    Flag("client-key", "Path to a client key file for TLS"),
    Flag("tls-server-name", "Server name to use for server certificate validation."),
    Flag(
        "insecure-skip-tls-verify",
        "If true, the server's certificate will not be checked for validity.",
        kind="bool",
    ),
    Flag(
        "request-timeout",
        "The length of time to wait before giving up on a single server request (e.g. 1s, 2m, 3h). "
        "Zero means don't timeout requests.",
        default="0",
    ),
    Flag("as", "Username to impersonate for the operation."),
    Flag("as-group", "Group to impersonate for the operation; may be repeated.", kind="array"),
    Flag("as-uid", "UID to impersonate for the operation."),
    Flag("username", "Username for basic authentication to the API server"),
    Flag("password", "Password for basic authentication to the API server"),
    Flag(
        "warnings-as-errors",
        "Treat warnings received from the server as errors and exit with a non-zero exit code",
        kind="bool",
    ),
    Flag("cache-dir", "Without effect: nothing is cached."),
    Flag("disable-compression", "Without effect: nothing is compressed.", kind="bool"),
    Flag("match-server-version", "Without effect.", kind="bool"),
    Flag("log-flush-frequency", "Without effect.", kind="duration"),
    Flag("profile", "Without effect."),
    Flag("profile-output", "Without effect."),
    Flag("vmodule", "Without effect."),
    Flag("v", "number for the log level verbosity; from 6 on requests are shown", short="v", kind="int"),
)
"""The flags that every command takes."""


class Session:
    """One run of a command."""

    def __init__(self, parsed: Parsed, command: str, own: frozenset[str] = frozenset()) -> None:
        self.flags = parsed
        self.command = command
        self._own = own  # flags of the command; where one has the name of a global flag it is not that one

    def __getitem__(self, flag: str) -> Any:
        return self.flags.values[flag]

    def given(self, flag: str) -> bool:
        """Whether a flag stands on the command line."""
        return flag in self.flags.changed

    @property
    def args(self) -> list[str]:
        """The arguments that are no flags."""
        return self.flags.args

    @cached_property
    def config(self) -> kubeconfig.Config:
        """The merged kubeconfig."""
        return kubeconfig.load(self["kubeconfig"])

    @cached_property
    def target(self) -> kubeconfig.Target:
        """The chosen cluster, user and namespace. Raises CommandError."""
        kubeconfig.check_exists(self["kubeconfig"])
        chosen = {
            flag.name: self[flag.name]
            for flag in GLOBAL_FLAGS
            if self.given(flag.name) and flag.name not in self._own
        }
        return kubeconfig.choose(self.config, chosen)

    @cached_property
    def transport(self) -> Transport:
        """The connection to the server."""
        text = self["request-timeout"]
        try:
            seconds = float(text) if text.isdigit() else parse_duration(text)
        except ValueError:
            raise CommandError(
                "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed "
                "by a corresponding time unit (e.g. 1s | 2m | 3h)"
            ) from None
        return Transport(self.target, timeout=seconds, verbosity=self["v"])

    @cached_property
    def discovery(self) -> Discovery:
        """The server's resources."""
        return Discovery(self.transport)

    @property
    def namespace(self) -> str:
        """The namespace to work in."""
        return self.target.namespace

    @property
    def enforce_namespace(self) -> bool:
        """Whether --namespace was given: objects of other namespaces are then a mistake."""
        return self.target.namespace_given

    def out(self, text: str) -> None:
        """Write to standard output."""
        sys.stdout.write(text)

    def err(self, text: str) -> None:
        """Write to standard error, after what standard output has got so far."""
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()

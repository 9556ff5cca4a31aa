"""Credential plugins: programs that a kubeconfig names to get a token (client.authentication.k8s.io)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

from podyard.kubectl.errors import CommandError


def plugin_token(plugin: Mapping[str, Any]) -> str:
    """Run the program; the token that it prints. Raises CommandError."""
    command = [str(plugin.get("command", "")), *map(str, plugin.get("args") or ())]
    version = str(plugin.get("apiVersion") or "client.authentication.k8s.io/v1")
    asked = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(asked)}
    environment |= {str(pair.get("name", "")): str(pair.get("value", "")) for pair in plugin.get("env") or ()}
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        return str(json.loads(done.stdout)["status"]["token"])
    except (OSError, subprocess.CalledProcessError) as error:
        raise CommandError(f"getting credentials: exec: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"getting credentials: {command[0]} printed no token") from None

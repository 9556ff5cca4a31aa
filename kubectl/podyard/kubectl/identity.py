"""As whom requests are made: the headers that say so."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from podyard.kubectl.errors import CommandError
from podyard.kubectl.kubeconfig import Target
from podyard.kubectl.output import system_text


def impersonation(user: Mapping[str, Any]) -> dict[str, str]:
    """The headers that ask to act as somebody else. Raises CommandError for several groups."""
    groups = user.get("as-groups") or []
    if (groups or user.get("as-uid")) and not user.get("as"):
        raise CommandError("requesting uid, groups or user-extra for without impersonating a user")
    if len(groups) > 1:
        raise CommandError(f"--as-group: one group can be impersonated, {len(groups)} are given")
    headers = {"User": user.get("as"), "Uid": user.get("as-uid"), "Group": "".join(groups)}
    return {f"Impersonate-{name}": str(value) for name, value in headers.items() if value}


def authorization(target: Target) -> str:
    """The Authorization header of the user, or "" for one who has only a certificate."""
    user = target.user
    token = user.get("token")
    if not token and user.get("tokenFile"):
        try:
            with open(user["tokenFile"]) as file:
                token = file.read().strip()
        except OSError as error:
            raise CommandError(
                f"unable to read tokenFile {user['tokenFile']}: {system_text(error)}"
            ) from None
        except UnicodeDecodeError:
            raise CommandError(f"unable to read tokenFile {user['tokenFile']}: it is no text") from None
    if not token and user.get("exec"):
        from podyard.kubectl.credentials import plugin_token

        token = plugin_token(user["exec"])
    if token:
        return f"Bearer {token}"
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}"
        return "Basic " + base64.b64encode(pair.encode()).decode()
    return ""

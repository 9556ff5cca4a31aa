"""What isolation the kernel allows the pods here, found out by trying."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from podyard.kubelet import shim
from podyard.kubelet.runtime import Features

PROBE = Path(shim.__file__).with_name("probe.py")
PROBE_SECONDS = 30.0

SYSCTLS = (
    ("user/max_user_namespaces", "0"),
    ("kernel/unprivileged_userns_clone", "0"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1"),
)
"""Settings that keep ordinary users from having namespaces, and the value at which they do."""


def probe_features(root: Path, proc_sys: Path = Path("/proc/sys")) -> Features:
    """Start a process that makes what a container gets, in a directory below `root`; takes some 40 ms."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=root) as directory:
        try:
            output = subprocess.run(
                [os.path.realpath(sys.executable), "-I", "-S", str(PROBE), directory],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                timeout=PROBE_SECONDS,
            ).stdout
            found = json.loads(output)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            problem = f"it cannot be found out what the kernel allows: {error}"
            return Features(mount_problem=problem, pid_problem=problem, users="own", capabilities=0)
    hints = [
        f"{name.replace('/', '.')} is {value}"
        for name, value in SYSCTLS
        if _text(proc_sys / name) == value and os.geteuid() != 0
    ]
    return Features(
        mount_problem=_explained(found["mount"], hints),
        pid_problem=_explained(found["pid"], hints if found["mount"] else []),
        user=found["user"],
        users=found.get("users", "own"),
        capabilities=found.get("capabilities", 0),
    )


def _explained(problem: str, hints: list[str]) -> str:
    return f"{problem} ({', '.join(hints)})" if problem and hints else problem


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

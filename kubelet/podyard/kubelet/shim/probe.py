"""`python -I -S …/shim/probe.py DIRECTORY`: which namespaces does the kernel allow? Answers in JSON.

Makes a container in DIRECTORY as the shim would, in the best way first: with a PID namespace and
without one; as who we are and, where that is refused, in a user namespace.
"""

import sys

sys.path.insert(0, __file__.rsplit("/", 4)[0])

import json
import os

from podyard.kubelet.shim import credentials, linux
from podyard.kubelet.shim.birth import Door, StartError, fork
from podyard.kubelet.shim.namespaces import Namespaces

NOBODY = 65534
SYS_PTRACE = 19  # what joining namespaces of another user's process takes


def works(directory: str, *, user: bool, pid: str, mount: bool = True) -> tuple[str, dict[str, object]]:
    """Try it; gives why it does not work, empty when it does, and then what may be asked for inside."""
    inside, outside = os.pipe()
    container = {
        "terminationLog": f"{directory}/termination-log",
        "terminationMessagePath": "/dev/termination-log",
        "mounts": [],
        "hostPaths": [],
        "workingDir": "/",
        "ownDirectory": directory,
    }

    def attempt() -> None:
        linux.become_subreaper()
        wanted = {"network": False, "user": user, "mount": mount, "ipc": True, "pid": pid}
        namespaces = Namespaces(wanted, directory)
        namespaces.enter("probe")
        child = fork(namespaces.container(container, directory), lambda: _look_round(outside, joined=mount))
        os._exit(os.waitpid(child, 0)[1] != 0)

    try:
        status = os.waitpid(fork(Door(), attempt), 0)[1]
        os.close(outside)
    except StartError as error:
        return str(error), {}
    with open(inside, "rb") as told:
        return ("the attempt was killed", {}) if status else ("", json.loads(told.read()))


def _look_round(answer: int, *, joined: bool) -> None:
    """In the container: what can it be given of the users and capabilities that a pod asks for?

    `joined`: who execs into it joins its namespaces.
    """
    own = credentials.permitted()
    found = {"capabilities": own, "users": _users(may_change=not joined or bool(own >> SYS_PTRACE & 1))}
    os.write(answer, json.dumps(found).encode())
    os._exit(0)


def _users(*, may_change: bool) -> str:
    if may_change:
        try:
            credentials.become(NOBODY, NOBODY, [NOBODY])
            return "any"
        except OSError:
            pass  # there are no others
    try:
        credentials.become_in_namespace(NOBODY, NOBODY)
    except OSError:
        return "own"
    return "one"


def probe(directory: str) -> dict[str, object]:
    """The first that works, and why what is better does not."""
    os.mkdir(f"{directory}/etc")
    for name in ("resolv.conf", "hosts", "hostname"):
        with open(f"{directory}/etc/{name}", "w", encoding="ascii"):
            pass
    refused = ""
    for user in (False, True) if os.geteuid() == 0 else (True,):
        problem, inside = works(directory, user=user, pid="container")
        if not problem:
            return {"mount": "", "pid": "", "user": user, **inside}
        lacks, inside = works(directory, user=user, pid="node")
        if not lacks:
            return {"mount": "", "pid": problem, "user": user, **inside}
        refused = refused or problem
    _, inside = works(directory, user=False, pid="node", mount=False)
    return {"mount": refused, "pid": refused, "user": False, **inside}


print(json.dumps(probe(sys.argv[1])))

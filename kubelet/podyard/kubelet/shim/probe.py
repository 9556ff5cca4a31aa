"""`python -I -S …/shim/probe.py DIRECTORY`: which namespaces does the kernel allow? Answers in JSON.

Makes a container in DIRECTORY as the shim would, in the best way first: with a PID namespace and
without one; as who we are and, where that is refused, in a user namespace.
"""

import sys

sys.path.insert(0, __file__.rsplit("/", 4)[0])

import json
import os

from podyard.kubelet.shim import linux
from podyard.kubelet.shim.birth import Door, StartError, fork
from podyard.kubelet.shim.namespaces import Namespaces


def works(directory: str, *, user: bool, pid: str) -> str:
    """Try it; gives why it does not work, empty when it does."""
    container = {
        "terminationLog": f"{directory}/termination-log",
        "terminationMessagePath": "/dev/termination-log",
        "mounts": [],
        "hostPaths": [],
        "workingDir": "/",
    }

    def attempt() -> None:
        linux.become_subreaper()
        wanted = {"network": False, "user": user, "mount": True, "ipc": True, "pid": pid}
        namespaces = Namespaces(wanted, directory)
        namespaces.enter("probe")
        child = fork(namespaces.container(container, directory), lambda: os._exit(0))
        os._exit(os.waitpid(child, 0)[1] != 0)

    try:
        status = os.waitpid(fork(Door(), attempt), 0)[1]
    except StartError as error:
        return str(error)
    return "the attempt was killed" if status else ""


def probe(directory: str) -> dict[str, object]:
    """The first that works, and why what is better does not."""
    os.mkdir(f"{directory}/etc")
    for name in ("resolv.conf", "hosts", "hostname"):
        with open(f"{directory}/etc/{name}", "w", encoding="ascii"):
            pass
    refused = ""
    for user in (False, True) if os.geteuid() == 0 else (True,):
        problem = works(directory, user=user, pid="container")
        if not problem:
            return {"mount": "", "pid": "", "user": user}
        if not works(directory, user=user, pid="node"):
            return {"mount": "", "pid": problem, "user": user}
        refused = refused or problem
    return {"mount": refused, "pid": refused, "user": False}


print(json.dumps(probe(sys.argv[1])))

"""The command `nginx` with the options people use in pods."""

from __future__ import annotations

import os
import signal
import sys

from podyard.kubelet.programs.nginx import setup

SIGNALS = {
    "stop": signal.SIGTERM,
    "quit": signal.SIGQUIT,
    "reload": signal.SIGHUP,
    "reopen": signal.SIGUSR1,
}


def main(tls: str, arguments: list[str]) -> None:
    """Become the node's nginx, or be nginx ourselves."""
    site = setup.prepare(tls)
    binary = setup.find_nginx()
    if binary is not None:
        os.execv(binary, ["nginx", "-p", site.directory, "-c", site.config_file, "-e", "stderr", *arguments])
    sys.exit(_built_in(site, arguments))


def _built_in(site: setup.Site, arguments: list[str]) -> int:
    options = _options(arguments)
    if options is None:
        return 1
    if "v" in options or "V" in options:
        return _say(f"nginx version: nginx/{site.version}", 0)
    if "t" in options or "T" in options:
        if problem := certificate_problem(site):
            _say(problem, 1)
            return _say(f"nginx: configuration file {site.config_file} test failed", 1)
        _say(f"nginx: the configuration file {site.config_file} syntax is ok", 0)
        return _say(f"nginx: configuration file {site.config_file} test is successful", 0)
    if "s" in options:
        return _signal(site, options["s"])
    if problem := certificate_problem(site):
        return _say(problem, 1)
    from podyard.kubelet.programs.nginx.server import serve

    return serve(site)


def certificate_problem(site: setup.Site) -> str:
    """What nginx says when a file of its certificate is missing, as when its Secret is not mounted."""
    files = site.certificate if site.tls_port and site.certificate else ()
    for what, path in zip(("certificate", "certificate key"), files, strict=False):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            reason = f"BIO_new_file() failed (system library:fopen:{error.strerror})"
            return f'nginx: [emerg] cannot load {what} "{path}": {reason}'
    return ""


def _options(arguments: list[str]) -> dict[str, str] | None:
    """The options by letter. An unknown one is reported as nginx does."""
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        option = rest.pop(0)
        if option in ("-v", "-V", "-t", "-T", "-q", "-?", "-h"):
            found[option[1]] = ""
        elif option[:2] in ("-s", "-g", "-c", "-p", "-e"):
            value = option[2:] or (rest.pop(0) if rest else "")
            if not value:
                _say(f'nginx: option "{option}" requires parameter', 1)
                return None
            found[option[1]] = value
        else:
            _say(f'nginx: invalid option: "{option}"', 1)
            return None
    return found


def _signal(site: setup.Site, name: str) -> int:
    if name not in SIGNALS:
        return _say(f'nginx: invalid option: "-s {name}"', 1)
    try:
        with open(site.pid_file, encoding="ascii") as file:
            os.kill(int(file.read()), SIGNALS[name])
    except (OSError, ValueError) as error:
        return _say(f'nginx: [error] open() "{site.pid_file}" failed ({error})', 1)
    return 0


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code

"""curl's command line: flags, values, URLs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from podyard.kubelet.programs.curl.errors import READ_ERROR, CurlError, UsageError


@dataclass(slots=True)
class Options:
    """What a command line asks for."""

    urls: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)  # one for each URL, "" for the name in the URL
    insecure: bool = False
    cacert: str = ""
    cert: str = ""
    key: str = ""
    silent: bool = False
    show_error: bool = False
    verbose: bool = False
    include: bool = False
    head: bool = False
    location: bool = False
    fail: bool = False
    fail_with_body: bool = False
    get: bool = False
    remote_name: bool = False
    ipv4: bool = False
    headers: list[str] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    json: bool = False
    method: str = ""
    resolve: list[str] = field(default_factory=list)
    max_time: float = 0.0
    connect_timeout: float = 0.0
    max_redirects: int = 50
    write_out: str = ""
    user: str = ""
    agent: str = ""
    bearer: str = ""
    retry: int = 0
    retry_delay: float = 0.0
    retry_refused: bool = False
    version: bool = False
    help: bool = False

    @property
    def body(self) -> bytes | None:
        """What is sent, None when nothing is."""
        return (b"" if self.json else b"&").join(self.data) if self.data else None


_FLAGS = {
    "k": "insecure", "insecure": "insecure", "s": "silent", "silent": "silent",
    "S": "show_error", "show-error": "show_error", "v": "verbose", "verbose": "verbose",
    "i": "include", "include": "include", "I": "head", "head": "head",
    "L": "location", "location": "location", "f": "fail", "fail": "fail",
    "fail-with-body": "fail_with_body", "G": "get", "get": "get",
    "O": "remote_name", "remote-name": "remote_name", "4": "ipv4", "ipv4": "ipv4",
    "retry-connrefused": "retry_refused", "V": "version", "version": "version", "h": "help", "help": "help",
}  # fmt: skip
_IGNORED = {"#", "N", "g", "progress-bar", "no-progress-meter", "no-buffer", "http1.1", "http1.0", "globoff",
            "compressed", "no-keepalive", "tlsv1.2", "tlsv1.3", "q", "disable", "path-as-is"}  # fmt: skip
_VALUES = {
    "o": "output", "H": "header", "d": "data", "X": "request", "m": "max-time", "w": "write-out",
    "u": "user", "A": "user-agent", "E": "cert", "e": "referer", "b": "cookie",
}  # fmt: skip
_TAKING = {
    *_VALUES.values(), "cacert", "key", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json",
    "resolve", "connect-timeout", "max-redirs", "url", "oauth2-bearer", "retry", "retry-delay", "noproxy",
}  # fmt: skip


def parse(arguments: list[str]) -> Options:
    """Read the command line. Raises UsageError in curl's words."""
    options = Options()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            options.urls += rest
            break
        if word.startswith("--"):
            _long(options, word[2:], rest)
        elif word.startswith("-") and len(word) > 1:
            _short(options, word[1:], rest)
        else:
            options.urls.append(word)
    if not options.urls and not options.version and not options.help:
        raise UsageError("no URL specified!" if arguments else "")
    return options


def _long(options: Options, name: str, rest: list[str]) -> None:
    if name in _FLAGS:
        setattr(options, _FLAGS[name], True)
    elif name in _TAKING:
        _set(options, name, _value(f"--{name}", rest))
    elif name.startswith("no-") and name[3:] in _FLAGS:
        setattr(options, _FLAGS[name[3:]], False)
    elif name not in _IGNORED:
        raise UsageError(f"option --{name}: is unknown")


def _short(options: Options, letters: str, rest: list[str]) -> None:
    """-sSk, -oFILE, -so FILE."""
    for index, letter in enumerate(letters):
        if letter in _VALUES:
            _set(options, _VALUES[letter], letters[index + 1 :] or _value(f"-{letter}", rest))
            return
        if letter in _FLAGS:
            setattr(options, _FLAGS[letter], True)
        elif letter not in _IGNORED:
            raise UsageError(f"option -{letter}: is unknown")


def _value(option: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"option {option}: requires parameter")
    return rest.pop(0)


def _set(options: Options, name: str, value: str) -> None:
    if name in ("cacert", "cert", "key", "user"):
        setattr(options, name, value)
    elif name in ("max-time", "connect-timeout", "retry-delay"):
        setattr(options, name.replace("-", "_"), _number(name, value, float))
    elif name in ("max-redirs", "retry"):
        setattr(options, "max_redirects" if name == "max-redirs" else name, int(_number(name, value, int)))
    elif name.startswith("data") or name == "json":
        options.data.append(_data(name, value))
        if name == "json":
            options.json = True
            options.headers += ["Content-Type: application/json", "Accept: application/json"]
    elif name == "url":
        options.urls.append(value)
    elif name == "output":
        options.outputs.append(value)
    elif name == "resolve":
        options.resolve.append(value)
    elif name == "write-out":
        options.write_out = _text(value).replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r")
    elif name != "noproxy":  # there is no proxy
        _set_header(options, name, value)


def _set_header(options: Options, name: str, value: str) -> None:
    if name == "request":
        options.method = value
    elif name == "user-agent":
        options.agent = value
    elif name == "oauth2-bearer":
        options.bearer = value
    else:
        prefix = {"header": "", "referer": "Referer: ", "cookie": "Cookie: "}[name]
        options.headers.append(prefix + value)


def _number(name: str, value: str, kind: type[float]) -> float:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"option --{name}: expected a proper numerical parameter") from None


def _data(name: str, value: str) -> bytes:
    if name == "data-urlencode":
        key, equals, text = value.partition("=")
        return f"{key}=".encode() * bool(key and equals) + quote_plus(text if equals else key).encode()
    if name == "data-raw" or not value.startswith("@"):
        return os.fsencode(value)
    content = _read(value[1:])
    return content if name in ("data-binary", "json") else content.replace(b"\r", b"").replace(b"\n", b"")


def _text(value: str) -> str:
    return _read(value[1:]).decode() if value.startswith("@") else value


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError:
        raise CurlError(READ_ERROR, f"Failed to open {name}") from None

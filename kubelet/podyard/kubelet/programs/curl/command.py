"""The command `curl`: transfers each URL, writes what comes, gives curl's exit status."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO

from podyard.kubelet.programs.curl.errors import (
    COULDNT_CONNECT,
    HTTP_RETURNED_ERROR,
    OPERATION_TIMEDOUT,
    WRITE_ERROR,
    CurlError,
    UsageError,
)
from podyard.kubelet.programs.curl.options import Options, parse
from podyard.kubelet.programs.curl.transfer import Answer, Transfer

VERSION = "7.88.1"
RETRIED_STATUSES = (408, 429, 500, 502, 503, 504)


def main(arguments: list[str]) -> int:
    """Run curl."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        options = parse(arguments)
    except UsageError as error:
        if error.text:
            print(f"curl: {error.text}", file=sys.stderr)
        print("curl: try 'curl --help' for more information", file=sys.stderr)
        return error.code
    except CurlError as error:
        print(f"curl: {error.text}", file=sys.stderr)
        return error.code
    if options.version:
        print(f"curl {VERSION} (podyard's own)\nProtocols: http https")
        return 0
    if options.help:
        print("Usage: curl [options...] <url>\nThis curl is podyard's own; it knows curl's common options.")
        return 0
    code = 0
    for index, url in enumerate(options.urls):
        code = _transfer(options, url, _output(options, url, index))
    return code


def _output(options: Options, url: str, index: int) -> str:
    if options.remote_name:
        return url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return options.outputs[index] if index < len(options.outputs) else "-"


def _transfer(options: Options, url: str, output: str) -> int:
    try:
        with _deadline(options.max_time):
            _with_retries(options, url, output)
    except CurlError as error:
        if error.text and (not options.silent or options.show_error):
            print(f"curl: ({error.code}) {error.text}", file=sys.stderr)
        return error.code
    return 0


def _with_retries(options: Options, url: str, output: str) -> None:
    delay = options.retry_delay or 1.0
    for left in range(options.retry, -1, -1):
        try:
            answer = _once(options, url, output)
        except CurlError as error:
            worth_it = error.code == OPERATION_TIMEDOUT or (
                error.code == COULDNT_CONNECT and options.retry_refused
            )
            if not left or not worth_it:
                raise
        else:
            if not left or answer.status not in RETRIED_STATUSES:
                if answer.status >= 400 and (options.fail or options.fail_with_body):
                    text = f"The requested URL returned error: {answer.status}"
                    raise CurlError(HTTP_RETURNED_ERROR, text)
                return
        time.sleep(delay)
        delay *= 1 if options.retry_delay else 2


def _once(options: Options, url: str, output: str) -> Answer:
    with contextlib.nullcontext(sys.stdout.buffer) if output == "-" else _file(output) as stream:
        answer = Transfer(options, url).run(lambda data: _write(stream, data))
    if options.write_out:
        _write(sys.stdout.buffer, written_out(options.write_out, answer).encode())
    return answer


def _file(path: str) -> BinaryIO:
    try:
        return open(path, "wb")
    except OSError as error:
        print(f"Warning: Failed to open the file {path}: {error.strerror}", file=sys.stderr)
        raise CurlError(WRITE_ERROR, "Failure writing output to destination") from None


def _write(stream: BinaryIO, data: bytes) -> None:
    try:
        stream.write(data)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains at its end
        raise CurlError(WRITE_ERROR, "Failure writing output to destination") from None


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """-m: SIGALRM ends whatever takes longer, also a name lookup."""

    def expired(number: int, frame: object) -> None:
        text = f"Operation timed out after {seconds * 1000:.0f} milliseconds with 0 bytes received"
        raise CurlError(OPERATION_TIMEDOUT, text)

    if seconds <= 0:
        yield
        return
    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def written_out(pattern: str, answer: Answer) -> str:
    """-w: %{variables} filled in; unknown ones are left out."""
    values = {
        "http_code": f"{answer.status:03d}",
        "response_code": f"{answer.status:03d}",
        "size_download": str(answer.size),
        "time_total": f"{answer.seconds:.6f}",
        "time_connect": f"{answer.connect_seconds:.6f}",
        "remote_ip": answer.remote_ip,
        "remote_port": str(answer.remote_port),
        "local_ip": answer.local_ip,
        "url_effective": answer.url,
        "redirect_url": answer.redirect,
        "num_redirects": str(answer.redirects),
        "content_type": answer.content_type,
        "exitcode": "0",
        "method": answer.method,
        "http_version": "1.1",
    }
    return re.sub(
        r"%\{(\w+)\}|%%", lambda found: values.get(found[1] or "", "" if found[1] else "%"), pattern
    )

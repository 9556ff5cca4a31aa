"""curl's exit statuses and what it says with them."""

from __future__ import annotations

UNSUPPORTED_PROTOCOL = 1
FAILED_INIT = 2
URL_MALFORMAT = 3
COULDNT_RESOLVE_HOST = 6
COULDNT_CONNECT = 7
HTTP_RETURNED_ERROR = 22
WRITE_ERROR = 23
READ_ERROR = 26
OPERATION_TIMEDOUT = 28
SSL_CONNECT_ERROR = 35
TOO_MANY_REDIRECTS = 47
GOT_NOTHING = 52
RECV_ERROR = 56
SSL_CERTPROBLEM = 58
PEER_FAILED_VERIFICATION = 60
SSL_CACERT_BADFILE = 77


class CurlError(Exception):
    """A transfer, or the command line, that failed."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class UsageError(CurlError):
    """A command line that cannot be understood."""

    def __init__(self, text: str) -> None:
        super().__init__(FAILED_INIT, text)

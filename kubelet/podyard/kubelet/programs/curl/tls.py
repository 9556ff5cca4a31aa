"""TLS as curl does it: whom to trust, and what to say of whom not."""

from __future__ import annotations

import socket
import ssl

from podyard.kubelet.programs.curl import errors
from podyard.kubelet.programs.curl.errors import CurlError
from podyard.kubelet.programs.curl.options import Options


def encrypted(options: Options, sock: socket.socket, host: str) -> ssl.SSLSocket:
    """TLS over `sock`, by -k, --cacert, --cert and --key. Raises CurlError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        _trust(context, options.cacert)
    if options.cert:
        try:
            context.load_cert_chain(options.cert, options.key or None)
        except (OSError, ssl.SSLError):
            text = f"could not load PEM client certificate from {options.cert}"
            raise CurlError(errors.SSL_CERTPROBLEM, text) from None
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise CurlError(errors.PEER_FAILED_VERIFICATION, _distrust(error, host)) from None
    except ssl.SSLError as error:
        reason = (error.reason or "").lower().replace("_", " ")
        text = f"{ssl.OPENSSL_VERSION.rpartition('  ')[0] or 'OpenSSL'}: error: SSL routines::{reason}"
        raise CurlError(errors.SSL_CONNECT_ERROR, text) from None
    except OSError as error:
        text = f"OpenSSL SSL_connect: {error.strerror or 'SSL_ERROR_SYSCALL'} in connection to {host}"
        raise CurlError(errors.SSL_CONNECT_ERROR, text) from None


def _trust(context: ssl.SSLContext, cacert: str) -> None:
    if not cacert:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(cacert)
    except (OSError, ssl.SSLError):
        text = f"error setting certificate file: {cacert}"
        raise CurlError(errors.SSL_CACERT_BADFILE, text) from None


_LEARN_MORE = """
More details here: https://curl.se/docs/sslcerts.html

curl failed to verify the legitimacy of the server and therefore could not
establish a secure connection to it. To learn more about this situation and
how to fix it, please visit the web page mentioned above."""


def _distrust(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH
        return f"SSL: no alternative certificate subject name matches target host name '{host}'{_LEARN_MORE}"
    return f"SSL certificate problem: {error.verify_message}{_LEARN_MORE}"

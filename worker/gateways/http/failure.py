"""Why no whole answer came, as a stable code.

===================  ==================================================================
dns                  the name is not known
dns_no_resolver      no name server answers
connect              the connection was refused, or none could be made
no_route             this machine has no way to the address
not_permitted        this machine forbids the connection
timeout              no answer in time
cut                  the answer ended before its end
protocol             it was no HTTP
proxy_auth           the proxy refuses the login (407)
proxy_http_STATUS    the proxy makes no tunnel, and says this status
proxy_…              the proxy itself could not be reached: dns, connect and so on, as above
tls_expired          the certificate is no longer valid
tls_not_yet_valid    it is not valid yet
tls_other_host       it is for another host
tls_self_signed      it has no issuer but itself
tls_unknown_issuer   the peer sent its issuers, and none of them is trusted
tls_chain_cut        the peer sent its certificate alone, and its issuer is not trusted
tls_old_protocol     the peer speaks no version from TLS 1.2 on
tls_not_spoken       the peer answers, but not in TLS
tls                  anything else in the handshake
===================  ==================================================================
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

_NO_SUCH_NAME = (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY)
_CONNECT = {
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.EPERM: "not_permitted",
    errno.EACCES: "not_permitted",
}

# The numbers of OpenSSL (X509_V_ERR_…).
_CERTIFICATE = {
    2: "tls_unknown_issuer",
    9: "tls_not_yet_valid",
    10: "tls_expired",
    18: "tls_self_signed",
    19: "tls_unknown_issuer",
    20: "tls_unknown_issuer",
    21: "tls_unknown_issuer",
    27: "tls_unknown_issuer",
    62: "tls_other_host",
    64: "tls_other_host",
}
# These two come for a chain that was cut, too: the issuer of the first or only certificate was not found.
_ISSUER_NOT_FOUND = (20, 21)

# What an error of httpx says where the proxy itself could not be reached.
PROXY_UNREACHED = "the proxy could not be reached"

_OLD_PROTOCOL = re.compile("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW")
_NOT_SPOKEN = re.compile(
    "WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE"
)


class Socket(ssl.SSLSocket):
    """Counts the certificates that a peer sent which is not trusted."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except ssl.SSLCertVerificationError as error:
            error.certificates = _sent(self)  # type: ignore[attr-defined]
            raise


def _sent(sock: Any) -> int | None:
    """How many certificates the peer sent; ``None`` where Python or OpenSSL does not tell."""
    try:
        return len(sock._sslobj.get_unverified_chain())  # public from Python 3.13 on
    except (AttributeError, TypeError, ValueError):
        return None


def code_of(error: httpx.HTTPError) -> str:
    """The code for an error of httpx."""
    if isinstance(error, httpx.ProxyError):
        if str(error) != PROXY_UNREACHED:
            status = str(error)[:3]
            return "proxy_auth" if status == "407" else f"proxy_http_{status}" if status.isdecimal() else "proxy"
        return f"proxy_{unreached(error)}"
    tls = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        return _tls(tls)
    if isinstance(error, httpx.TimeoutException | httpx.ConnectError):
        return unreached(error)
    # "Server disconnected" and "peer closed connection" are protocol errors to httpx, like an answer that is no HTTP.
    ended = isinstance(error, httpx.RemoteProtocolError) and re.search("disconnected|closed", str(error))
    return "cut" if ended or isinstance(error, httpx.NetworkError) else "protocol"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def unreached(error: Exception) -> str:
    """Why no connection stands, or no answer came on it; of an error of httpx or of the system."""
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "dns" if cause.errno in _NO_SUCH_NAME else "dns_no_resolver"
        if isinstance(cause, TimeoutError | httpx.TimeoutException):
            return "timeout"
        if isinstance(cause, OSError) and cause.errno in _CONNECT:
            return _CONNECT[cause.errno]
    return "connect"


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _ISSUER_NOT_FOUND and getattr(error, "certificates", None) == 1:
            return "tls_chain_cut"
        return _CERTIFICATE.get(error.verify_code, "tls")
    reason = error.reason or ""
    if _OLD_PROTOCOL.search(reason):
        return "tls_old_protocol"
    return "tls_not_spoken" if _NOT_SPOKEN.search(reason) else "tls"

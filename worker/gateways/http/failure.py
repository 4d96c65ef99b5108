"""Why no whole answer came, as a stable code.

dns, connect, timeout, cut (it ended before its end), protocol (it was no HTTP), proxy (it makes no tunnel), proxy_auth
(it refuses the login), and of TLS:

===================  ==================================================================
tls_expired          the certificate is no longer valid
tls_not_yet_valid    it is not valid yet
tls_other_host       it is for another host
tls_self_signed      it has no issuer but itself
tls_unknown_issuer   none of the trusted issuers has signed it
tls_old_protocol     the peer speaks no version from TLS 1.2 on
tls_not_spoken       the peer answers, but not in TLS
tls                  anything else in the handshake
===================  ==================================================================
"""

import re
import socket
import ssl

import httpx

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
_OLD_PROTOCOL = re.compile("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW")
_NOT_SPOKEN = re.compile(
    "WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE"
)


def code_of(error: httpx.HTTPError) -> str:
    """The code for an error of httpx."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return _tls(cause)
        if isinstance(cause, socket.gaierror):
            return "dns"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    if isinstance(error, httpx.ProxyError):
        return "proxy_auth" if str(error).startswith("407") else "proxy"
    if isinstance(error, httpx.ConnectError):
        return "connect"
    # "Server disconnected" and "peer closed connection" are protocol errors to httpx, like an answer that is no HTTP.
    ended = isinstance(error, httpx.RemoteProtocolError) and re.search("disconnected|closed", str(error))
    return "cut" if ended or isinstance(error, httpx.NetworkError) else "protocol"


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE.get(error.verify_code, "tls")
    reason = error.reason or ""
    if _OLD_PROTOCOL.search(reason):
        return "tls_old_protocol"
    return "tls_not_spoken" if _NOT_SPOKEN.search(reason) else "tls"

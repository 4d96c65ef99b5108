"""A vendor that costs as little as possible: one thread, epoll, fixed answers; prints its port.

It answers POST with a token and GET with the pending body of the id asked for, on kept connections.
"""

import selectors
import socket
import sys

TOKEN = b'{"access_token": "bench", "expires_in": 3600, "token_type": "bearer"}'
BODY = (
    '{"id": "%s", "status": "pending", "name": "Default Discovery Task", "type": "serial",'
    ' "startDateTime": "2026-01-15T12:00:00Z", "discoveryPaths": {"successful": [], "unsuccessful": [], "skipped": [],'
    ' "pending": [{"name": "CoverageInsight"}]}}'
)


def answer(request: bytes) -> bytes:
    line = request[: request.index(b"\r\n")].decode()
    body = TOKEN if line.startswith("POST") else (BODY % line.split()[1].rpartition("/")[2]).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def serve() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    pending: dict[socket.socket, bytes] = {}
    while True:
        for key, _ in waiting.select():
            peer = key.fileobj
            assert isinstance(peer, socket.socket)
            if peer is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                waiting.register(connection, selectors.EVENT_READ)
                pending[connection] = b""
                continue
            try:
                data = peer.recv(65536)
            except OSError:
                data = b""
            if not data:
                waiting.unregister(peer)
                del pending[peer]
                peer.close()
                continue
            request = pending[peer] + data
            head, end, rest = request.partition(b"\r\n\r\n")
            # A POST's body comes with its head or right after; its length does not matter for the answer.
            if end and (not head.startswith(b"POST") or rest):
                pending[peer] = b""
                peer.sendall(answer(request))
            else:
                pending[peer] = request


if __name__ == "__main__":
    sys.exit(serve())

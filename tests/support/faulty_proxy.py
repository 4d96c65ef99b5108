"""A TCP proxy that does harm at one byte of one direction, and a clock that only the test moves."""

import contextlib
import socket
import struct
import threading
from typing import Literal

Fault = Literal["none", "hole", "reset", "cut", "drip"]
Direction = Literal["up", "down"]


class FaultyProxy:
    """Forwards to a port on loopback. After ``offset`` bytes of ``direction`` ("up": from the client) comes the fault.

    ``hole`` swallows everything from there on, ``reset`` ends the client's connection with an RST, ``cut`` with a FIN,
    ``drip`` lets one byte through for each :meth:`let_through`. ``hit`` is set when the fault has begun. ``piece`` is
    the most that is forwarded at once.
    """

    def __init__(
        self, target: int, fault: Fault = "none", direction: Direction = "down", offset: int = 0, piece: int = 65536
    ) -> None:
        self._target = target
        self._fault = fault
        self._direction = direction
        self._offset = offset
        self._piece = piece
        self.hit = threading.Event()
        self.passed = {"up": 0, "down": 0}
        self._drops = 0
        self._drop = threading.Condition()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def __enter__(self) -> "FaultyProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.let_through(0)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
        for sock in [self._listener, *self._sockets]:
            sock.close()

    def let_through(self, count: int) -> None:
        """Let ``count`` more bytes drip."""
        with self._drop:
            self._drops += count
            self._drop.notify_all()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._sockets += [client, server]
                self._start(self._pump, client, server, "up", client)
                self._start(self._pump, server, client, "down", client)

    def _pump(self, source: socket.socket, sink: socket.socket, direction: Direction, client: socket.socket) -> None:
        harmful = self._fault != "none" and direction == self._direction
        with contextlib.suppress(OSError):
            while True:
                if harmful and self.passed[direction] >= self._offset and self._harm(source, sink, client):
                    return
                room = max(1, self._offset - self.passed[direction]) if harmful else self._piece
                data = source.recv(min(room, self._piece))
                if not data:
                    break
                sink.sendall(data)
                self.passed[direction] += len(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _harm(self, source: socket.socket, sink: socket.socket, client: socket.socket) -> bool:
        """Do it; tell whether that was all that will ever happen in this direction."""
        self.hit.set()
        if self._fault == "drip":
            with self._drop:
                while not self._drops and not self._over.is_set():
                    self._drop.wait()
                self._drops -= 1
            return self._over.is_set()
        if self._fault == "hole":
            while not self._over.is_set() and source.recv(65536):
                pass
        elif self._fault == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Closing alone would wait for the other direction's recv; what it reads ends with this.
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)
            client.close()
        else:
            client.shutdown(socket.SHUT_RDWR)
        return True

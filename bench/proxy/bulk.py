"""`serve`: sends without end to whoever connects. `load`: takes it in, and prints bytes and seconds."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time

from bench.proxy.services import BACKENDS, BULK

CHUNK = 64 << 20


def serve() -> None:
    """Run until killed; one thread a connection, sending from memory that is never copied to Python."""
    file = os.memfd_create("bulk")
    os.truncate(file, CHUNK)

    def send(sock: socket.socket) -> None:
        with sock:
            try:
                while True:
                    os.sendfile(sock.fileno(), file, 0, CHUNK)
            except OSError:
                return

    def accept(listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=send, args=(sock,), daemon=True).start()

    threads = []
    for address in BACKENDS:
        listener = socket.create_server((address, BULK), backlog=1000)
        threads.append(threading.Thread(target=accept, args=(listener,)))
        threads[-1].start()


def load(address: str, port: int, connections: int, seconds: float) -> None:
    """Receive on so many connections; the kernel drops the bytes (MSG_TRUNC, see tcp(7))."""
    totals = [0] * connections
    end = time.monotonic() + seconds

    def receive(number: int, sock: socket.socket) -> None:
        buffer = bytearray(1 << 20)
        with sock:
            while time.monotonic() < end:
                totals[number] += sock.recv_into(buffer, 1 << 20, socket.MSG_TRUNC)

    socks = [socket.create_connection((address, port)) for _ in range(connections)]
    began = time.monotonic()
    threads = [threading.Thread(target=receive, args=(number, sock)) for number, sock in enumerate(socks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(totals), time.monotonic() - began)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        load(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))

"""A process that answers each request with a block over raw ZeroMQ: what `home` is compared with.

Started by `files` with the size of a block, "curve" or "plain", and "read" or "write".
"""

from __future__ import annotations

import sys
import time

import zmq

__all__ = ["serve"]


def serve(size: int, mode: str) -> None:
    """Answer blocks with blocks, until standard input ends."""
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    server_key = b""
    if mode == "curve":
        server_key, secret = zmq.curve_keypair()
        socket.curve_server = True
        socket.curve_secretkey = secret
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    print(port, server_key.decode("ascii"), flush=True)
    block = bytes(size)
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if sys.stdin.fileno() in ready:
            return
        route, wanted, *_ = socket.recv_multipart(copy=False)
        answer = block if wanted.bytes == b"read" else b"written"
        socket.send_multipart([route, answer], copy=False)


def ask(port: int, server_key: str, size: int, kind: str, count: int) -> float:
    """Ask for so many blocks, one after the other; bytes per second."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    if server_key:
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.curve_serverkey = server_key.encode("ascii")
    socket.connect(f"tcp://127.0.0.1:{port}")
    question = [b"read"] if kind == "read" else [b"write", bytes(size)]
    socket.send_multipart(question, copy=False)
    socket.recv()  # the handshake is not measured
    start = time.perf_counter()
    for _ in range(count):
        socket.send_multipart(question, copy=False)
        socket.recv(copy=False)
    seconds = time.perf_counter() - start
    context.destroy(linger=0)
    return count * size / seconds


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])

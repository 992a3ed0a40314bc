"""The other side of the raw pyzmq round trip: `python -m benchmarks.echo plain|curve`."""

from __future__ import annotations

import sys

import zmq


def main() -> None:
    """Print the port and the server's public key, then send everything back until input ends."""
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    public = b""
    if sys.argv[1] == "curve":
        public, socket.curve_secretkey = zmq.curve_keypair()
        socket.curve_server = True
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    print(port, public.decode("ascii"), flush=True)
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(sys.stdin, zmq.POLLIN)
    while sys.stdin.fileno() not in dict(poller.poll()):
        socket.send_multipart(socket.recv_multipart())
    context.destroy(linger=0)


if __name__ == "__main__":
    main()

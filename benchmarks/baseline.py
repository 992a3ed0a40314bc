"""What a move can't be faster than: pickle and ZeroMQ on their own, with the same state."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from pathlib import Path

import zmq

__all__ = ["raw_pickle", "raw_round_trips"]

_ROOT = Path(__file__).resolve().parent.parent


def raw_pickle(state: object, count: int) -> tuple[list[float], int]:
    """Pickle and unpickle `state`; return the seconds of each round trip, and the bytes."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        data = pickle.dumps(state, protocol=5)
        pickle.loads(data)
        times.append(time.perf_counter() - start)
    return times, len(data)


def raw_round_trips(size: int, count: int, *, curve: bool) -> list[float]:
    """Send `size` bytes to another process over loopback and back; seconds of each."""
    mode = "curve" if curve else "plain"
    command = [sys.executable, "-m", "benchmarks.echo", mode]
    context = zmq.Context()
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            port, _, server_key = process.stdout.readline().strip().partition(" ")
            socket = context.socket(zmq.DEALER)
            if curve:
                socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
                socket.curve_serverkey = server_key.encode("ascii")
            socket.connect(f"tcp://127.0.0.1:{port}")
            times = _round_trips(socket, bytes(size), count)
            process.stdin.close()
        except BaseException:
            process.kill()
            raise
        finally:
            context.destroy(linger=0)
    return times


def _round_trips(socket: zmq.Socket[bytes], message: bytes, count: int) -> list[float]:
    socket.send(message)
    socket.recv()  # the handshake is not measured
    times = []
    for _ in range(count):
        start = time.perf_counter()
        socket.send(message)
        socket.recv()
        times.append(time.perf_counter() - start)
    return times

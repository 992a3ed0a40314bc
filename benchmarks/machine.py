"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

import zmq

__all__ = ["describe"]


def describe() -> dict[str, str]:
    """Return what a reader needs to judge the figures, and nothing about whose machine it is."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "processor": f"{_processor()}, {os.cpu_count()} cores, {sys.byteorder} endian",
        "load": f"{os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else "?",
        "pyzmq": f"{zmq.__version__}, libzmq {zmq.zmq_version()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return f"{platform.machine()} ({value.strip()})"
    return platform.machine()

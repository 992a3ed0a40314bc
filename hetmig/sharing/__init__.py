"""Shared objects and buffers: each lives at one node and is used through proxies from anywhere.

`proxies` and `buffers` are what programs hold, `keepers` the actors that they call, `turns` a fair
lock without clock or wire.
"""

from hetmig.sharing.buffers import SharedBuffer, shared_buffer
from hetmig.sharing.locks import SharedLock
from hetmig.sharing.proxies import Shared, shared, snapshot, unshare

__all__ = [
    "Shared",
    "SharedBuffer",
    "SharedLock",
    "shared",
    "shared_buffer",
    "snapshot",
    "unshare",
]

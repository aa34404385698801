"""What the reply process may do: CAP_NET_RAW, for packet sockets on interfaces that appear later, and nothing else.

A process may always give up rights (capabilities(7)), so this works as root, in a user namespace, and as an
ordinary user with file or ambient capabilities alike. The speaker itself keeps CAP_NET_RAW: it starts the reply
process anew when that dies, and could not hand on what it gave up.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

CAP_NET_RAW = 13

# From <linux/prctl.h> and <linux/capability.h>.
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_HEADER = struct.Struct("@Ii")
_SETS = struct.Struct("@6I")
"""Effective, permitted and inheritable capabilities 0 to 31, then the same of 32 to 63."""


def keep_only_net_raw() -> None:
    """Give up every capability but CAP_NET_RAW, for good; for a process that has one thread so far.

    What was not there before does not come: without CAP_NET_RAW none is left. The bounding set needs
    CAP_SETPCAP; where that is missing it stays, and no_new_privs makes it meaningless. Raises `OSError`.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))))
    _limit_bounding_set(libc)
    header = ctypes.create_string_buffer(_HEADER.pack(_CAPABILITY_VERSION_3, 0))
    sets = ctypes.create_string_buffer(_SETS.size)
    _checked(libc.capget(header, sets))
    _, permitted, *_ = _SETS.unpack(sets.raw)
    kept = permitted & 1 << CAP_NET_RAW
    _checked(libc.capset(header, _SETS.pack(kept, kept, 0, 0, 0, 0)))


def _limit_bounding_set(libc: ctypes.CDLL) -> None:
    capability = 0
    while (is_in := libc.prctl(_PR_CAPBSET_READ, ctypes.c_ulong(capability))) >= 0:  # -1: the kernel knows no more
        if is_in and capability != CAP_NET_RAW and libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability)):
            if ctypes.get_errno() != errno.EPERM:
                _checked(-1)
            return
        capability += 1


def _checked(status: int) -> None:
    if status:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

"""What the kernel says of this node's links and addresses, by netlink (`rtnetlink(7)`)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pyroute2 import AsyncIPRoute

# From <linux/rtnetlink.h>.
RTMGRP_LINK = 0x1
RTMGRP_IPV6_IFADDR = 0x100


@asynccontextmanager
async def netlink_socket() -> AsyncIterator[AsyncIPRoute]:
    """Open a socket. What fails with it, within the context too, is an `OSError`."""
    # Takes 0.1 s: by then whoever asks first has begun what takes as long by itself.
    from pyroute2 import AsyncIPRoute  # noqa: PLC0415 - see above
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415 - see above

    try:
        async with AsyncIPRoute() as netlink:
            yield netlink
    except NetlinkError as error:
        raise OSError(str(error)) from error

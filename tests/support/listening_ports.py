"""The ports on which a process listens, read from /proc. Linux only, as the sandbox is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"


def ports(process: int | str = "self") -> dict[int, str]:
    """Return the TCP ports of a process, each with its address in hexadecimal."""
    folder = Path("/proc") / str(process)
    sockets = set()
    for file in (folder / "fd").iterdir():
        with suppress(OSError):  # it was closed
            sockets.add(os.readlink(file))  # noqa: PTH115 - a socket's is no path
    addresses = {}
    for name in ("tcp", "tcp6"):
        for line in (folder / "net" / name).read_text(encoding="ascii").splitlines()[1:]:
            columns = line.split()
            address, _, port = columns[1].partition(":")
            if columns[3] == _LISTENS and f"socket:[{columns[9]}]" in sockets:
                addresses[int(port, 16)] = address
    return addresses

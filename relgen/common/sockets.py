"""Opens the sockets that servers of relgen listen at."""

from __future__ import annotations

import socket

from relgen.common.errors import InputError


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address. Raises InputError if it cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen(2048)
    except (OSError, OverflowError) as error:
        opened.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"this address cannot be used: {reason}",
            field="--port",
            value=f"{host}:{port}",
            remedy="choose another --port (0 takes a free one)",
        ) from error
    return opened

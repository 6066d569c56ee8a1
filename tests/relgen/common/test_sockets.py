"""Addresses to listen at."""

import socket

import pytest

from relgen.common.errors import InputError
from relgen.common.sockets import listening_socket


def test_a_free_port_is_taken_and_one_in_use_refused() -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        with pytest.raises(InputError, match=r"Address already in use .*0 takes a free one"):
            listening_socket("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("no.such.host.invalid", 0)])
def test_an_address_that_is_none(host: str, port: int) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        listening_socket(host, port)

"""Ports of this machine."""

from __future__ import annotations

import socket

from latent_core.errors import InputError


def refuse_taken_port(port: int) -> None:
    """Say that a port is taken before minutes of work, not after."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port is {port}; ports go up to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"port {port} cannot be used ({error.strerror})", remedy="choose another --port"
            ) from error

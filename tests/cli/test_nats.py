"""The embedded NATS server."""

import json
import socket
from pathlib import Path

import nats
import nats.js.api
import pytest

from services.cli.local.nats import MAX_PAYLOAD_BYTES, Server, is_healthy
from services.runtime import topology

from .support import lives


async def test_streams_survive_a_restart_and_a_kill(tmp_path: Path) -> None:
    """What JetStream holds is there again after a stop and after `kill -9`."""
    with Server.throwaway(tmp_path / "nats") as server:
        client = await nats.connect(server.broker.url)
        await client.jetstream().add_stream(name="KEPT", subjects=["kept"], storage=nats.js.api.StorageType.FILE)
        await client.jetstream().publish("kept", b"1")
        await client.close()
        for end in (server.stop, server.kill):
            pid = server.pid
            end()
            assert not lives(pid)
            assert not is_healthy(server.broker)
            server.start()
            client = await nats.connect(server.broker.url)
            info = await client.jetstream().stream_info("KEPT")
            assert info.state.messages == 1
            assert client.max_payload == MAX_PAYLOAD_BYTES
            await client.close()


@pytest.mark.parametrize(("password", "answer"), [("right", b"PONG"), ("wrong", b"-ERR 'Authorization Violation'")])
def test_the_password_is_needed_and_private(tmp_path: Path, password: str, answer: bytes) -> None:
    """Nobody gets in without the password, and only this user can read it."""
    with Server.throwaway(tmp_path / "nats", password="right") as server:
        assert server.broker.config.stat().st_mode & 0o077 == 0
        with socket.create_connection(("127.0.0.1", server.broker.port), timeout=5) as connection:
            replies = connection.makefile("rb")
            assert replies.readline().startswith(b"INFO ")
            login = json.dumps({"user": "scrip", "pass": password, "verbose": False})
            connection.sendall(f"CONNECT {login}\r\nPING\r\n".encode())
            assert replies.readline().strip() == answer
            replies.close()


async def test_the_topology_fits(tmp_path: Path) -> None:
    """The streams as declared are accepted, whatever the disk has free, and may be declared again."""
    with Server.throwaway(tmp_path / "nats") as server:
        await topology.declare(server.broker.url)
        await topology.declare(server.broker.url)

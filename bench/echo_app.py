"""The floor of HTTP: the gateway's stack with a route that gives its body back. Run: python -m bench.echo_app PORT."""

import asyncio
import sys
from typing import Any

import uvloop
from litestar import Litestar, post

from services.runtime import web


@post("/", status_code=200, sync_to_thread=False)
def echo(data: dict[str, Any]) -> dict[str, Any]:
    """The body."""
    return data


async def main(port: int) -> None:
    """Serves until it is killed."""
    async with web.serve(Litestar([echo], openapi_config=None), f"127.0.0.1:{port}"):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))

"""A tool for trying Scrip itself: gives the message back, later or not at all if asked to."""

import math
import os
import signal
import time
from typing import Any


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """Waits `delay_seconds`, then succeeds, fails or kills its own process; `seconds` are charged, begun ones whole."""
    delay = float(input.get("delay_seconds", 0))
    if delay > 0:
        time.sleep(delay)
    match input.get("outcome", "success"):
        case "failure":
            raise RuntimeError("asked to fail")
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
    return {"message": input["message"], "seconds": math.ceil(delay)}

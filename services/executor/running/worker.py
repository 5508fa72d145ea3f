"""What runs in a tool process: one handler at a time, with its input, and nothing of the service around it.

Only the standard library is imported here, and what stands on nothing else, so that a process is there quickly;
handlers bring their libraries along when they are first called. What a handler raises never leaves this module as an
exception.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from services.executor.rules.answers import DETAIL_CHARACTERS_MAX, Answer, ToolAnswer, printable, whole_units
from services.executor.rules.output_files import OutputTooLargeError, Places, check_json, split

HANDLERS = "services.executor.handlers"
PR_SET_PDEATHSIG = 1
PARENT_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a handler."""

    handler: str
    """Module under services/executor/handlers/."""
    input_json: bytes
    files: dict[str, bytes] = field(default_factory=dict)
    """Content by property."""
    units: dict[str, str] = field(default_factory=dict)
    """By unit: JSON pointer to how many were used, in the output."""
    job_id: str = ""
    file_places: Places = field(default_factory=dict)
    """Where the output has files."""


def prepare(parent_pid: int, memory_bytes: int) -> None:
    """Begins a tool process: it dies with its executor, also after kill -9, and has no more memory than it may."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_end_with, args=(parent_pid,), daemon=True).start()
    # The executor may have died before the line above.
    if os.getppid() != parent_pid:
        os._exit(1)
    # Numeric libraries would start a thread, and map memory, for every CPU of the machine.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.putenv(name, "1")
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = memory_bytes if most == resource.RLIM_INFINITY else min(memory_bytes, most)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(PARENT_LOOK_SECONDS)
    os._exit(1)


def run_tool(call: ToolCall) -> ToolAnswer:
    """Calls the handler; answers its output, or why there is none."""
    from services.executor.material.errors import ToolError

    try:
        handler = importlib.import_module(f"{HANDLERS}.{call.handler}")
        output = handler.run(json.loads(call.input_json), call.files)
        return _output(output, call)
    except OutputTooLargeError as error:
        return ToolAnswer(Answer.TOO_LARGE, message=str(error))
    except ToolError as error:
        return ToolAnswer(Answer.REJECTED, reason=printable(error.reason), message=printable(error.message))
    except MemoryError:
        return ToolAnswer(Answer.FAILED, message="the tool needed more memory than it may have", detail="MemoryError")
    except BaseException:  # noqa: BLE001 (whatever a handler raises is an answer; a panic of Rust is no Exception)
        detail = traceback.format_exc()[-DETAIL_CHARACTERS_MAX:]
        return ToolAnswer(Answer.FAILED, message="the tool failed on this input", detail=detail)


def _output(output: Any, call: ToolCall) -> ToolAnswer:
    if not isinstance(output, dict):
        detail = f"run() returned {type(output).__name__}"
        return ToolAnswer(Answer.FAILED, message="the tool gave no JSON object", detail=detail)
    output, files = split(output, call.file_places, call.job_id)
    encoded = check_json(json.dumps(output, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    units = {}
    for unit, pointer in call.units.items():
        found = _at(output, pointer)
        used = whole_units(found)
        if used is None:
            detail = f"{pointer} of the output is {found!r:.100}"
            return ToolAnswer(Answer.FAILED, message="the tool did not say what it used", detail=detail)
        units[unit] = used
    return ToolAnswer(Answer.OUTPUT, encoded, files, units or None)


def _at(value: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901), or None."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value

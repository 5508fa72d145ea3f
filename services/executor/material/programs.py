"""Programs that a tool calls: a child with bytes in and bytes out, and a bound on its time."""

import resource
import shutil
import subprocess

from services.executor.material.errors import ToolError


def run_program(program: str, arguments: list[str], given: bytes, seconds: int) -> bytes:
    """What the program wrote for the bytes it was given; it has the memory that this process may have.

    Raises ToolError TOO_SLOW where it does not end in time, and RuntimeError where it fails.
    """
    found = shutil.which(program)
    if found is None:
        raise RuntimeError(f"{program} is not installed")

    def bound() -> None:
        # Should this process be killed meanwhile, the child ends by itself.
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    try:
        ended = subprocess.run(  # noqa: S603 (the program is the tool's own, and nothing of the input is an argument)
            [found, *arguments],
            input=given,
            capture_output=True,
            timeout=seconds,
            check=False,
            env={"LC_ALL": "C.UTF-8", "OMP_THREAD_LIMIT": "1"},
            preexec_fn=bound,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError("TOO_SLOW", f"{program} did not end within {seconds} seconds") from error
    if ended.returncode:
        raise RuntimeError(f"{program} ended with {ended.returncode}: {ended.stderr[-500:].decode(errors='replace')}")
    return ended.stdout

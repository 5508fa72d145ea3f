"""Programs that tools call."""

import pytest

from services.executor.material.errors import ToolError
from services.executor.material.programs import run_program


def test_a_program_gets_bytes_and_gives_bytes() -> None:
    """Of any value."""
    assert run_program("cat", [], b"\0\xff\n", 10) == b"\0\xff\n"


def test_a_program_sees_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold secrets."""
    monkeypatch.setenv("SCRIP_SECRET", "secret")
    assert b"secret" not in run_program("env", [], b"", 10)


def test_a_program_that_takes_too_long_is_stopped() -> None:
    """That is the caller's: the input was too much for it."""
    with pytest.raises(ToolError, match="sleep did not end within 1 seconds") as refused:
        run_program("sleep", ["60"], b"", 1)
    assert refused.value.reason == "TOO_SLOW"


def test_a_program_has_no_more_time_than_it_may_though_nobody_waits() -> None:
    """The limit is the child's own, so it ends even where the process that called it is gone."""
    assert run_program("sh", ["-c", "ulimit -t"], b"", 7).strip() == b"7"


def test_a_program_that_fails_says_so() -> None:
    """As the tool's own failure, with the end of what it wrote."""
    with pytest.raises(RuntimeError, match="sh ended with 3: no luck"):
        run_program("sh", ["-c", "echo no luck >&2; exit 3"], b"", 10)


def test_a_program_that_is_not_there_is_named() -> None:
    """It was when the tool was listed."""
    with pytest.raises(RuntimeError, match="no-such-program is not installed"):
        run_program("no-such-program", [], b"", 10)

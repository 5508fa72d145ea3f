"""How a command can fail, told apart by what the caller can do about it.

CommandError          carries the exit status and a problem object (RFC 9457) for `--json`
├── Refused           1: the gateway answered no, or the job did not succeed
└── Unreachable       3: nobody answered; the same call may work later
"""

from typing import Any

HINTS = {
    "UNAUTHENTICATED": "Check SCRIP_KEY; without SCRIP_URL and SCRIP_KEY the local run's own keys are used.",
    "FORBIDDEN": "This needs another key: an admin key for grants, accounts and keys.",
    "ACCOUNT_REQUIRED": "An admin key has no account: name one, or use a user's key.",
    "ACCOUNT_NOT_FOUND": "Open it by granting with --create: scrip grant ACCOUNT CREDITS --create",
    "TOOL_NOT_FOUND": "See what there is: scrip tools list",
    "TOOL_DISABLED": "An operator has switched it off.",
    "TOOL_UNAVAILABLE": "See what it waits for: scrip tools list",
    "MANIFEST_INVALID": "A manifest with a mistake changes nothing. Check files here: scrip tools lint FILE",
    "CATEGORY_IN_USE": "Give its tools another category first.",
    "INPUT_INVALID": "See its input schema and examples: scrip tools show SLUG",
    "INSUFFICIENT_CREDITS": "Add some: scrip grant ACCOUNT CREDITS",
    "GRANT_NOT_FOUND": "See what there is: scrip grants ACCOUNT",
    "GRANT_ENDED": "See what is left: scrip grants ACCOUNT --state LIVE",
    "RESERVATION_NOT_FOUND": "See what there was: scrip reservations ACCOUNT --state CAPTURED",
    "REFUND_EXCEEDS_CAPTURED": "See what it cost: scrip statement ACCOUNT --reservation JOB",
    "ACCOUNT_EXISTS": "Change its limit: scrip accounts limit ACCOUNT CREDITS",
    "ACCOUNT_FROZEN": "An operator may let it go on: scrip accounts unfreeze ACCOUNT",
    "ACCOUNT_NOT_EMPTY": "--void withdraws what is available; wait for what is reserved or in transit.",
    "JOB_NOT_FOUND": "See what there is: scrip jobs list; with an admin key, --any finds those of all accounts.",
    "JOB_NOT_INDETERMINATE": "See those that are: scrip jobs list --any --state indeterminate",
    "REQUEST_ID_REUSED": "Use another --idempotency-key for another request.",
    "RATE_LIMITED": "Wait a moment and try again.",
}


class CommandError(Exception):
    """A command failed; `problem` has at least `title`, `detail` and `reason`."""

    exit_code = 1

    def __init__(self, problem: dict[str, Any], hint: str | None = None) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or problem.get("reason")))
        self.problem = problem
        self.hint = hint or HINTS.get(str(problem.get("reason")))

    def lines(self) -> list[str]:
        """What a person reads: what happened, the numbers, and what to do next."""
        said = [f"Error: {self}"]
        violations = self.problem.get("errors") or []
        said += [f"  {one.get('pointer') or '/'}: {one.get('message')}" for one in violations]
        numbers = [
            f"{name} {self.problem[name]}" for name in ("required", "available", "reserved") if name in self.problem
        ]
        if numbers:
            said.append(f"  credits: {', '.join(numbers)}")
        if self.hint:
            said.append(self.hint)
        return said


class Refused(CommandError):
    """The gateway said no."""


class Unreachable(CommandError):
    """Nobody answered, or only somebody in between."""

    exit_code = 3

    def __init__(self, detail: str, hint: str | None = None) -> None:
        problem = {"type": "about:blank", "title": "Unreachable", "reason": "UNREACHABLE", "detail": detail}
        super().__init__(problem, hint)

"""What can go wrong while starting things on this machine.

LocalError            the message is one sentence for the person at the terminal, and says what to do
└── CannotStayUp      a process died too often or never became ready; carries its last lines
"""


class LocalError(Exception):
    """Something on this machine keeps the stack from running; the message names it and the way out."""


class CannotStayUp(LocalError):
    """A supervised process died too often, or was not ready by its deadline."""

    def __init__(self, name: str, reason: str, last_lines: tuple[str, ...]) -> None:
        """`last_lines` are what the process printed last, oldest first."""
        super().__init__(f"{name} cannot stay up: {reason}.")
        self.name = name
        self.reason = reason
        self.last_lines = last_lines

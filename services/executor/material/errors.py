"""What a handler raises when the caller is at fault; anything else it raises is the tool's own failure."""


class ToolError(Exception):
    """The tool cannot work on this input. `reason` is a stable word, `message` a sentence for the caller."""

    def __init__(self, reason: str, message: str) -> None:
        # Both go to Exception, so that the error can travel out of the worker's process.
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

"""How often a provider may be asked again: a part of how often it is asked, so that retries never double its load."""

RETRIES_A_CALL = 0.2
# What is there at first, and at most: a quiet provider's calls are all retried.
RETRIES_MAX = 10.0


class RetryBudget:
    """One for each provider."""

    def __init__(self) -> None:
        self._left = RETRIES_MAX

    def earn(self) -> None:
        """A call is made for the first time."""
        self._left = min(self._left + RETRIES_A_CALL, RETRIES_MAX)

    def spend(self) -> bool:
        """Takes one retry; False where there is none left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

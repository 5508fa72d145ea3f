"""Parts of an amount: which grants it comes from, or goes back to."""

from services.ledger.domain.account import CREDIT, Account, Allocation, GrantState, Reservation

# Numbers of grants, and how much of each: as an event has them.
Parts = tuple[list[int], list[int]]


def take_available(account: Account, amount: int) -> Parts:
    """Parts from the account's grants in burn order, and what they lack from its credit."""
    numbers: list[int] = []
    amounts: list[int] = []
    for grant in account.burn:
        if not amount:
            return numbers, amounts
        part = min(amount, grant.available)
        numbers.append(grant.number)
        amounts.append(part)
        amount -= part
    if amount:
        numbers.append(CREDIT)
        amounts.append(amount)
    return numbers, amounts


def take_held(reservation: Reservation, amount: int, passing_over: int = 0) -> Parts:
    """Parts from the grants a reservation holds, in burn order, after the first `passing_over` of it."""
    numbers: list[int] = []
    amounts: list[int] = []
    for number, held in reservation.holds:
        if not amount:
            break
        if passing_over:
            passed = min(held, passing_over)
            passing_over -= passed
            held -= passed  # noqa: PLW2901 (what is left of it)
        part = min(amount, held)
        if part:
            numbers.append(number)
            amounts.append(part)
            amount -= part
    return numbers, amounts


def give_back(account: Account, taken: tuple[Allocation, ...], amount: int, passing_over: int = 0) -> Parts:
    """Parts that go back to where `taken` came from, the last taken first, after `passing_over` that went before.

    What came from credit reduces what is owed, no further; what came from a grant that is dead is in no part. The rest
    of `amount` is for a new grant.
    """
    parts: dict[int, int] = {}
    for number, took in reversed(taken):
        passed = min(took, passing_over)
        passing_over -= passed
        part = min(took - passed, amount)
        amount -= part
        if number == CREDIT:
            part = min(part, account.owed - parts.get(CREDIT, 0))
        else:
            grant = account.find_grant(number)
            if grant is None or grant.state is not GrantState.LIVE:
                continue
        if part:
            parts[number] = parts.get(number, 0) + part
    return list(parts), list(parts.values())

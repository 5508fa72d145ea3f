"""What credits mean: pure functions over plain state. No I/O and no clock; time and ids arrive in commands.

`decide(account, command, at)` answers the one event a command leads to, or refuses. `due(account, at)` answers what
time and the ledger's own rules lead to. `evolve(account, event, at, journal)` applies an event; it never refuses and
never decides, so an old log folds to the same state under new rules. `Journal.revert` takes back exactly what was
applied. `postings(event, at)` is an event's double entry.

An event is the flat protobuf `Event` of the log itself: one schema for deciding, storing, publishing and reading, and
no copy between them. Amounts are int microcredits, times int microseconds since the Unix epoch. Grant number 0 in an
allocation is the account's credit: what may be spent ahead of a grant.
"""

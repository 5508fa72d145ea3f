"""What credits mean: pure functions over plain state. No I/O, no stubs, no clock; time and ids arrive in commands.

`decide(account, command, at)` answers the one event a command leads to, or refuses. `due(account, at)` answers what
time alone leads to. `evolve(account, event, …)` applies an event; it never refuses and never decides, so an old log
folds to the same state under new rules. Amounts are int microcredits, times int microseconds since the Unix epoch.
"""

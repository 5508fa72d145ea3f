"""The ledger at work: shards in memory, the loop that commits them, and the questions it answers."""

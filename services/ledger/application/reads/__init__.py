"""What the ledger is asked: now from memory, as it was from the entries and the log's tail."""

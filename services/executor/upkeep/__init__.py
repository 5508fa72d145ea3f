"""What is done for jobs beside running them: by time, after crashes, with the ledger, by operators."""

"""The ledger's log and its projections in PostgreSQL."""

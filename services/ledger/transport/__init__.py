"""The ledger's gRPC door."""

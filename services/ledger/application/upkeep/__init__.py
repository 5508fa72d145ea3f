"""What a log that grows needs: partitions ahead of it, snapshots behind it."""

"""Turns in the queue: an account has one waiting job a round and priority, so that none starves another, and no
account's batch holds up its own interactive jobs."""

# The turn a job takes that comes to the queue: after its account's last one of its priority, and not before the one the
# queue is at. `account` and `priority` are the expressions of these.
TURN = """greatest(
    (SELECT max(queued.round) + 1 FROM job AS queued
      WHERE queued.state = 'QUEUED' AND NOT queued.gated AND queued.account_id = {account}
        AND queued.priority = {priority}),
    (SELECT queued.round FROM job AS queued
      WHERE queued.state = 'QUEUED' AND NOT queued.gated AND queued.held_until <= clock_timestamp()
      ORDER BY queued.round, queued.priority, queued.created_at, queued.job_id LIMIT 1),
    0)"""

"""Turns in the queue: an account has one waiting job a round, so that none starves another."""

# The turn a job takes that comes to the queue: after its account's last one, and not before the turn the queue is at.
# `account` is the expression of its account.
TURN = """greatest(
    (SELECT max(queued.round) + 1 FROM job AS queued
      WHERE queued.state = 'QUEUED' AND NOT queued.gated AND queued.account_id = {account}),
    (SELECT queued.round FROM job AS queued
      WHERE queued.state = 'QUEUED' AND NOT queued.gated AND queued.held_until <= clock_timestamp()
      ORDER BY queued.round, queued.priority, queued.created_at, queued.job_id LIMIT 1),
    0)"""

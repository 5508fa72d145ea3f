"""From the queue to the outcome: jobs are taken in, claimed, admitted and driven."""

"""What may happen to a job, who may wish it, and what it costs."""

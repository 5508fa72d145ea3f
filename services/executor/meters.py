"""What the executor counts, for /metrics."""

from prometheus_client import Counter, Gauge, Histogram

from services.executor.store.rows import Job

MOVED = Counter("scrip_jobs_total", "Steps of jobs after their start", ["tool", "state"])
SECONDS = Histogram(
    "scrip_job_call_seconds",
    "Seconds a call of a tool took, of jobs that ended",
    ["tool"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300),
)
SETTLED = Counter("scrip_settlements_total", "Settlements the ledger decided for good", ["settlement"])
HELD = Gauge("scrip_jobs_held", "Jobs this executor holds")
FINDINGS = Gauge("scrip_reconciler_findings", "Jobs and reservations that do not fit together", ["kind"])
RECONCILED = Gauge(
    "scrip_reconciler_age_seconds", "Seconds since jobs and reservations were last compared, by any executor"
)
INSPECTIONS = Counter(
    "scrip_inspections_total", "Times a provider was asked what became of a job, by what was to be seen", ["sight"]
)
FILES_WAITING = Gauge(
    "scrip_output_files_waiting", "Files of outputs that are to move to the object store, of all executors"
)
INDETERMINATE = Gauge("scrip_jobs_indeterminate", "Jobs whose outcome is not known, of all executors")
INDETERMINATE_OLDEST = Gauge("scrip_jobs_indeterminate_oldest_seconds", "Seconds the oldest of them has been so")


def moved(job: Job) -> None:
    """Counts a step of a job; `job` is the row after it."""
    MOVED.labels(job.tool, job.state).inc()
    if job.has_ended and job.started_at:
        SECONDS.labels(job.tool).observe(job.duration_ms / 1000)

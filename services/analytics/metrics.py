"""What the analytics service counts."""

from prometheus_client import Counter, Gauge

EVENTS = Counter("scrip_analytics_events_total", "Events applied to the projections", ["source"])
COMMITS = Counter("scrip_analytics_commits_total", "Commits applied, by how they came", ["source", "via"])
FILLS = Counter("scrip_analytics_fills_total", "Times the owner was asked because messages did not fit", ["source"])
UNREADABLE = Counter("scrip_analytics_unreadable_messages_total", "Messages that are no commit of a followed log")
RESUBSCRIPTIONS = Counter("scrip_analytics_resubscriptions_total", "Times the subscription was made anew", ["cause"])
STOPPED = Gauge("scrip_analytics_shard_stopped", "1 while a shard stands still and needs a person", ["source", "shard"])

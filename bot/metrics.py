"""Counters for Prometheus. Gauges of what waits are read from the database when scraped."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

EVENTS = Counter("watchstander_events_total", "Deliveries taken from the inbox", ["source", "kind"])
HANDLING_SECONDS = Histogram(
    "watchstander_handling_seconds", "Seconds from taking a delivery to its commit", ["kind"]
)
SENDS = Counter("watchstander_sends_total", "Sends to a room", ["platform", "kind", "result"])

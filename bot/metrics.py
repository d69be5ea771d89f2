"""Counters for Prometheus. Gauges of what waits are read from the database when scraped."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("watchstander_events_total", "Deliveries taken from the inbox", ["source", "kind"])
HANDLING_SECONDS = Histogram(
    "watchstander_handling_seconds", "Seconds from taking a delivery to its commit", ["kind"]
)
ACTIONS = Gauge("watchstander_actions", "Actions by state", ["state"])
INCIDENTS = Gauge("watchstander_incidents", "Incidents by state", ["state"])
WAITING = Gauge("watchstander_waiting", "Rows that wait to be handled or sent", ["box"])
OLDEST = Gauge("watchstander_oldest_seconds", "Seconds the oldest row has waited", ["box"])
DISK_FREE = Gauge("watchstander_disk_free_bytes", "Space where the bot's files grow", ["folder"])
LINK_UP = Gauge("watchstander_link_up", "1 while a room platform or the reader is alive", ["name"])
SENDS = Counter("watchstander_sends_total", "Sends to a room", ["platform", "kind", "result"])

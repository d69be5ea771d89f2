"""Start a systemd unit or a container."""

from engine.actions.action_type import ActionType, service_verb

SERVICE_START = ActionType("service_start", service_verb("start"))

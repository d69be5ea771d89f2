"""Stop a systemd unit or a container."""

from engine.actions.action_type import ActionType, service_verb

SERVICE_STOP = ActionType("service_stop", service_verb("stop"))

"""Restart a systemd unit or a container."""

from engine.actions.action_type import ActionType, service_verb

SERVER_RESTART = ActionType("server_restart", service_verb("restart"))

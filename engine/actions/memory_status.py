"""How much memory a host has left, in MiB."""

from engine.actions.action_type import ActionType, each_host

MEMORY_STATUS = ActionType("memory_status", each_host(lambda *_: ["free", "-m"]), changes=False)

"""How full the disks of a host are."""

from engine.actions.action_type import ActionType, each_host

DISK_STATUS = ActionType("disk_status", each_host(lambda *_: ["df", "-hP"]), changes=False)

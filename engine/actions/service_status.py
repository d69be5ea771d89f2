"""How a systemd unit or a container stands.

``systemctl show`` and not ``status`` or ``is-active``: those end with status 3 for a unit that is
stopped, and to look at a stopped unit is not a failure.
"""

from engine.actions.action_type import ActionType, container, each, unit
from engine.inventory import Asset

_PROPERTIES = "Id,ActiveState,SubState,Result,MainPID,NRestarts,ActiveEnterTimestamp,MemoryCurrent"
_FORMAT = (
    "{{.Name}} {{.State.Status}} exit={{.State.ExitCode}} oom={{.State.OOMKilled}}"
    " health={{with .State.Health}}{{.Status}}{{else}}none{{end}}"
    " restarts={{.RestartCount}} since={{.State.StartedAt}}"
)


def _argv(asset: Asset) -> list[str]:
    if asset.container:
        return [
            "docker",
            "inspect",
            "--type=container",
            f"--format={_FORMAT}",
            "--",
            container(asset),
        ]
    return ["systemctl", "show", "--no-pager", f"--property={_PROPERTIES}", "--", unit(asset)]


SERVICE_STATUS = ActionType("service_status", each(_argv), changes=False)

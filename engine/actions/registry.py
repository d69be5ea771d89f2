"""Every action type that has a runner. A new one is its own file and a line here."""

from engine.actions.account_disable import ACCOUNT_DISABLE
from engine.actions.action_type import ActionType
from engine.actions.bulk_sr_update import BULK_SR_UPDATE
from engine.actions.compose_restart import COMPOSE_RESTART
from engine.actions.db_lock_status import DB_LOCK_STATUS
from engine.actions.disk_status import DISK_STATUS
from engine.actions.log_collect import LOG_COLLECT
from engine.actions.memory_status import MEMORY_STATUS
from engine.actions.script_exec import SCRIPT_EXEC
from engine.actions.server_restart import SERVER_RESTART
from engine.actions.service_start import SERVICE_START
from engine.actions.service_status import SERVICE_STATUS
from engine.actions.service_stop import SERVICE_STOP

ACTION_TYPES: tuple[ActionType, ...] = (
    SERVER_RESTART,
    COMPOSE_RESTART,
    SERVICE_STOP,
    SERVICE_START,
    SERVICE_STATUS,
    LOG_COLLECT,
    DISK_STATUS,
    MEMORY_STATUS,
    DB_LOCK_STATUS,
    SCRIPT_EXEC,
    BULK_SR_UPDATE,
    ACCOUNT_DISABLE,
)

BY_NAME = {action.name: action for action in ACTION_TYPES}

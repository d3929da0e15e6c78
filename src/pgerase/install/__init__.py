"""pgerase's own roles, schemas, ledger and functions in a database: making them, renewing them, taking them away."""

from pgerase.install.borrow import acting_as, borrowed, lent, take_back
from pgerase.install.names import Names
from pgerase.install.role_script import roles_sql
from pgerase.install.run import Report, install, plan_install, plan_uninstall, uninstall
from pgerase.install.steps import Mark, Step

__all__ = [
    "Mark",
    "Names",
    "Report",
    "Step",
    "acting_as",
    "borrowed",
    "install",
    "lent",
    "plan_install",
    "plan_uninstall",
    "roles_sql",
    "take_back",
    "uninstall",
]

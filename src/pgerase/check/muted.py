"""Settings and grants that switch triggers off: then capture writes nothing down, guards refuse nothing, and keys are not checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from pgerase.catalog.model import Catalog, ParameterGrant, Routine, SessionSetting
from pgerase.check.door import Door, judge
from pgerase.check.door_codes import Code
from pgerase.check.look import Look
from pgerase.check.spelling import in_sql, roles_in_sql, routine_in_sql, routine_kind, spell_routine
from pgerase.errors import Finding, Severity
from pgerase.rules.pack import AcceptedDoor

SILENCER = "session_replication_role"
"""With `replica` the triggers that everybody makes do not fire; `local` changes nothing for them."""
_SILENT = "replica"

_STRONG_PARAMETERS: Mapping[str, str] = {
    SILENCER: "switch capture, guards and foreign keys off for whatever it writes",
    "lo_compat_privileges": "read and write every large object",
    "session_preload_libraries": "have its sessions load any library that the server finds",
    "dynamic_library_path": "decide where the server looks for libraries",
}
"""Parameter → what setting it in a session is good for."""


def muted(look: Look) -> Iterator[Door]:
    """Doors that are settings of roles, databases and functions, and rights to set parameters."""
    yield from settings_doors(look.catalog.session_settings, look.catalog.parameter_grants, look.severity)
    for routine in look.catalog.routines:
        if f"{SILENCER}={_SILENT}" in (one.lower() for one in routine.settings):
            yield _routine(look, routine)


def judge_muted(
    catalog: Catalog, prefix: str, viewers: Collection[str], accepted: Collection[AcceptedDoor]
) -> tuple[Finding, ...]:
    """What `verify` finds of these doors, for who looks at nothing else. `viewers` as for all doors."""
    found = tuple(muted(Look(catalog, (), prefix, viewers, by_login=False, exempt={})))
    named = {(door.kind, door.name) for door in found}
    return judge(found, [one for one in accepted if (one.kind, one.name) in named])


def settings_doors(
    settings: Iterable[SessionSetting], grants: Iterable[ParameterGrant], severity: Callable[[str], Severity]
) -> Iterator[Door]:
    """The doors among these settings and rights; `severity` is asked by the role that has them."""
    for setting in settings:
        if setting.name == SILENCER and setting.value.lower() == _SILENT:
            yield _setting(setting, severity)
    for grant in grants:
        system = grant.privilege == "ALTER SYSTEM"
        if not system and grant.parameter not in _STRONG_PARAMETERS:
            continue
        can = f"set {grant.parameter} for the whole server" if system else _STRONG_PARAMETERS[grant.parameter]
        yield Door(
            Code.PARAMETER,
            "grant",
            f"{grant.grantee}/{grant.parameter}",
            severity(grant.grantee),
            f"{grant.grantee} has {grant.privilege} on the parameter {grant.parameter}: it can {can}.",
            fix=f"revoke {grant.privilege.lower()} on parameter {grant.parameter} from {roles_in_sql([grant.grantee])};",
        )


def _setting(setting: SessionSetting, severity: Callable[[str], Severity]) -> Door:
    reset = f"reset {SILENCER};"
    role, database = setting.role, setting.database
    if setting.server:
        who, name, fix = "every session", "server", f"alter system {reset}\nselect pg_catalog.pg_reload_conf();"
    elif role is not None and database is not None:
        fix = f"alter role {in_sql(role)} in database {in_sql(database)} {reset}"
        who, name = role, f"{role} in {database}"
    elif role is not None:
        who, name, fix = role, role, f"alter role {in_sql(role)} {reset}"
    elif database is not None:
        who, name, fix = f"every session of {database}", database, f"alter database {in_sql(database)} {reset}"
    else:
        who, name, fix = "every session", "all", f"alter role all {reset}"
    return Door(
        Code.TRIGGERS_OFF,
        "setting",
        f"{name}/{SILENCER}",
        Severity.ERROR if setting.role is None else severity(setting.role),
        f"{who} begins with {SILENCER} = {_SILENT}: of what it writes nothing is captured, and no guard looks at it.",
        "It stays in force in sessions that are open",
        fix,
    )


def _routine(look: Look, routine: Routine) -> Door:
    users = look.users(routine.grants, routine.owner, frozenset({"EXECUTE"}))
    return Door(
        Code.SILENT_FUNCTION,
        routine_kind(routine),
        spell_routine(routine),
        Severity.ERROR if routine.is_trigger or look.for_viewers(users) else Severity.WARNING,
        f"{routine_kind(routine)} {spell_routine(routine)} runs with {SILENCER} = {_SILENT}: of what it writes nothing is"
        " captured, and no guard looks at it.",
        fix=f"alter routine {routine_in_sql(routine)} reset {SILENCER};",
    )

"""Who plays in the demo of each shipped pack, and what they are asked. SQL finds the people, so that what they are called is true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Part:
    """A part in the story. `find` returns one row: the person's key and a description of him; None for nobody signed in."""

    label: str
    find: str | None


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of the tables of counts: a statement that returns one value, a number or a few names."""

    title: str
    statement: str
    is_count: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """A write by the first part, rolled back again. `allowed`: whether it has to change rows; else none, or be refused.

    `claim` says in words what then holds.
    """

    claim: str
    statement: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class Meddling:
    """A change by hand: statements as superuser, what drift has to name for it, and how its author takes it back.

    Without `undo` it is left to apply.
    """

    why: str
    statement: str
    named: str
    undo: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What `explain` is asked of the first part: may she read this row? `because` is what the answer has to name.

    `shown` are patterns of its other lines that the story shows.
    """

    resource: str
    key: str
    allowed: bool
    because: str
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Analyst:
    """Who gets numbers instead of rows. `statement` reads an aggregate, groups of `size` of the rows that `keys` lists or more."""

    part: Part
    statement: str
    size: str
    at_least: int


@dataclass(frozen=True, slots=True)
class Logged:
    """What the first part writes in her own name, and what the log has to say of it.

    `apart` is the column whose values are hers alone, `tampering` what somebody does to the log as superuser, with `{log}` for
    its schema, and `undo` how it is taken back.
    """

    writes: tuple[str, ...]
    apart: str
    tampering: str
    undo: str


@dataclass(frozen=True, slots=True)
class Staff:
    """Who of the staff looks at the first part's data, and who may not. `allow` and `withdraw` are statements of hers.

    `open` is the agent's, with `{prefix}` and `{key}`, which `measures` of what is seen have, too; `told` is hers, about who saw.
    """

    agent: Part
    others: Part
    measures: tuple[Measure, ...]
    open: str
    allow: str
    told: str


@dataclass(frozen=True, slots=True)
class Leaver:
    """Who is erased in the end: the first part. `identifiers` returns (name, value) rows for `{key}`, to be given to the proof.

    `measures` are asked as superuser, with `{key}` and `{above}` (the person above) put in.
    """

    subject: str
    identifiers: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Everything the story needs to know about one pack. `keys` lists what a viewer reads of the main table, by key.

    The order of `parts`: somebody; the person above her; an outsider; a super admin; nobody. `example` is the table whose
    policy is shown.
    """

    database: str
    owner: str
    schema: str
    login: str
    parts: tuple[Part, ...]
    measures: tuple[Measure, ...]
    keys: str
    example: tuple[str, str]
    shown: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    questions: tuple[Question, ...]
    main: str
    """The resource that `keys` lists."""
    analyst: Analyst
    meddling: tuple[Meddling, ...]
    logged: Logged
    staff: Staff
    leaver: Leaver


_PERSON: Final = "u.first_name || ' ' || u.last_name || ', ' || u.title"

_CUSTOMER_SUCCESS: Final = Cast(
    database="customer_success",
    owner="cs_owner",
    schema="cs",
    login="cs_web",
    parts=(
        Part(
            "a CSM",
            f"select u.user_id as key, {_PERSON} as person from cs.app_user as u"
            " where u.user_name = 'carla' and u.title = 'CSM'",
        ),
        Part(
            "her manager",
            f"select u.user_id as key, {_PERSON} as person from cs.app_user as u"
            " join cs.app_user as csm on csm.manager_id = u.user_id where csm.user_name = 'carla'",
        ),
        Part(
            "a partner",
            f"select u.user_id as key, {_PERSON} as person from cs.app_user as u"
            " where u.user_type = 'partner' and u.status = 'ACTIVE' order by u.user_id limit 1",
        ),
        Part(
            "a super admin",
            f"select u.user_id as key, {_PERSON} as person from cs.app_user as u"
            " where u.is_super_admin and u.status = 'ACTIVE' and u.tenant_id = 1",
        ),
        Part("nobody", None),
    ),
    measures=(
        Measure("accounts", "select count(*) from cs.company"),
        # FOR KEY SHARE returns the rows that may be changed as well as read, and changes nothing.
        Measure("to change", "select count(*) from (select from cs.company for key share) as c"),
        Measure("tasks", "select count(*) from cs.call_to_action"),
        Measure("people", "select count(*) from cs.app_user"),
        Measure(
            "some of the accounts",
            "select coalesce(string_agg(c.name, ', ' order by c.company_id), '') from"
            " (select company_id, name from cs.company order by company_id limit 3) as c",
            is_count=False,
        ),
    ),
    keys="select company_id as key from cs.company",
    example=("cs.relationship_type", "csp_read"),
    shown=(
        r"^\+ membership cs_web ",
        r"^\+ function csp_lookup\.reach\(\)$",
        r"^\+ trigger csp_guard on cs\.app_user ",
        r"^\+ policy csp_(read|require_tenant_read) on cs\.company ",
        r"^\+ row security cs\.company ",
    ),
    attempts=(
        Attempt(
            "she changes an account of hers",
            "update cs.company set health = 'green' where company_id = 1",
            allowed=True,
        ),
        Attempt(
            "she does not change one that she only reads",
            "update cs.company set health = 'green' where company_id = 11",
            allowed=False,
        ),
        Attempt(
            "she does not make herself a super admin",
            "update cs.app_user set is_super_admin = true where user_name = 'carla'",
            allowed=False,
        ),
    ),
    questions=(
        Question(
            "company",
            "1",
            allowed=True,
            because="account team",
            shown=(r"^allowed", r"grants it$", r"yes: company_id", r"accounts from", r"also granted", r"asked as"),
        ),
        Question(
            "company",
            "13",
            allowed=False,
            because="churn desk",
            shown=(r"^denied", r"nothing grants", r"(churn desk|account team)", r"no: stage", r"asked as"),
        ),
    ),
    main="company",
    analyst=Analyst(
        Part(
            "an analyst",
            f"select u.user_id as key, {_PERSON} as person from cs.app_user as u where u.user_name = 'oscar'",
        ),
        statement="select stage, companies, revenue from csp.companies_by_stage order by stage",
        size="companies",
        at_least=5,
    ),
    meddling=(
        Meddling(
            "a report showed too little, and somebody was in a hurry",
            "create policy quick_fix on cs.company for select using (true)",
            named="policy quick_fix on cs.company",
            undo="drop policy quick_fix on cs.company",
        ),
        Meddling(
            "a migration saw no rows",
            "alter table cs.app_user no force row level security",
            named="row security cs.app_user",
        ),
    ),
    logged=Logged(
        writes=(
            "update cs.app_user set phone = '+1 212 555 0142' where user_id = 1001",
            (
                "update cs.call_to_action set priority = 'high' where cta_id ="
                " (select min(cta_id) from cs.call_to_action where owner_id = 1001 and priority <> 'high')"
            ),
        ),
        apart="phone",
        tampering="set session_replication_role = replica;"
        " update {log}.entry set actor = '1002' where actor = '1001' and relation = 'cs.call_to_action'",
        undo="update {log}.entry set actor = '1001' where actor = '1002' and relation = 'cs.call_to_action';"
        " reset session_replication_role",
    ),
    staff=Staff(
        agent=Part(
            "support",
            f"select u.user_id as key, {_PERSON} as person from cs.app_user as u where u.user_type = 'support_agent'",
        ),
        others=Part(
            "sales",
            f"select u.user_id as key, {_PERSON} as person from cs.app_user as u where u.user_name = 'alan'",
        ),
        measures=(
            Measure("her tasks", "select count(*) from cs.call_to_action where owner_id = {key}"),
            Measure("her activities", "select count(*) from cs.timeline_activity where author_id = {key}"),
            Measure("all tasks", "select count(*) from cs.call_to_action"),
        ),
        open="select {prefix}.open_support('employee', '{key}', 'cannot see her tasks', 'T-4711', now() + interval '1 hour')",
        allow="update cs.app_user set allow_support = true where user_id = {key}",
        told="select kind, to_char(since, 'YYYY-MM-DD') as day, reason, ticket, staff from {prefix}.who_saw_me()",
    ),
    leaver=Leaver(
        subject="employee",
        identifiers="select v.name, v.value from cs.app_user as u cross join lateral (values ('email', u.email),"
        " ('user_name', u.user_name), ('full_name', u.first_name || ' ' || u.last_name)) as v (name, value)"
        " where u.user_id = {key}",
        measures=(
            Measure("open", "select count(*) from cs.call_to_action where owner_id = {key} and status <> 'Closed'"),
            Measure(
                "manager's",
                "select count(*) from cs.call_to_action where owner_id = {above} and status <> 'Closed'",
            ),
            Measure("closed", "select count(*) from cs.call_to_action where owner_id = {key} and status = 'Closed'"),
            Measure("activities", "select count(*) from cs.timeline_activity where author_id = {key}"),
            Measure("groups", "select count(*) from cs.sharing_group_member where user_id = {key}"),
            Measure(
                "name, status",
                "select first_name || ' ' || last_name || ', ' || status from cs.app_user where user_id = {key}",
                is_count=False,
            ),
        ),
    ),
)

CASTS: Final[Mapping[str, Cast]] = MappingProxyType({"customer_success": _CUSTOMER_SUCCESS})
"""By the name of the pack's folder under `policies/`."""

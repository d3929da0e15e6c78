"""The SQL that travels with pgerase: numbered migrations and re-creatable routines, with their checksums. Reads files only."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from pgerase import resources
from pgerase.errors import InternalError, UsageError
from pgerase.install.localize import localize
from pgerase.install.names import Home, Names
from pgerase.render.fragments import quote_literal
from pgerase.rules.access import IdentityKind

ROUTINES = {
    # Those that sessions and policies call, in the order they are made: which file, for each way of identifying viewers that
    # needs it.
    "admit": {IdentityKind.TOKEN: "admit"},
    "is_json": {IdentityKind.CLAIMS: "is_json"},
    "claimed_viewer": {IdentityKind.CLAIMS: "claimed_viewer"},
    "presented_viewer": {
        IdentityKind.SETTING: "presented_viewer_setting",
        IdentityKind.ROLE: "presented_viewer_role",
        IdentityKind.CLAIMS: "presented_viewer_claims",
        IdentityKind.TOKEN: "presented_viewer_setting",
    },
    "current_viewer": {
        IdentityKind.SETTING: "current_viewer_setting",
        IdentityKind.ROLE: "current_viewer_role",
        IdentityKind.CLAIMS: "current_viewer_claims",
        IdentityKind.TOKEN: "current_viewer_token",
    },
    "present": {IdentityKind.SETTING: "present", IdentityKind.TOKEN: "present"},
    "become": {
        IdentityKind.SETTING: "become_setting",
        IdentityKind.ROLE: "become_role",
        IdentityKind.CLAIMS: "become_claims",
        IdentityKind.TOKEN: "become_token",
    },
    "forget": {
        IdentityKind.SETTING: "forget",
        IdentityKind.ROLE: "forget",
        IdentityKind.CLAIMS: "forget_claims",
        IdentityKind.TOKEN: "forget",
    },
    "annotate": dict.fromkeys(IdentityKind, "annotate"),
    # Support access is for people whom the session cannot choose to be.
    **{
        name: {IdentityKind.ROLE: name, IdentityKind.TOKEN: name}
        for name in (
            "open_support",
            "open_break_glass",
            "approve_support",
            "close_support",
            "review_support",
            "list_support",
            "ticket_keys",
            "held_grant",
        )
    },
    # The person's view of support access, which there is only where nobody can take another's identity.
    "who_saw_me": {IdentityKind.ROLE: "who_saw_me", IdentityKind.TOKEN: "who_saw_me"},
    "my_messages": {IdentityKind.ROLE: "my_messages", IdentityKind.TOKEN: "my_messages"},
}

API_FOR_INSTALLER = frozenset({"annotate"})
"""Those of them that the installing role may call: its migrations answer for what they write."""

DEFAULT_CLAIM = "sub"
"""The claim of a JWT that names its subject (RFC 7519), as the routines for claims spell it."""

INTERNAL_ROUTINES = {
    # Those that operators call, and helpers of these, in the order they are made: whether the installing role may call it.
    "make_token": False,
    "is_erased": True,
    "is_requested": True,
    "assert_subject": False,
    "assert_open": False,
    "people_status": True,
    "set_people_state": True,
    "open_request": True,
    "close_request": True,
    "take_people": True,
    "plan_people": True,
    "erase_people": True,
    "fail_person": True,
    "retry_people": True,
    # Keys are for pgerase_secret alone: who manages them borrows its rights.
    "token_audience": False,
    "from_base64url": False,
    "signatures": False,
    "signing_keys": False,
    "keep_signing_key": False,
    "draw_signing_key": False,
    "make_room_for_key": False,
    "retire_signing_key": False,
    # Support access: what operators do in somebody's name, and what views and the functions above are made of.
    "support_terms": False,
    "support_viewer": False,
    "support_person": False,
    "grant_in_sight": False,
    "note_support": False,
    "support_lock": False,
    "open_grant": True,
    "approve_grant": True,
    "close_grant": True,
    "review_grant": True,
    "list_grants": True,
    "open_reviews": True,
    "open_grants": False,
    "keep_ticket": False,
    "forget_support": False,
    "prune_support": True,
    # What is told about support access, and to whom.
    "announcing": True,
    "announce": False,
    "message_text": False,
    "note_overdue": True,
    "take_message": True,
    "settle_message": True,
    "retry_messages": True,
    "who_saw": True,
    "own_person": False,
}

LOG_ROUTINES = {
    # Those that write and keep the log, in the order they are made: whether the installing role may call it.
    "annotation": False,
    "type_of": False,
    "write_entry": False,
    "add_record": False,
    # Partitions and what becomes of them.
    "next_boundary": True,
    "named_day": True,
    "partitions": True,
    "refuse_change": False,
    "close_table": False,
    "make_table": False,
    "drop_bounds": False,
    "fill_classes": False,
    "fill_gaps": True,
    "make_partitions": True,
    "define_class": True,
    # The seal.
    "entry_text": False,
    "value_text": False,
    "record_text": False,
    "segment_text": False,
    "text_hash": False,
    "commitment": False,
    "draw_seed": False,
    "salt": False,
    "merkle_level": False,
    "root_of_leaves": False,
    "root_of_path": False,
    "inclusion_path": False,
    "is_readable": True,
    "kept_until": True,
    "unattached": False,
    "refuse_strangers": False,
    "first_unsealed": True,
    "empty_salts": False,
    "forget_people": False,
    "next_transaction": False,
    "seal": True,
    "headers_root": True,
    "keep_checkpoint": True,
    "verify_chain": True,
    "drops": True,
    "detached": True,
    "apart": False,
    "verify_segments": True,
    "verify_entries": True,
    "verify_values": True,
    "verify_records": True,
    "verify_order": True,
    "verify_held": True,
    "export_lines": True,
    "begin_run": True,
    "end_run": True,
    "gaps": True,
    # Holds, and what they keep.
    "held_grants": True,
    "is_held": True,
    "keep_of": False,
    "place_hold": True,
    "release_holds": True,
    "held_entries": False,
    "keep_held": True,
    "drop_released": True,
    "drop_detached": True,
}

LOG_TRIGGER_ROUTINES = frozenset({"refuse_change"})
"""Those that the log's tables call by triggers, and that go after these."""

LOG_MIGRATIONS = frozenset({"log", "seal", "retention"})
"""Those that make the log's tables, and run as its owner; the others make the ledger's."""

_MIGRATION = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)\.sql\Z")


@dataclass(frozen=True, slots=True)
class Migration:
    """A script that runs once. Once released its file never changes: the ledger knows its checksum."""

    version: int
    name: str
    script: str
    checksum: str

    @property
    def home(self) -> Home:
        """The schema it works in, whose owner runs it."""
        return Home.LOG if self.name in LOG_MIGRATIONS else Home.INTERNAL


@dataclass(frozen=True, slots=True)
class RoutineSource:
    """A routine and the script that makes it, again and again. `for_installer`: the installing role may call it.

    `claim` takes the place of the default one in it.
    """

    home: Home
    name: str
    file: str
    script: str
    checksum: str
    for_installer: bool = False
    claim: str = DEFAULT_CLAIM

    def written(self, names: Names) -> str:
        """The script with the names of a prefix, and with the claim."""
        # After the names, none of which may be found in the claim.
        return localize(self.script, names).replace(quote_literal(DEFAULT_CLAIM), quote_literal(self.claim))


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything one version of pgerase installs for one identity kind, written for the default prefix."""

    migrations: tuple[Migration, ...]
    routines: tuple[RoutineSource, ...]


@cache
def read_sources(identity: IdentityKind, claim: str = DEFAULT_CLAIM) -> Sources:
    """What this version installs. Raises UsageError for a claim that no routine can hold."""
    if not claim.isprintable() or not claim or "$$" in claim:
        raise UsageError(
            f"the claim {claim!r} cannot be installed",
            hint="a claim's name is printable text without two dollar signs in a row",
        )
    return Sources(migrations=_migrations(), routines=_routines(identity, claim))


def checksum(text: str) -> str:
    """SHA-256 of a file's text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _migrations() -> tuple[Migration, ...]:
    found: list[Migration] = []
    for path in sorted(resources.folder("sql").joinpath("migrations").glob("*.sql")):
        match = _MIGRATION.match(path.name)
        if match is None:
            raise InternalError(f"sql/migrations/{path.name} is not named like 0001_what.sql")
        text = resources.read_text("sql", "migrations", path.name)
        found.append(Migration(int(match["version"]), match["name"], text, checksum(text)))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise InternalError("sql/migrations are not numbered one after the other")
    return tuple(found)


def _routines(identity: IdentityKind, claim: str) -> tuple[RoutineSource, ...]:
    return (
        *(
            _routine(Home.API, name, variants[identity], for_installer=name in API_FOR_INSTALLER, claim=claim)
            for name, variants in ROUTINES.items()
            if identity in variants
        ),
        *(_routine(Home.INTERNAL, name, name, for_installer=allowed) for name, allowed in INTERNAL_ROUTINES.items()),
        *(_routine(Home.LOG, name, name, for_installer=allowed) for name, allowed in LOG_ROUTINES.items()),
    )


def _routine(
    home: Home, name: str, stem: str, *, for_installer: bool = False, claim: str = DEFAULT_CLAIM
) -> RoutineSource:
    file = f"{stem}.sql"
    text = resources.read_text("sql", "routines", file)
    if claim == DEFAULT_CLAIM or quote_literal(DEFAULT_CLAIM) not in text:
        return RoutineSource(home, name, file, text, checksum(text), for_installer)
    return RoutineSource(home, name, file, text, checksum(f"{text}{claim}"), for_installer, claim)

"""Carries out what people ask for: requests, the lifecycle of people, and erasing them in batches that can be resumed.

All state is in the ledger, so that whoever is killed leaves nothing half done. It decides nothing about rows: that is in the
functions that `compile` generates. What it shows and raises holds no value of anybody's row.
"""

from pgerase.operate.deliver import Attempt, Audience, Message, Outbox, deliver_due, outbox
from pgerase.operate.erase import dry_run, erase, rehearse
from pgerase.operate.keys import KeyState, KnownKey, add_key, draw_key, import_key, list_keys, retire_key
from pgerase.operate.model import (
    Count,
    DryRun,
    Erasure,
    Event,
    Failure,
    Outcome,
    Person,
    Progress,
    Request,
    RequestKind,
    State,
    Violation,
)
from pgerase.operate.people import history, set_state, status
from pgerase.operate.register import Register
from pgerase.operate.requests import close_request, list_requests, open_request, read_request, retry_request
from pgerase.operate.who_saw import Returned, Sight, who_saw

__all__ = [
    "Attempt",
    "Audience",
    "Count",
    "DryRun",
    "Erasure",
    "Event",
    "Failure",
    "KeyState",
    "KnownKey",
    "Message",
    "Outbox",
    "Outcome",
    "Person",
    "Progress",
    "Register",
    "Request",
    "RequestKind",
    "Returned",
    "Sight",
    "State",
    "Violation",
    "add_key",
    "close_request",
    "deliver_due",
    "draw_key",
    "dry_run",
    "erase",
    "history",
    "import_key",
    "list_keys",
    "list_requests",
    "open_request",
    "outbox",
    "read_request",
    "rehearse",
    "retire_key",
    "retry_request",
    "set_state",
    "status",
    "who_saw",
]

"""`audit seal`: seal what is committed, sign the headers, anchor the checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from pgerase.cli.audit_options import anchor_of, seal_rules
from pgerase.cli.output import print_result, progress
from pgerase.cli.people import open_log, prefix_option
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.errors import ExitCode, UsageError
from pgerase.operate.seal.checkpoint import Checkpoint
from pgerase.operate.seal.keys import SealKey
from pgerase.operate.seal.sealing import Anchor, Sealed, anchor, kept_checkpoints, seal_log, sign_log
from pgerase.rules.audit import Seal


@click.command("seal")
@common_options
@prefix_option
@click.option("--unsigned", is_flag=True, help="Only seal: somebody else signs.")
@click.option("--again", is_flag=True, help="Anchor the last checkpoint once more, where nothing new was signed.")
@click.pass_obj
def seal(settings: Settings, prefix: str | None, *, unsigned: bool, again: bool) -> int:
    """Seal the log: run it as often as `seal.every` in audit.yaml says.

    Entries are hashed into a tree, its root into a chain of headers, and the headers are signed with the key in the environment
    variable that `seal.key_env` names. Writers are not waited for and do not wait. Without the key everything is sealed and
    nothing signed, which is exit code 1.
    """
    rules = seal_rules(settings)
    if rules is None and not unsigned:
        raise UsageError(
            "no audit.yaml says how the log is sealed",
            hint="name the folder with the rule files: --pack DIR, with `seal:` in its audit.yaml; or seal only: --unsigned",
        )
    key = None if unsigned or rules is None else SealKey.from_environment(rules.key_env)
    to = None if unsigned or rules is None else anchor_of(settings, rules)
    with settings.open_database() as database:
        log = open_log(settings, database, prefix)
        done = seal_log(log, progress=_told)
        signed = sign_log(log, key, anchors=to.file if to else None) if key is not None else None
        before = max((row["size"] for row in log.rows("seal_checkpoints")), default=0)
        last = signed
        if signed is None and key is not None and to is not None and (again or to.file is not None):
            mine = [one for one in kept_checkpoints(log) if one.key_id == key.public.key_id]
            last = mine[-1] if mine else None
    anchored = Anchor()
    if last is not None and to is not None:
        # A file is looked at whether it has it; an address is sent it once, and again only where somebody says so.
        anchored = anchor(last, to if signed is not None or again else Anchor(to.file))
    missing = key is None and not unsigned
    lines = _lines(done, signed, before, rules.key_env if rules and missing else None, unsigned=unsigned)
    lines += _anchored(anchored, rules, is_nowhere=signed is not None and to == Anchor())
    print_result(settings, lines, _data(done, signed, key, anchored))
    return ExitCode.NO if missing else ExitCode.DONE


def _told(entries: int) -> None:
    if entries:
        progress(f"sealed {counted(entries, 'entry')}")


def _lines(done: Sealed, signed: Checkpoint | None, before: int, missing: str | None, *, unsigned: bool) -> list[str]:
    """`before` is how many headers were signed already, `missing` the variable that should hold a key."""
    entries, records = counted(done.entries, "entry"), counted(done.records, "record")
    if done.entries or done.records:
        lines = [f"sealed: {entries} and {records} in {counted(done.segments, 'segment')}"]
    elif done.segments:
        added = "was added, which says" if done.segments == 1 else "were added, which say"
        added = f"{counted(done.segments, 'segment')} without entries {added} up to where all is sealed"
        lines = [f"sealed: nothing new; {added}"]
    else:
        lines = ["sealed: nothing new"]
    signed_before = f"{counted(before, 'header')} signed before" if before else "nothing was ever signed"
    if signed is not None:
        lines.append(f"signed: {counted(signed.size, 'header')}, by key {signed.key_id}")
    elif missing is not None:
        how = "`pgerase audit key new` makes a key"
        why = "is empty" if missing in os.environ else "is not set"
        lines.append(f"not signed: the environment variable {missing} {why} ({signed_before}); {how}")
    elif unsigned:
        lines.append(f"not signed, as --unsigned says; {signed_before}")
    elif before:
        lines.append("signed: nothing new")
    else:
        lines.append("signed: nothing, as nothing is sealed yet")
    return lines


def _anchored(where: Anchor, rules: Seal | None, *, is_nowhere: bool) -> Iterator[str]:
    """Where the last checkpoint went, by the variable of an address, which may hold a secret."""
    places = [str(where.file.resolve())] if where.file is not None else []
    if where.webhook is not None and rules is not None:
        places.append(f"the webhook that {rules.anchor_webhook_env} names")
    if places:
        yield f"anchored: {' and '.join(places)}"
    elif is_nowhere:
        yield "not anchored: audit.yaml names no place (`seal: {anchor: {file: …}}`), and nothing would tell of a log written anew"


def _data(done: Sealed, signed: Checkpoint | None, key: SealKey | None, anchored: Anchor) -> dict[str, object]:
    return {
        "command": "audit seal",
        "segments": done.segments,
        "entries": done.entries,
        "records": done.records,
        "key_id": None if key is None else key.public.key_id,
        "checkpoint": None if signed is None else {"size": signed.size, "root": signed.root.hex(), "text": signed.text},
        "anchored": {
            "file": None if anchored.file is None else str(anchored.file.resolve()),
            "webhook": anchored.webhook is not None,
        },
    }

"""`pgerase key add|rotate|retire|list`: the keys that tokens are signed with. None is ever printed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from pgerase.cli.lengths import length
from pgerase.cli.output import confirm, print_result
from pgerase.cli.people import prefix_option, which_prefix, yes_option
from pgerase.cli.settings import Settings, common_options
from pgerase.operate import KnownKey, add_key, import_key, list_keys, retire_key
from pgerase.tokens import SigningKey

_out_option = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The file to write the key to: a new one, which only this account may read.",
)


@click.group("key")
@common_options
def key() -> None:
    """Keys to sign tokens with, for `identity: token`."""


@key.command("add")
@common_options
@prefix_option
@_out_option
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the key of this file instead of making one: after a restore, or for one signer of several databases.",
)
@click.pass_obj
def add(settings: Settings, prefix: str | None, out: Path | None, source: Path | None) -> None:
    """Make a key and write it to a file, or keep one that a file holds. At most two are valid at a time."""
    if (out is None) == (source is None):
        raise click.UsageError("one of --out and --from is needed")
    with settings.open_database() as database:
        name = which_prefix(settings, database, prefix)
        if out is not None:
            added = add_key(database, name, out)
        else:
            added = import_key(database, name, SigningKey.read(source or Path()))
    _tell(settings, "add", added, out)


@key.command("rotate")
@common_options
@prefix_option
@_out_option
@click.option(
    "--overlap",
    callback=length("hours", least=timedelta(0)),
    default="24h",
    show_default=True,
    metavar="LENGTH",
    help="How long what was signed with the keys of before stays valid.",
)
@click.pass_obj
def rotate(settings: Settings, prefix: str | None, out: Path | None, overlap: timedelta) -> None:
    """Make a new key and write it to a file; the one before ends after the overlap. Let signers use the new one before that."""
    if out is None:
        raise click.UsageError("--out is needed")
    with settings.open_database() as database:
        added = add_key(database, which_prefix(settings, database, prefix), out, overlap=overlap)
    _tell(settings, "rotate", added, out)


@key.command("retire")
@common_options
@prefix_option
@yes_option
@click.argument("key_id")
@click.pass_obj
def retire(settings: Settings, key_id: str, prefix: str | None, yes: bool) -> None:
    """Make a key invalid at once, and whatever it signed: for one that others may have got hold of."""
    confirm(f"retire the key {key_id}? Whatever it signed sees nothing from then on.", yes=yes)
    with settings.open_database() as database:
        retire_key(database, which_prefix(settings, database, prefix), key_id)
    print_result(settings, [f"key {key_id}: retired"], {"command": "key retire", "key_id": key_id})


@key.command("list")
@common_options
@prefix_option
@click.pass_obj
def list_all(settings: Settings, prefix: str | None) -> None:
    """Every key and how it stands, without what is secret."""
    with settings.open_database() as database:
        keys = list_keys(database, which_prefix(settings, database, prefix))
    lines = [_line(known) for known in keys] or ["no key: `pgerase key add` makes one"]
    print_result(settings, lines, {"command": "key list", "keys": [_data(known) for known in keys]})


def _tell(settings: Settings, command: str, added: SigningKey, out: Path | None) -> None:
    where = "" if out is None else f", written to {out}"
    print_result(
        settings,
        [f"key {added.key_id}: valid for {added.audience}{where}"],
        {"command": f"key {command}", "key_id": added.key_id, "audience": added.audience, "file": out and str(out)},
    )


def _line(known: KnownKey) -> str:
    until = "" if known.valid_until is None else f"  until {known.valid_until:%Y-%m-%d %H:%M %Z}"
    return f"{known.key_id:<14}  {known.state.value:<7}  {known.fingerprint}  since {known.created_at:%Y-%m-%d %H:%M %Z}{until}"


def _data(known: KnownKey) -> dict[str, Any]:
    return {
        "key_id": known.key_id,
        "state": known.state.value,
        "fingerprint": known.fingerprint,
        "created_at": known.created_at.isoformat(),
        "valid_until": known.valid_until and known.valid_until.isoformat(),
    }

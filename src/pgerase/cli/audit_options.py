"""What the commands about the seal share: the keys they trust, and what audit.yaml says of sealing."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import click

from pgerase.cli.settings import Settings
from pgerase.operate.seal.keys import PublicKey
from pgerase.operate.seal.sealing import Anchor
from pgerase.rules.audit import Seal
from pgerase.webhook import Webhook

public_key_option = click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A public key to trust, as PEM; more than one where keys were changed. By default that of the key in the environment.",
)


def seal_rules(settings: Settings) -> Seal | None:
    """`seal:` of the pack's audit.yaml; None without a pack, or where nothing is said. Raises RuleFileError."""
    pack = settings.read_pack()
    return pack.audit.seal if pack is not None and pack.audit is not None else None


def anchor_of(settings: Settings, rules: Seal) -> Anchor:
    """Where checkpoints go. Raises UsageError for a webhook without address."""
    variable = rules.anchor_webhook_env
    webhook = None if variable is None else Webhook.read(variable, os.environ)
    return Anchor(anchor_file(settings, rules), webhook)


def anchor_file(settings: Settings, rules: Seal) -> Path | None:
    """The file that checkpoints go to; None where there is none. A relative path is one in the pack's folder."""
    return None if rules.anchor_file is None else (settings.pack or Path()) / rules.anchor_file


def every_of(rules: Seal) -> timedelta:
    """How often the log is to be sealed, with months of 30 days."""
    return timedelta(days=rules.every.months * 30 + rules.every.days, seconds=rules.every.seconds)


def trusted(paths: tuple[Path, ...]) -> tuple[PublicKey, ...]:
    """The keys of these files. Raises UsageError, OSError."""
    return tuple(PublicKey.read(path) for path in paths)

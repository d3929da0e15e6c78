"""What whoever changes a database has to hear of its log: partitions that somebody took away. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pgerase.apply.ledger import missing_from_log
from pgerase.cli.output import finding_data, findings_text, progress
from pgerase.database import Database
from pgerase.errors import Severity


def warn_of_missing(database: Database, prefix: str) -> Sequence[Mapping[str, Any]]:
    """Warn on standard error of what the log lacks, and return it for JSON: the command has done its own, and ends as it would."""
    found = [replace(one, severity=Severity.WARNING) for one in missing_from_log(database, prefix)]
    if found:
        progress(findings_text(found))
    return [finding_data(one) for one in found]

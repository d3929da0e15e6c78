"""What verifying can find, each with a sentence for people who do not know how the seal works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pgerase.errors import Severity


@dataclass(frozen=True, slots=True)
class Meaning:
    """How bad a code is, and what it says; `{n}` is how many there are of."""

    severity: Severity
    sentence: str


def _error(sentence: str) -> Meaning:
    return Meaning(Severity.ERROR, sentence)


def _warning(sentence: str) -> Meaning:
    return Meaning(Severity.WARNING, sentence)


def _note(sentence: str) -> Meaning:
    return Meaning(Severity.NOTE, sentence)


MEANINGS: Mapping[str, Meaning] = MappingProxyType(
    {
        "routine-changed": _error(
            "routines of the log are not those that this version installs, and what they say proves nothing"
        ),
        "routines-unchecked": _warning(
            "routines of the log could not be compared with those that this version installs, since this session may not make"
            " temporary ones"
        ),
        "entry-changed": _error("entries are not as they were sealed"),
        "entry-missing": _error("entries that were sealed are gone"),
        "entry-inserted": _error("entries were put in later, with a number of before"),
        "entry-backdated": _error("entries were numbered after a seal, and say that they happened before it"),
        "entry-ahead": _warning(
            "entries say that they happened after they were sealed: the clock was ahead, or set so"
        ),
        "entry-doubled": _error("entries are there more than once"),
        "value-changed": _error("values of people are not as they were sealed"),
        "value-missing": _error("values of people are gone, and no record says that they were erased"),
        "value-inserted": _error(
            "values of people stand without their entry, or are more than it had: they were put in, or the entry is gone"
        ),
        "value-doubled": _error("values of people are there more than once"),
        "value-returned": _error(
            "values of people are back that were erased: a backup was restored, or somebody put them in"
        ),
        "erasure-unsealed": _warning("values of people were erased, and the record of it is not sealed yet"),
        "erasure-unrequested": _error("records of erasures name a request that there never was"),
        "salt-left": _warning("values of people are gone, but what could confirm a guess of them is still there"),
        "leaf-missing": _error("segments have lost entries together with their seals"),
        "leaf-inserted": _error("segments have entries that were not sealed in them, or have no header"),
        "reordered": _error("segments are in another order than they were sealed in"),
        "root-differs": _error("segments do not come to the root in their header"),
        "partition-dropped": _error("segments are gone, and no record says that their time was over"),
        "drop-early": _error("segments are gone, and the record of it is of a time when they were not due"),
        "drop-shortened": _warning(
            "segments were dropped that would be there still, had nobody shortened how long they are kept"
        ),
        "keep-shortened": _note(
            "how long entries are kept was shortened, and what it made due could be dropped: whether somebody decided that"
            " is not in the log"
        ),
        "class-differs": _error("classes are kept for another time than the last record of it says"),
        "drop-unsealed": _warning("segments were dropped, and the record of it is not sealed yet"),
        "partition-detached": _warning(
            "segments are in partitions whose time is over, detached, or about to be, and not yet dropped"
        ),
        "detached-early": _error(
            "segments are in partitions that somebody detached before their time was over: nothing proves what is in them;"
            " `pgerase audit maintain` attaches them again"
        ),
        "table-detached": _warning(
            "tables were detached from the log before their time was over, and nothing looks into them:"
            " `pgerase audit maintain` attaches again what has the name it had"
        ),
        "record-changed": _error("segments of records are not as they were sealed"),
        "record-missing": _error("segments of records have lost some"),
        "record-inserted": _error("segments of records have some that were not sealed in them"),
        "record-unreadable": _error(
            "records say what the log itself writes in none: somebody else wrote them, and nothing goes by them"
        ),
        "held-changed": _error("entries under hold are not as they were sealed"),
        "held-missing": _error("entries are gone that are under hold, as the records say"),
        "held-inserted": _error("entries are under hold of which no record says so"),
        "held-unsealed": _warning("entries under hold were never sealed"),
        "header-missing": _error("headers are gone from the chain"),
        "header-changed": _error("headers are not what was hashed"),
        "header-unlinked": _error("headers do not name the one before"),
        "numbers-behind": _error("numbers of entries would be given out again"),
        "clock-set-back": _warning("headers are older than the one before: the clock was set back"),
        "header-ahead": _warning(
            "headers say that they were sealed after they were signed: the server's clock was ahead, or set so"
        ),
        "signer-set-back": _warning(
            "checkpoints of more headers are older than those of fewer: the signer's clock was set back"
        ),
        "time-ahead": _warning("times lie in the future: the clock was ahead, or set so, or is behind now"),
        "checkpoint-forged": _error("checkpoints are not signed by the key they name"),
        "checkpoint-broken": _error("checkpoints are of another log, or of other headers than there are"),
        "checkpoint-unknown-key": _error(
            "checkpoints are signed by keys that were not given: give --public-key once for each key"
        ),
        "signatures-unchecked": _warning(
            "signatures of checkpoints and anchors were not checked: no public key was given"
        ),
        "anchor-forged": _error("anchors are not signed by the key they name, or are no checkpoints"),
        "anchor-unknown-key": _error(
            "anchors are signed by keys that were not given: give --public-key once for each key"
        ),
        "anchor-broken": _error("anchors are of another log: what was anchored was rewritten"),
        "anchor-ahead": _error("anchors are of more headers than there are: the end of the log was cut off"),
        "anchor-missing": _warning(
            "checkpoints are newer than every anchor: anchors were taken away, or are not written"
        ),
        "nothing-sealed": _warning("nothing is sealed yet: nothing is proven"),
        "nothing-signed": _warning("nothing is signed yet: whoever can write the log could have sealed it anew"),
        "unsigned": _warning("headers are older than the log is to be sealed, and not signed"),
        "unsealed": _warning("entries are older than the log is to be sealed, and not sealed"),
    }
)


@dataclass(frozen=True, slots=True)
class SealFinding:
    """One thing that is not as it should be. Numbers only: nothing of what an entry says."""

    code: str
    class_name: str | None = None
    segment: int | None = None
    entry: int | None = None
    part: int | None = None
    detail: str = ""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return MEANINGS[self.code].severity

    def place(self) -> str:
        """Where, in a few words."""
        parts = [
            self.detail,
            f"entry {self.entry}" if self.entry is not None else "",
            f"part {self.part}" if self.part is not None else "",
            f"segment {self.segment}" if self.segment is not None else "",
            self.class_name or "",
        ]
        return ", ".join(part for part in parts if part)

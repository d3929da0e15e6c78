"""`audit status` on the seal: when the log was last sealed, signed and anchored, and an alarm only for what audit.yaml asks for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from pgerase.operate.log import Log
from pgerase.operate.log_status import log_status
from pgerase.operate.seal.keys import SealKey
from pgerase.operate.seal.sealing import Anchor, anchor, sign_log
from pgerase.operate.seal.standing import SealTerms

EVERY = timedelta(minutes=10)
UNSEALED = "1 entry not sealed, the oldest of 2026-10-05 12:01 UTC: `pgerase audit seal` says why, or does not run"
UNSIGNED = "what was sealed since {} is not signed: `pgerase audit seal` says why, or does not run where the key is"
UNANCHORED = "what was signed since {} is not in {}: anchors were taken away, or are not written; `pgerase audit seal` writes the last one"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-10-05 {text}").replace(tzinfo=UTC)


@pytest.fixture
def key() -> SealKey:
    return SealKey.new()


def standing(log, now: str, terms: SealTerms | None) -> tuple[tuple, set[str]]:
    """What status says was done last, and its alarms that are about the seal: there are others, as no run was ever done."""
    found = log_status(log.database, log.names.prefix, now=at(now), seal=terms)
    without = log_status(log.database, log.names.prefix, now=at(now))
    assert set(without.alarms) <= set(found.alarms)
    seal = found.seal
    return (seal.sealed_at, seal.signed_at, seal.anchored_at), set(found.alarms) - set(without.alarms)


def test_what_is_overdue_is_an_alarm_where_audit_yaml_says_how_often(log, key, tmp_path):
    """Threat: sealing stopped weeks ago, or never reached its anchor, and what is asked every morning says that all is well."""
    file = tmp_path / "anchors.jsonl"
    terms = SealTerms(EVERY, file)
    ((first,), (last,)) = log.rows("select min(at) from {log}.segment union all select max(at) from {log}.segment")
    assert last == at("12:00")
    # Three days are sealed, and nobody ever signed: since the first of them.
    since = f"{first.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    assert standing(log, "12:10", terms) == ((last, None, None), {UNSIGNED.format(since)})
    # Whoever says nothing of sealing hears when it was done, and no alarm.
    assert standing(log, "12:10", None) == ((last, None, None), set())
    signed = sign_log(Log(log.database, log.names.prefix), key, now=at("12:05"))
    assert signed is not None
    # Where there is no file of anchors, it may be elsewhere.
    assert standing(log, "13:00", terms) == ((last, at("12:05"), None), set())
    anchor(signed, Anchor(file))
    assert standing(log, "13:00", terms) == ((last, at("12:05"), at("12:05")), set())
    # An entry, then its seal, then the signature are late: each after two of `every`, and not before.
    log.write("2026-10-05 12:01Z")
    assert standing(log, "12:21", terms)[1] == set()
    assert standing(log, "12:22", terms)[1] == {UNSEALED}
    log.seal("2026-10-05 12:30Z")
    assert standing(log, "12:50", terms) == ((at("12:30"), at("12:05"), at("12:05")), set())
    assert standing(log, "12:51", terms)[1] == {UNSIGNED.format("2026-10-05 12:30 UTC")}
    assert sign_log(Log(log.database, log.names.prefix), key, anchors=file, now=at("13:00")) is not None
    assert standing(log, "13:20", terms) == ((at("12:30"), at("13:00"), at("12:05")), set())
    assert standing(log, "13:21", terms)[1] == {UNANCHORED.format("2026-10-05 13:00 UTC", file)}
    # A file that was emptied has none of them.
    file.write_text("")
    assert standing(log, "13:21", terms) == (
        (at("12:30"), at("13:00"), None),
        {UNANCHORED.format("2026-10-05 12:05 UTC", file)},
    )
    # Without a file nothing is asked of one.
    assert standing(log, "13:21", SealTerms(EVERY, None))[1] == set()


def test_times_of_no_sense_end_nothing(log, tmp_path):
    """Threat: one made-up time, and nobody hears any more what is wrong with the log."""
    log.run(
        "update {log}.segment set at = '294276-12-31' where segment_id = 1; update {log}.segment set at = '4713-01-01 BC' where segment_id = 2"
    )
    log.run("insert into {log}.checkpoint values (1, 'x', '', '294276-12-31', 'no checkpoint', '')")
    found = standing(log, "12:10", SealTerms(EVERY, tmp_path / "none"))
    assert found[0][:2] == (datetime(9999, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
    assert found[1] == {UNSIGNED.format("2-01-01 00:00 UTC")}


@pytest.mark.parametrize(
    ("anchored", "said"),
    [
        ("{file: ../elsewhere/anchors.jsonl}", "not known here, as there is no ../elsewhere/anchors.jsonl to read"),
        ("{webhook_env: HOOK}", "not known here, as a webhook takes them"),
        (None, "nowhere"),
    ],
)
def test_the_command_says_when_it_was_sealed_signed_and_anchored(audit, log, folder, anchored: str | None, said: str):
    log.run("delete from {log}.checkpoint")
    text = "version: 1\nseal: {{every: 10 years, key_env: K{}}}\n"
    (folder / "audit.yaml").write_text(text.format(f", anchor: {anchored}" if anchored else ""))
    code, out, _ = audit("status")
    (line,) = [line for line in out.splitlines() if line.startswith("last seal: ")]
    assert (code, line) == (1, f"last seal: 2026-10-05 12:00 UTC; last signature: never; last anchor: {said}")
    # Ten years are not over.
    assert "sealed" not in out and "signed" not in out.replace("last signature", "")
    data = json.loads(audit("status", "--format", "json")[1])
    assert (data["last_seal"], data["last_signature"], data["last_anchor"], data["unsealed"]) == (
        "2026-10-05T12:00:00+00:00", None, None, 0
    )  # fmt: skip
    (folder / "audit.yaml").write_text("version: 1\n")
    assert "; last anchor: not known without audit.yaml\n" in audit("status")[1]


def test_the_command_finds_the_anchors_of_the_pack(audit, log, folder, anchors, key):
    made = sign_log(Log(log.database, log.names.prefix), key, now=at("12:05"))
    assert made is not None
    anchors.write_text("")
    assert "; last signature: 2026-10-05 12:05 UTC; last anchor: never\n" in audit("status")[1]
    anchor(made, Anchor(anchors))
    code, out, _ = audit("status")
    assert "; last signature: 2026-10-05 12:05 UTC; last anchor: 2026-10-05 12:05 UTC\n" in out
    # What else is alarming is not the seal's.
    assert (code, [line for line in out.splitlines() if "audit seal" in line]) == (1, [])

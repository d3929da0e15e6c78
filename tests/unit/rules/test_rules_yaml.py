"""YAML 1.2 and nothing more: what a file may be, and what is refused before any meaning is looked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgerase.errors import RuleFileError
from pgerase.rules import yaml_nodes
from pgerase.rules.read_access import read_access
from pgerase.rules.read_data_map import read_data_map
from pgerase.rules.read_pack import read_pack_settings
from pgerase.rules.reading import Reading
from pgerase.rules.yaml_nodes import MAXIMUM_DEPTH, MappingNode, ScalarNode, compose, compose_bytes
from tests.unit.rules.support import findings_of, places

LOADERS = [yaml.BaseLoader, *([yaml.CBaseLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(params=LOADERS, ids=lambda loader: loader.__name__, autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with the parser in Python and, where there is one, with libyaml's."""
    monkeypatch.setattr(yaml_nodes, "LOADER", request.param)


def value_of(scalar: str) -> object:
    """What a plain or quoted scalar becomes."""
    reading = Reading()
    root = compose(f"key: {scalar}\n", "a.yaml", reading)
    assert reading.findings == []
    assert root is not None
    node = root.entries[0].value
    assert isinstance(node, ScalarNode)
    return node.value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("Null", None),
        ("", None),
        ("nULL", "nULL"),
        ("'null'", "null"),
        ('"true"', "true"),
        ("'1'", "1"),
        ("0o10", 8),
        ("010", 10),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("-7", -7),
        ("+7", 7),
        ("1_000", "1_000"),
        ("190:20:30", "190:20:30"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T00:00:00Z", "2024-01-31T00:00:00Z"),
        ("=", "="),
        ("<<", "<<"),
        ("12345678901234567890123", 12345678901234567890123),
        ('"a\\nb"', "a\nb"),
        ("'it''s'", "it's"),
        ('"\\u2028"', "\u2028"),
        ("# comment", None),
        ("a#b", "a#b"),
        ("$$ -- /* x", "$$ -- /* x"),
    ],
)
def test_yaml_scalar_is_that_of_the_core_schema(written: str, value: object) -> None:
    found = value_of(written)
    assert found == value
    assert type(found) is type(value)


REFUSED: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["1:1 yaml-empty"]),
    "only a comment": (b"# nothing\n", ["1:1 yaml-empty"]),
    "only a document start": (b"---\n", ["1:1 yaml-empty"]),
    "a list": (b"- a\n", ["1:1 yaml-not-a-mapping"]),
    "a word": (b"\n\nword\n", ["3:1 yaml-not-a-mapping"]),
    "null": (b"null\n", ["1:1 yaml-not-a-mapping"]),
    "two documents": (b"a: 1\n---\nb: 2\n", ["2:1 yaml-documents"]),
    "byte order mark": (b"\xef\xbb\xbfa: 1\n", ["1:1 yaml-byte-order-mark"]),
    "latin-1": ("a: é\n".encode("latin-1"), ["1:4 yaml-not-utf8"]),
    "latin-1 on line two": ("a: 1\nb: né\n".encode("latin-1"), ["2:5 yaml-not-utf8"]),
    "utf-16": ("a: 1".encode("utf-16"), ["1:1 yaml-not-utf8"]),
    "encoded surrogate": (b"a: \xed\xa0\x80\n", ["1:4 yaml-not-utf8"]),
    "tab as indentation": (b"a:\n\tb: 1\n", ["2:1 yaml-syntax"]),
    "nul": (b"a: \x00\n", ["1:4 yaml-character"]),
    "escape character": (b"a: \x1b[31m\n", ["1:4 yaml-character"]),
    "next line": ("a: b\x85c\n".encode(), ["1:5 yaml-character"]),
    "line separator": ("a: b\u2028c\n".encode(), ["1:5 yaml-character"]),
    "escaped nul": (b'a: "\\0"\n', ["1:4 yaml-character"]),
    "anchor": (b"a: &x 1\n", ["1:4 yaml-anchor"]),
    "anchor and alias": (b"a: &x {b: 1}\nc: *x\n", ["1:4 yaml-anchor", "2:4 yaml-alias"]),
    "merge": (b"a: &x {b: 1}\nc:\n  <<: *x\n", ["1:4 yaml-anchor", "3:7 yaml-alias"]),
    "python tag": (b"a: !!python/object/apply:os.system [x]\n", ["1:4 yaml-tag"]),
    "tag": (b"a: !!str 1\n", ["1:4 yaml-tag"]),
    "local tag": (b"a: !mine b\n", ["1:4 yaml-tag"]),
    "yaml 1.1": (b"%YAML 1.1\n---\na: 1\n", ["1:1 yaml-version"]),
    "tag directive": (b"%TAG ! tag:example,2000:\n---\na: 1\n", ["1:1 yaml-tag"]),
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", ["3:1 duplicate-key"]),
    "duplicate key in quotes": (b"{a: 1, 'a': 2}\n", ["1:8 duplicate-key"]),
    "list as key": (b"[a]: 1\n", ["1:1 yaml-key"]),
    "mapping as key": (b"? {a: 1}\n: 1\n", ["1:3 yaml-key"]),
    "missing key": (b"'': 1\n", ["1:1 yaml-key"]),
    "open bracket": (b"a: [1\n", ["2:1 yaml-syntax"]),
    "open quote": (b'a: "b\n', ["2:1 yaml-syntax"]),
    "unfinished escape": (b'a: "\\xZZ"\n', ["1:7 yaml-syntax"]),
    "rounded number": (b"a: 0.12345678901234567890\n", ["1:4 yaml-number"]),
    "overflowing number": (b"a: 1e999\n", ["1:4 yaml-number"]),
    "underflowing number": (b"a: 1e-99999999999999999999\n", ["1:4 yaml-number"]),
    "infinity": (b"a: .inf\n", ["1:4 yaml-number"]),
    "not a number": (b"a: .NaN\n", ["1:4 yaml-number"]),
    "very long number": (b"a: " + b"9" * 5000 + b"\n", ["1:4 yaml-number"]),
    "several at once": (
        b"a: &x 1\nb: !t 2\na: .inf\n",
        ["1:4 yaml-anchor", "2:4 yaml-tag", "3:1 duplicate-key", "3:4 yaml-number"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_yaml_is_refused_at_its_place(case: str) -> None:
    data, expected = REFUSED[case]
    reading = Reading()
    compose_bytes(data, "a.yaml", reading)
    with pytest.raises(RuleFileError) as caught:
        reading.finish()
    assert places(caught.value.findings) == expected


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("{? ", "}")])
def test_yaml_deep_nesting_is_refused_and_no_crash(opening: str, closing: str) -> None:
    for depth in (MAXIMUM_DEPTH, 100_000):
        reading = Reading()
        compose("a: " + opening * depth + closing * depth, "a.yaml", reading)
        assert [finding.code for finding in reading.findings] == ["yaml-too-deep"]


def test_yaml_nesting_up_to_the_limit_is_read() -> None:
    reading = Reading()
    root = compose("a: " + "[" * (MAXIMUM_DEPTH - 1) + "]" * (MAXIMUM_DEPTH - 1), "a.yaml", reading)
    assert isinstance(root, MappingNode)
    assert reading.findings == []


def test_yaml_too_large_is_refused() -> None:
    reading = Reading()
    assert compose_bytes(b"a: " + b"x" * yaml_nodes.MAXIMUM_BYTES, "a.yaml", reading) is None
    assert [finding.code for finding in reading.findings] == ["yaml-too-large"]


def test_yaml_alias_bomb_is_refused_at_once() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    findings = findings_of(lambda: read_access("l0: &l0 lol\n" + levels))
    assert {"yaml-anchor", "yaml-alias"} <= {finding.code for finding in findings}
    assert len(findings) < 200


@given(st.text(max_size=200))
def test_yaml_any_text_is_read_or_refused(text: str) -> None:
    """No text makes a reader fail with anything but RuleFileError."""
    for read in (read_access, read_pack_settings, read_data_map):
        findings_of(lambda read=read: read(text))


_PIECES = (
    "version: 1\n|resources:|viewers: |rules: |{|}|[|]|, |: |- |\n|\n  |\n    |table|everyone|none|can|rows|name|who|eq|{viewer: key}"
    "|&a |*a|!t |'|\"|>|a.b|(|)|~|1|\t|#|%|subjects: |tables: |columns: |links: |erase: |\\|$|é|null|[]|{}|0.1|a, b|keep"
)
_FRAGMENTS = st.sampled_from(_PIECES.split("|"))


@given(st.lists(_FRAGMENTS, max_size=60).map("".join))
def test_yaml_any_fragments_are_read_or_refused(text: str) -> None:
    for read in (read_access, read_pack_settings, read_data_map):
        findings_of(lambda read=read: read(text))


_DESIGN = {
    name: (Path(__file__).parent / "design" / f"{name}.yaml").read_text(encoding="utf-8")
    for name in ("pack", "access", "data_map")
}
_READERS: dict[str, Callable[[str], object]] = {
    "pack": read_pack_settings,
    "access": read_access,
    "data_map": read_data_map,
}


@pytest.mark.parametrize("name", _DESIGN)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_yaml_any_damage_to_a_good_file_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """A span of a good file replaced by something else: the deepest corners of the grammar meet what they do not expect."""
    text = _DESIGN[name]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 30))
        text = text[:start] + "".join(data.draw(st.lists(_FRAGMENTS, max_size=3))) + text[end:]
    for finding in findings_of(lambda: _READERS[name](text)):
        assert finding.at is not None
        assert finding.at.text == "" or finding.at.text in text


@given(st.binary(max_size=100))
def test_yaml_any_bytes_are_read_or_refused(data: bytes) -> None:
    reading = Reading()
    root = compose_bytes(data, "a.yaml", reading)
    assert (root is None) <= bool(reading.findings)

"""The files of a pack: found inside its folder only, read once, includes merged. Knows no grammar but `include`."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path, PurePosixPath

from pgerase.errors import Position
from pgerase.rules.reading import Reading, Unreadable
from pgerase.rules.shapes import Key, OneOrMany, Text, optional
from pgerase.rules.yaml_nodes import (
    MAXIMUM_BYTES,
    Entry,
    MappingNode,
    Node,
    SequenceNode,
    compose,
    compose_bytes,
    shorten,
)

_FILES = OneOrMany(Text("the path of a file"))
INCLUDE: Key[tuple[str, ...] | None] = optional(
    "include", _FILES, "Files of this pack, relative to this one, whose sections are merged into this file's."
)
_HEAD = ("version", "include")


class Folder:
    """A pack's folder. Every file is read at most once; `files` is what was read, with the hash of the bytes."""

    def __init__(self, path: str | os.PathLike[str], reading: Reading) -> None:
        self.path = Path(path)
        self._reading = reading
        self._root = self.path.resolve()
        self._hashes: dict[str, str] = {}
        self._included: dict[str, Position | None] = {}

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """(path relative to the folder, sha256) of every file read, sorted."""
        return tuple(sorted(self._hashes.items()))

    def has(self, name: str) -> bool:
        """Whether the folder has an entry of that name, be it a broken link."""
        return os.path.lexists(self.path / name)

    def load(self, name: str, mergeable: frozenset[str]) -> MappingNode | None:
        """The root of a file with all it includes; only sections named in `mergeable` may come from several files.

        None where it cannot be read, which has been reported.
        """
        return self._load(name, mergeable, (), Position(name, 1, 1))

    def _load(self, name: str, mergeable: frozenset[str], chain: tuple[str, ...], at: Position) -> MappingNode | None:
        data = self._bytes(name, at)
        if data is None:
            return None
        self._hashes[name] = hashlib.sha256(data).hexdigest()
        self._included[name] = at if chain else None
        root = compose_bytes(data, name, self._reading)
        return None if root is None else self._merge_includes(root, name, mergeable, (*chain, name))

    def _merge_includes(
        self, root: MappingNode, name: str, mergeable: frozenset[str], chain: tuple[str, ...]
    ) -> MappingNode:
        entry = root.get(INCLUDE.name)
        if entry is None:
            return root
        try:
            _FILES.read(entry.value, self._reading)
        except Unreadable:
            return root
        merged = {item.key.text: item for item in root.entries}
        items = entry.value.items if isinstance(entry.value, SequenceNode) else (entry.value,)
        for item in items:
            part = self._include(item, name, mergeable, chain)
            if part is not None:
                for other in part.entries:
                    if other.key.text not in _HEAD:
                        self._merge(merged, other, mergeable)
        return MappingNode(tuple(merged.values()), root.at)

    def _include(self, item: Node, name: str, mergeable: frozenset[str], chain: tuple[str, ...]) -> MappingNode | None:
        reading, at = self._reading, item.at
        written = _FILES.read(item, reading)[0]
        problem = _path_problem(written)
        if problem:
            reading.error("include-outside", f"cannot include {shorten(written)}: {problem}", at, _INSIDE_HINT)
            return None
        target = str(PurePosixPath(name).parent / PurePosixPath(written))
        if target in chain:
            circle = " → ".join([*chain[chain.index(target) :], target])
            reading.error("include-circle", f"files include each other in a circle: {circle}", at)
            return None
        if target in self._included:
            hint = "include it in one place"
            reading.error("include-twice", f"{shorten(target)} is part of this pack already", at, hint)
            return None
        part = self._load(target, mergeable, chain, at)
        if part is None:
            return None
        version = part.get("version")
        if version is not None and getattr(version.value, "value", None) != 1:
            reading.error("wrong-version", "an included file has the version of this release too: 1", version.value.at)
        return part

    def _merge(self, merged: dict[str, Entry], other: Entry, mergeable: frozenset[str]) -> None:
        key = other.key.text
        mine = merged.get(key)
        if mine is None:
            merged[key] = other
        elif key in mergeable and isinstance(mine.value, MappingNode) and isinstance(other.value, MappingNode):
            merged[key] = Entry(mine.key, self._union(mine.value, other.value))
        elif key in mergeable and isinstance(mine.value, SequenceNode) and isinstance(other.value, SequenceNode):
            merged[key] = Entry(mine.key, SequenceNode(mine.value.items + other.value.items, mine.value.at))
        else:
            message = f"{shorten(key)} is given twice, and cannot be put together from two files"
            self._reading.error("duplicate-key", message, other.key.at, f"the first is at {mine.key.at}")

    def _union(self, mine: MappingNode, other: MappingNode) -> MappingNode:
        entries = {entry.key.text: entry for entry in mine.entries}
        for entry in other.entries:
            first = entries.get(entry.key.text)
            if first is None:
                entries[entry.key.text] = entry
            else:
                message = f"{shorten(entry.key.text)} is given twice"
                self._reading.error("duplicate-key", message, entry.key.at, f"the first is at {first.key.at}")
        return MappingNode(tuple(entries.values()), mine.at)

    def _bytes(self, name: str, at: Position) -> bytes | None:
        path = self.path / name
        try:
            real = path.resolve(strict=True)
            if not real.is_relative_to(self._root):
                self._reading.error(
                    "include-outside", f"{shorten(name)} is a link that leads out of the pack", at, _INSIDE_HINT
                )
                return None
            # Opened without waiting, so that a pipe is refused and not waited for; what was checked is what is read.
            descriptor = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    self._reading.error("file-unreadable", f"{shorten(name)} is not a regular file", at)
                    return None
                return file.read(MAXIMUM_BYTES + 1)
        except (OSError, RuntimeError, ValueError) as error:
            # RuntimeError: before Python 3.13 a loop of links; ValueError: a name no file can have.
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._reading.error("file-unreadable", f"cannot read {shorten(name)}: {reason}", at)
            return None


_INSIDE_HINT = "a pack is whole: include files of its own folder, by relative path"


def _path_problem(written: str) -> str:
    if written.startswith(("/", "~")) or written[1:2] == ":":
        return "it is an absolute path"
    if "\\" in written:
        return "folders are separated by /"
    if ".." in PurePosixPath(written).parts:
        return "it leads upwards"
    return ""


def compose_alone(text: str, file: str, reading: Reading) -> MappingNode | None:
    """The root of a file given as text, which therefore has no folder to include from."""
    root = compose(text, file, reading)
    entry = root.get(INCLUDE.name) if root else None
    if entry is not None:
        reading.error("include-without-folder", "include works in the folder of a pack only", entry.key.at)
    return root

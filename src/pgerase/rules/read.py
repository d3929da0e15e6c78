"""A pack's folder, read: `pack.yaml`, `access.yaml`, `data_map.yaml` and `audit.yaml` into one typed value."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from pgerase.errors import Position
from pgerase.rules import check_audit, read_access, read_audit, read_data_map
from pgerase.rules import read_pack as settings_reader
from pgerase.rules.documents import Folder
from pgerase.rules.pack import Pack
from pgerase.rules.reading import Reading

PACK_FILE = "pack.yaml"
ACCESS_FILE = "access.yaml"
DATA_MAP_FILE = "data_map.yaml"
AUDIT_FILE = "audit.yaml"
_FILES = (PACK_FILE, ACCESS_FILE, DATA_MAP_FILE, AUDIT_FILE)


def read_pack(folder: str | os.PathLike[str]) -> Pack:
    """Read every rule file of a folder. Raises RuleFileError with every finding of every file."""
    reading = Reading()
    path = Path(folder)
    whole = Position(str(path), 1, 1)
    if not os.path.isdir(path):  # noqa: PTH112 - unlike Path.is_dir it never raises
        reading.error("no-pack", f"{path} is not a folder", whole, "a pack is a folder with rule files")
        reading.finish()
    files = Folder(path, reading)
    if not any(files.has(name) for name in _FILES):
        message = f"there is no rule file in {path}"
        reading.error("no-pack", message, whole, f"a pack holds {', '.join(_FILES)}; any of them will do")
    settings = settings_reader.default_settings(path.resolve().name)
    if files.has(PACK_FILE):
        root = files.load(PACK_FILE, settings_reader.MERGEABLE)
        if root is not None:
            settings = settings_reader.read_settings_node(root, settings.name, reading) or settings
    access = data_map = audit = None
    if files.has(ACCESS_FILE):
        root = files.load(ACCESS_FILE, read_access.MERGEABLE)
        access = None if root is None else read_access.read_access_node(root, reading)
    if files.has(DATA_MAP_FILE):
        root = files.load(DATA_MAP_FILE, read_data_map.MERGEABLE)
        data_map = None if root is None else read_data_map.read_data_map_node(root, reading)
    if files.has(AUDIT_FILE):
        root = files.load(AUDIT_FILE, read_audit.MERGEABLE)
        audit = None if root is None else read_audit.read_audit_node(root, settings.prefix, reading)
    if audit is not None:
        # What a file that cannot be read would have said is not held against this one.
        if access is not None or not files.has(ACCESS_FILE):
            check_audit.check_beside_access(audit, access, reading)
        if data_map is not None or not files.has(DATA_MAP_FILE):
            check_audit.check_beside_map(audit, data_map, reading)
    _refuse_misspelled(path, files, reading)
    reading.finish()
    return Pack(str(path), settings, access, data_map, audit, files.files)


def _refuse_misspelled(path: Path, files: Folder, reading: Reading) -> None:
    """`acces.yaml` or `access.yml` beside the others would silently mean no rules at all."""
    read = {name for name, _ in files.files}
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        message = f"cannot list {path}: {error.strerror or error}"
        reading.error("file-unreadable", message, Position(str(path), 1, 1))
        return
    for entry in entries:
        if entry.suffix.lower() not in (".yaml", ".yml") or entry.name in read or entry.name in _FILES:
            continue
        close = difflib.get_close_matches(entry.stem.lower(), [name.removesuffix(".yaml") for name in _FILES], 1, 0.8)
        if close:
            message = f"{entry.name} is no rule file, though it looks like one"
            hint = f"did you mean {close[0]}.yaml? A file that belongs to another is named under include:"
            reading.error("misspelled-file", message, Position(entry.name, 1, 1), hint)

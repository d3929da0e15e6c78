"""Ed25519 keys: made, read from the environment or a file, and used. Nothing here prints or keeps a private key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from pgerase.errors import UsageError

_RAW = 32
"""Bytes of a private key as RFC 8032 has it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What checks signatures. `key_id` is the beginning of its SHA-256, in hexadecimal."""

    key: Ed25519PublicKey = field(repr=False)
    key_id: str

    @classmethod
    def of(cls, key: Ed25519PublicKey) -> Self:
        """With its id."""
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cls(key, hashlib.sha256(raw).hexdigest()[:16])

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a PEM file. Raises UsageError for anything else, OSError."""
        try:
            key = load_pem_public_key(path.read_bytes())
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise UsageError(f"{path} holds no Ed25519 public key", hint="`pgerase audit key new` writes one, as PEM")
        return cls.of(key)

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether this key's private half signed the text."""
        try:
            self.key.verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SealKey:
    """What signs."""

    key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """A new one, from the system's source of randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_environment(cls, name: str, environment: Mapping[str, str] | None = None) -> Self | None:
        """The key in a variable, as PEM or as the Base64 of 32 bytes; None where there is none. Raises UsageError, without showing it."""
        text = (os.environ if environment is None else environment).get(name, "").strip()
        if not text:
            return None
        key = _from_pem(text) if text.startswith("-----BEGIN") else _from_base64(text)
        if key is None:
            # Outside of the handlers: the errors there may show what the variable holds.
            raise UsageError(
                f"the environment variable {name} holds no Ed25519 private key",
                hint="a PEM without a password, or the Base64 of 32 bytes; `pgerase audit key new` makes one",
            )
        return cls(key)

    @property
    def public(self) -> PublicKey:
        """What checks what this signs."""
        return PublicKey.of(self.key.public_key())

    def sign(self, text: str) -> bytes:
        """The signature of a text."""
        return self.key.sign(text.encode())

    def write(self, path: Path) -> Path:
        """Write the key to a new file that only this account may read, and the public one beside it; returns the latter's path.

        Raises FileExistsError, OSError.
        """
        public = path.with_name(f"{path.name}.pub")
        if public.exists():
            raise FileExistsError(17, "there is such a file already", str(public))
        private = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_new(path, private, 0o600)
        pem = self.public.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        _write_new(public, pem, 0o644)
        return public


def _from_pem(text: str) -> Ed25519PrivateKey | None:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        return None
    return key if isinstance(key, Ed25519PrivateKey) else None


def _from_base64(text: str) -> Ed25519PrivateKey | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return Ed25519PrivateKey.from_private_bytes(raw) if len(raw) == _RAW else None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)

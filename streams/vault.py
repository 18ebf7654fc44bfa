"""Original bytes are kept encrypted under their payer's key, so that a payer's data can be destroyed by its key (design.md).

AES-GCM with a 256-bit key per payer, in a folder only the service can read. `cryptography` does the work.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from streams.stopping import EXIT_CONFIG, Stop

UNKNOWN_PAYER = ""
"""Whose key covers bytes that could not be read far enough to name a payer."""
_NONCE = 12


class Vault:
    """Seals and opens original bytes. A key is made on a payer's first record; several workers of a host share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ciphers: dict[str, AESGCM] = {}

    def seal(self, payer: str, data: bytes) -> bytes:
        """`data` under the payer's key."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(payer, create=True).encrypt(nonce, data, None)

    def open(self, payer: str, sealed: bytes) -> bytes:
        """The bytes that were sealed. Raises `Stop` when the payer's key is gone or is another one."""
        try:
            return self._cipher(payer, create=False).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except InvalidTag:
            raise Stop(
                f"These bytes were sealed with another key than the one in {self._folder}: restore that key.",
                EXIT_CONFIG,
            ) from None

    def _cipher(self, payer: str, *, create: bool) -> AESGCM:
        cipher = self._ciphers.get(payer)
        if cipher is None:
            cipher = self._ciphers[payer] = AESGCM(self._key(payer, create=create))
        return cipher

    def _key(self, payer: str, *, create: bool) -> bytes:
        path = self._folder / (hashlib.sha256(payer.encode()).hexdigest()[:32] + ".key")
        if not path.exists():
            if not create:
                raise Stop(
                    f"{path} is missing: the original bytes of this payer cannot be read without its key.", EXIT_CONFIG
                )
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Written whole under another name first: a second worker sees no key or all of it, and the first one wins.
            fresh = path.with_suffix(f".{os.getpid()}")
            fresh.touch(mode=0o600)
            fresh.write_bytes(AESGCM.generate_key(256))
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
            fresh.unlink()
        return path.read_bytes()

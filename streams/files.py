"""Writing result files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, chunks: Iterable[bytes], *, mode: int = 0o666) -> str:
    """Write a file, whole or not at all, and return its sha256. `mode` is who may use it, less what the umask takes away."""
    fresh = path.with_name(path.name + ".part")
    digest = hashlib.sha256()
    fresh.unlink(missing_ok=True)
    try:
        fresh.touch(mode=mode)
        with fresh.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return digest.hexdigest()

"""Event files as lines that can be read in parts and once more: where a line stands is its file and row."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

import msgspec

from streams.stopping import EXIT_CONFIG, Stop

READ_AHEAD = 1 << 20


class Part(msgspec.Struct, frozen=True):
    """The lines of a file (by number) that begin at byte `start` or later and before `end`."""

    file: int
    start: int
    end: int


class EventFiles:
    """Event files, each as long as it was when they were named. Raises `Stop` for files that one position would not tell apart."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._open: dict[int, FileIO] = {}
        self.paths = list(dict.fromkeys(path.resolve() for path in paths))
        self.names = [path.name for path in self.paths]
        repeated = [name for name, count in Counter(self.names).items() if count > 1]
        if repeated:
            raise Stop(
                f"Two files are called {repeated[0]}: a record's place is its file's name and row, so rename one of them.",
                EXIT_CONFIG,
            )
        self._stand = [_standing(path) for path in self.paths]
        self._sizes = [size for _, size, _ in self._stand]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self._sizes)

    def parts(self, most: int | None = None) -> list[Part]:
        """All lines, in order: each file as a whole, or in parts of at most so many bytes."""
        return [
            Part(number, start, min(start + (most or size), size))
            for number, size in enumerate(self._sizes)
            for start in range(0, size, most or size or 1)
        ]

    def lines(self, part: Part) -> Iterator[tuple[int, int, bytes]]:
        """Every line with its row in the part (from 1), and the byte of the file at which it begins."""
        with self.paths[part.file].open("rb", buffering=READ_AHEAD) as file:
            at = part.start
            if at:
                # Whatever began before is of the part before; a line that begins just here is not.
                file.seek(at - 1)
                at += len(file.readline()) - 1
            for row, line in enumerate(file, start=1):
                if at >= part.end:
                    return
                yield row, at, line
                at += len(line)

    def line(self, number: int, start: int, end: int) -> bytes:
        """A line once more."""
        file = self._open.get(number)
        if file is None:
            file = self._open[number] = self.paths[number].open("rb", buffering=0)
        return os.pread(file.fileno(), end - start, start)

    def __del__(self) -> None:
        """Let go of the files."""
        for file in self._open.values():
            file.close()

    def require_unchanged(self) -> None:
        """Raise `Stop` for a file that is not what it was when it was named: what was read of it may be neither."""
        for path, stood in zip(self.paths, self._stand, strict=True):
            if _standing(path) != stood:
                raise Stop(f"{path.name} changed while it was read: replay a copy that stays as it is.", EXIT_CONFIG)

    def digest(self, number: int) -> str:
        """The sha256 of a file."""
        digest, left = hashlib.sha256(), self._sizes[number]
        with self.paths[number].open("rb") as file:
            while left and (chunk := file.read(min(READ_AHEAD, left))):
                digest.update(chunk)
                left -= len(chunk)
        return digest.hexdigest()


def _standing(path: Path) -> tuple[int, int, int]:
    """Which file stands under a path, how long it is and when it last changed."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns

"""A file mapped into memory whose pages are given back as they are used, so that resident memory stays flat."""

from __future__ import annotations

import mmap
from pathlib import Path
from types import TracebackType

# Bytes handed out between two releases: refaulting a page costs about 0.1 us per 4 kB, so rarely is enough.
EVERY = 1 << 26


class Mapped:
    """Read-only map of a whole file; `release_pages` drops what is resident (the data stays valid and is read"
    " again)."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.view = memoryview(self._map)

    def __enter__(self) -> Mapped:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Arrays over the map may outlive it; the map closes when the last of them is gone.
        self.release_pages()

    def release_pages(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

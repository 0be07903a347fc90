"""Where numbers come from: versions, options, and hashes of the files, read by a thread beside the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from threading import Event, Thread

from .analysis.records import Provenance
from .faults import BadInput
from .state.state import State

CHUNK = 1 << 20
BYTES = 16  # of a hash: 128 bits
MOST = 8  # columns of one kind that are listed
Hash = tuple[str, int, str | None]


def provenance_of(state: State) -> Provenance:
    """Where the numbers of a state come from: the same, whether one run saw the rows or several that were merged."""
    from xent import __version__

    hashes = tuple(state.hashes) or tuple((name, 0, None) for name, _ in state.files if name)
    return Provenance(__version__, tuple(_options(state)), hashes, state.settings.seed)


def _options(state: State) -> Iterator[tuple[str, str]]:
    for name, columns in state.said.items():
        if columns:
            yield name, listed(columns)
    problem, settings = state.problem, state.settings
    yield "kind", problem.kind
    for name in ("by", "cluster", "time"):
        if value := getattr(problem, name):
            yield name, value if isinstance(value, str) else ", ".join(value)
    if problem.sought:
        yield "slices sought in", ", ".join(problem.sought)
    if problem.form == "probs" and problem.kind == "multiclass":
        yield "tolerance", f"{settings.rules.tolerance:.3g}"
    if settings.rules.renormalize:
        yield "renormalize", "yes"
    if settings.convention:
        yield "compared with", settings.convention.name
    yield "confidence", f"{settings.confidence:g}"


def listed(columns: Sequence[str]) -> str:
    """The first eight, and how many more there are."""
    return ", ".join(columns[:MOST]) + (f" and {len(columns) - MOST} more" if columns[MOST:] else "")


def twice(state: State) -> tuple[str, ...]:
    """What to say of files that were counted more than once."""
    by_hash: dict[tuple[int, str], list[str]] = {}
    for name, size, digest in state.hashes:
        if digest is not None:
            by_hash.setdefault((size, digest), []).append(name)
    return tuple(
        f"Files of the same content were counted as different rows: {', '.join(names[:4])}. Leave all but one away."
        for names in by_hash.values() if len(names) > 1
    )  # fmt: skip


class Hashing:
    """blake2b-128 of files, in a thread of its own: a second for a gigabyte, mostly hidden behind the reading."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = list(paths)
        self._found: list[Hash] = []
        self._error: OSError | None = None
        self._stopped = Event()
        self._thread = Thread(target=self._work, name="xent-hashes", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            for path in self._paths:
                self._found.append(hash_of(path, self._stopped))
        except OSError as error:
            self._error = error

    def __enter__(self) -> Hashing:
        return self

    def __exit__(self, *about: object) -> None:
        self._stopped.set()
        self._thread.join()

    def result(self) -> list[Hash]:
        """(file, bytes, hash) of every file, once all are read."""
        self._thread.join()
        if self._error is not None:
            raise BadInput(f"{self._error.filename}: cannot be read: {self._error.strerror}.") from self._error
        return self._found


def hash_of(path: str, stopped: Event | None = None) -> Hash:
    """(file, bytes, hash in hexadecimal)."""
    found, size = blake2b(digest_size=BYTES), 0
    buffer = memoryview(bytearray(CHUNK))
    with open(Path(path), "rb", buffering=0) as file:
        while (count := file.readinto(buffer)) and not (stopped and stopped.is_set()):
            found.update(buffer[:count])
            size += count
    return path, size, found.hexdigest()

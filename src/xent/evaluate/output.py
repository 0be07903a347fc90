"""Files that are written whole or not at all: aside first, then renamed, so that nobody finds half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .faults import BadInput

TERMINATED = 128 + signal.SIGTERM


@contextlib.contextmanager
def written(target: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = ()) -> Iterator[Path]:
    """A path beside `target`, of the same suffix, to write to; renamed to `target` at the end.

    On an error, an interrupt or SIGTERM the part is removed and `target` stays as it was. An error of the system while
    writing is a `BadInput` that names `target`, as is whatever `ready` refuses.
    """
    path = ready(target, inputs)
    aside = _aside(path)
    try:
        with _terminable():
            yield aside
            if path.exists():
                shutil.copymode(path, aside)
            os.replace(aside, path)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        aside.unlink(missing_ok=True)


def ready(target: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = ()) -> Path:
    """Where `target` really lies (links followed), once it is known that a file can be written there.

    Raises `BadInput` for a folder that is not there or not writable, a folder or device in the place of the file, and
    for a file that is also read.
    """
    try:
        path = Path(os.path.realpath(target))
        _refuse_place(target, path, inputs)
        probe = _aside(path)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise _unwritable(target, error) from error
    except ValueError as error:  # a name with a null byte
        raise error if isinstance(error, BadInput) else BadInput(f"{target!r}: is no name of a file.") from error
    return path


def _refuse_place(given: str | os.PathLike[str], path: Path, inputs: Iterable[str | os.PathLike[str]]) -> None:
    if path.is_dir():
        raise BadInput(f"{given}: is a folder; name a file in it.")
    if path.exists() and not path.is_file():
        raise BadInput(f"{given}: is not a regular file; it would be replaced.")
    if not path.parent.is_dir():
        raise BadInput(f"{given}: cannot be written: there is no folder {path.parent}; make it first.")
    for read in inputs:
        if os.path.exists(read) and path.exists() and os.path.samefile(read, path):
            raise BadInput(f"{given}: is read and must not be written over; name another file.")


def _aside(path: Path) -> Path:
    """A hidden name in the same folder, so that renaming never copies and no glob finds it."""
    return path.with_name(f".xent-{secrets.token_hex(6)}{path.suffix}")


def _unwritable(target: str | os.PathLike[str], error: OSError) -> BadInput:
    return BadInput(f"{os.fspath(target)}: cannot be written: {error.strerror or error}.")


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as an exception, so that what is half done is undone; only where nobody else has a handler for it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def leave(number: int, frame: Any) -> None:
        raise SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

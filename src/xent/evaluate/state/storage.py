"""States in files (.xent): a zip of .npy arrays, as NumPy's .npz, with a header in JSON and a digest of it all. Nothing
in it is executed."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import parsed
from ..conventions import Convention
from ..dearest import Dearest
from ..faults import BadInput
from ..labels import MOST_LABELS
from ..output import written
from ..tally import Rules, Tally
from .rows import Problem
from .state import Settings, State, differences, part_classes

Array = Any
MARK, VERSION = "xent state", 1
_HEADER, _DIGEST = "header.json", "digest"
_NO_STATE = "is not a saved state; write one with `xent score FILES --save-state name.xent`."
_FAST = 1  # zlib's level: registers are mostly zeros, and the sample does not shrink at any
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError, IndexError, AttributeError,
            NotImplementedError, OverflowError, RuntimeError)  # fmt: skip


def save(state: State, path: str | os.PathLike[str]) -> None:
    """Write a state to a file; the same bytes for states that saw the same rows of the same files."""
    told, arrays = pack(state)
    with written(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        members = {_HEADER: json.dumps(told, indent=1).encode("ascii")}
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            members[name + ".npy"] = buffer.getvalue()
        for name, content in (members | {_DIGEST: digest(members)}).items():
            _member(archive, name, content)


def digest(members: Mapping[str, bytes]) -> bytes:
    """Of all members but the digest itself: the sums of a state hang together, and one changed alone makes no error."""
    found = blake2b(digest_size=16)
    for name in sorted(members.keys() - {_DIGEST}):
        found.update(f"{name} {len(members[name])} ".encode() + members[name])
    return found.hexdigest().encode()


def _member(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name)  # of 1980: when it was written is no part of a state
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content, compresslevel=_FAST)


def load(path: str | os.PathLike[str]) -> State:
    """Read a state from a file. Raises `BadInput`: not there, not a state, of another version, damaged."""
    from xent import __version__

    try:
        with open(Path(path), "rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise BadInput(f"{path}: {_NO_STATE}")
            with zipfile.ZipFile(file) as archive:
                told = _told(archive, path)
                members = {name: archive.read(name) for name in archive.namelist()}
                if members.get(_DIGEST) != digest(members):
                    raise ValueError("its digest is not that of its contents")
                return unpack(told, _arrays(members))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}.") from error
    except BadInput:
        raise
    except _DAMAGED as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadInput(
            f"{path}: the state is truncated or damaged, or not one that xent {__version__} wrote ({said})."
        ) from error


def load_all(paths: Sequence[str | os.PathLike[str]]) -> State:
    """Several saved states as one. Raises `BadInput` where they are not of one problem and one set of options."""
    merged = load(paths[0])
    for path in paths[1:]:
        state = load(path)
        if differ := differences(merged, state):
            raise BadInput(f"{paths[0]} and {path}: {differ}")
        merged = merged.merge(state)
    return merged


def _told(archive: zipfile.ZipFile, path: str | os.PathLike[str]) -> dict[str, Any]:
    told = json.loads(archive.read(_HEADER)) if _HEADER in archive.namelist() else {}
    if not isinstance(told, dict) or told.get("mark") != MARK:
        raise BadInput(f"{path}: {_NO_STATE}")
    if told["version"] != VERSION:
        raise BadInput(
            f"{path}: the state is of version {told['version']}, written by xent {told['xent']}; this one reads"
            f" version {VERSION}. Score the files again."
        )
    return told


def _arrays(members: Mapping[str, bytes]) -> dict[str, Array]:
    found = {}
    for name in (name for name in members if name.endswith(".npy")):
        content = memoryview(members[name])
        try:
            found[name.removesuffix(".npy")] = parsed(content, 0, len(content), name).copy()
        except BadInput as error:
            raise ValueError(str(error)) from error
    return found


def pack(state: State) -> tuple[dict[str, Any], dict[str, Array]]:
    """A state as numbers and texts for JSON, and arrays by `part/array`."""
    from xent import __version__

    told: dict[str, Any] = {
        "mark": MARK, "version": VERSION, "xent": __version__,
        "problem": asdict(state.problem), "settings": asdict(state.settings), "files": state.files,
        "hashes": state.hashes, "notes": state.notes, "said": state.said, "one_hot": state.one_hot, "parts": {},
    }  # fmt: skip
    arrays: dict[str, Array] = {"tally/sums": state.tally.sums, "tally/counts": state.tally.counts}
    arrays["tally/deviation"] = np.array(state.tally.deviation)
    for name, part in [("dearest", state.dearest), *state.parts()]:
        told["parts"][name], own = part.pack()
        arrays |= {f"{name}/{key}": array for key, array in own.items()}
    return told, arrays


def unpack(told: Mapping[str, Any], arrays: Mapping[str, Array]) -> State:
    """The state that was packed."""
    problem = _problem(told["problem"])
    settings = _settings(told["settings"])
    state = State.empty(problem, settings)
    state.tally = _tally(state.tally, arrays)
    state.files = [(name, rows) for name, rows in told["files"]]
    state.hashes = [(name, size, digest) for name, size, digest in told["hashes"]]
    state.notes, state.said, state.one_hot = dict(told["notes"]), _tuples(told["said"]), bool(told["one_hot"])
    state.dearest = Dearest.unpack(told["parts"]["dearest"], dict(_own(arrays, "dearest")))
    for name, part in part_classes(problem, settings):
        setattr(state, name, part.unpack(problem, told["parts"][name], dict(_own(arrays, name))))
    return state


def _own(arrays: Mapping[str, Array], part: str) -> Iterator[tuple[str, Array]]:
    return ((key.removeprefix(part + "/"), v) for key, v in arrays.items() if key.startswith(part + "/"))


def _tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()}


def _problem(record: Mapping[str, Any]) -> Problem:
    problem = Problem(**_tuples(record))
    known = problem.kind in ("binary", "multiclass", "multilabel") and problem.form in ("probs", "logits")
    if not known or not isinstance(problem.width, int) or not 0 < problem.width <= MOST_LABELS:
        raise ValueError("the problem is none that is known")
    return problem


def _settings(record: Mapping[str, Any]) -> Settings:
    convention = None if record["convention"] is None else Convention(**record["convention"])
    return Settings(**{**record, "rules": Rules(**_tuples(record["rules"])), "convention": convention})


def _tally(empty: Tally, arrays: Mapping[str, Array]) -> Tally:
    sums, counts = arrays["tally/sums"], arrays["tally/counts"]
    for found, like in ((sums, empty.sums), (counts, empty.counts)):
        if found.shape != like.shape or found.dtype != like.dtype:
            raise ValueError("the tally is not of the problem's size")
    deviation = [float(arrays["tally/deviation"][0])]
    return Tally(empty.classes, empty.multilabel, empty.weighted, sums, counts, deviation, empty.soft)

"""All that is kept of the rows: fixed in size, mergeable, and the same bits for any partition and order of them.

A plain score keeps the tally and the dearest rows. With an analysis there are the parts as well, by attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from importlib import import_module
from os import PathLike
from typing import Any

from ..conventions import Convention
from ..dearest import Dearest
from ..faults import BadInput
from ..tally import Rules, Tally
from .rows import Judged, Part, Problem

MOST_CONFUSED = 1024  # classes of which every pair is kept: 24 MB


def _always(problem: Problem) -> bool:
    return True


def _hard(problem: Problem) -> bool:
    return not problem.soft


def _classes(problem: Problem) -> bool:
    return problem.kind == "multiclass" and not problem.soft


# Attribute -> (module of this package, class, whether a problem has it).
PARTS: dict[str, tuple[str, str, Callable[[Problem], bool]]] = {
    "losses": ("losses", "Losses", _always),
    "buckets": ("buckets", "Buckets", _always),
    "blocks": ("blocks", "Blocks", _hard),
    "temperatures": ("temperature", "Temperatures", _classes),
    "confusion": ("confusion", "Confusion", lambda p: _classes(p) and len(p.classes) <= MOST_CONFUSED),
    "confidences": ("confidence", "Confidences", lambda p: p.kind != "multilabel" and not p.soft),
    "sample": ("sample", "Sample", _always),
    "groups": ("groups", "Groups", lambda p: bool(p.by)),
    "times": ("times", "Times", lambda p: p.time is not None),
}


@dataclass(frozen=True)
class Settings:
    """What was asked for beside the problem: two states can be merged where these agree too.

    rows: how many of the dearest are kept; analysed: whether there are parts.
    """

    rules: Rules
    convention: Convention | None = None
    confidence: float = 0.95
    rows: int = 10
    seed: int = 0
    analysed: bool = False


@dataclass
class State:
    """What a run found. files: (name, rows); hashes: (file, bytes, blake2b-128), both by name once it is finished.

    notes: what to say, with the place it is said at; said: which columns were read as what; one_hot: whether yes/no
    targets might be one class of many.
    """

    problem: Problem
    settings: Settings
    tally: Tally
    dearest: Dearest
    files: list[tuple[str, int]] = field(default_factory=list)
    hashes: list[tuple[str, int, str | None]] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    said: dict[str, tuple[str, ...]] = field(default_factory=dict)
    one_hot: bool = True
    losses: Any = None
    buckets: Any = None
    blocks: Any = None
    temperatures: Any = None
    confusion: Any = None
    confidences: Any = None
    sample: Any = None
    groups: Any = None
    times: Any = None

    @classmethod
    def empty(cls, problem: Problem, settings: Settings) -> State:
        """A state that has seen nothing."""
        many = problem.kind == "multilabel"
        size = problem.width if many else max(problem.width, 2)
        tally = Tally.empty(size, multilabel=many, weighted=problem.weighted, soft=problem.soft)
        state = cls(problem, settings, tally, Dearest(settings.rows), one_hot=not problem.soft)
        for name, part in part_classes(problem, settings):
            setattr(state, name, part.empty(problem))
        return state

    def parts(self) -> Iterator[tuple[str, Any]]:
        """The parts that are kept, by attribute."""
        return ((name, getattr(self, name)) for name in PARTS if getattr(self, name) is not None)

    def add(self, rows: Judged) -> None:
        """Take a batch into every part; the tally and the dearest rows have it already."""
        for _, part in self.parts():
            part.add(rows)

    def merge(self, other: State) -> State:
        """Both together, as if one run had seen the rows of both; associative and commutative, bit for bit.

        Raises `BadInput` where the two are not of one problem and one set of options, saying what differs.
        """
        if differ := differences(self, other):
            raise BadInput(differ)
        merged = State(
            self.problem,
            self.settings,
            self.tally.merge(other.tally),
            self.dearest.merge(other.dearest),
            sorted(self.files + other.files),
            sorted(self.hashes + other.hashes, key=repr),
            _notes(self.notes, other.notes),
            _said(self.said, other.said),
            self.one_hot and other.one_hot,
        )
        for name, part in self.parts():
            setattr(merged, name, part.merge(getattr(other, name)))
        return merged

    def save(self, path: str | PathLike[str]) -> None:
        """Write the state to a file (.xent); see `storage.save`."""
        from .storage import save

        save(self, path)

    @staticmethod
    def load(path: str | PathLike[str]) -> State:
        """Read a state from a file; see `storage.load`."""
        from .storage import load

        return load(path)

    def finish(self) -> State:
        """In the order in which any partition of the files would leave it."""
        self.files.sort()
        self.hashes.sort(key=repr)
        self.notes = _notes(self.notes, {})
        return self


def part_classes(problem: Problem, settings: Settings) -> Iterator[tuple[str, type[Part]]]:
    """The parts that a state of this problem keeps."""
    for name, (module, part, wanted) in PARTS.items() if settings.analysed else ():
        if wanted(problem):
            yield name, getattr(import_module(f"xent.evaluate.state.{module}"), part)


def _notes(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    """Each note once, by the place it is said at, then by its words."""
    least = {text: min(a.get(text, at), b.get(text, at)) for text, at in (a | b).items()}
    return dict(sorted(least.items(), key=lambda note: (note[1], note[0])))


def _said(a: dict[str, tuple[str, ...]], b: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dict.fromkeys((*a.get(name, ()), *b.get(name, ())))) for name in a | b}


def differences(a: State, b: State) -> str | None:
    """Why two states cannot be merged, in words."""
    if a.settings.analysed != b.settings.analysed:
        return "one state has an analysis and one has not (--quick); score the files again with the same options."
    mine, theirs = ({**_flat(s.problem), **_flat(s.settings)} for s in (a, b))
    differ = [f"{n} ({_shown(mine[n])} and {_shown(theirs[n])})" for n in mine if mine[n] != theirs[n]]
    if not differ:
        return None
    mend = " and name the classes with `classes` (--classes)" if mine["classes"] != theirs["classes"] else ""
    return (
        f"states must be of one problem and one set of options to be merged; they differ in {'; '.join(differ[:4])}."
        f" Score the files again with the same options{mend}."
    )


_ASKED = {"sought": "slices", "convention": "compat"}  # what the caller calls them


def _flat(record: Any) -> dict[str, Any]:
    found = {_ASKED.get(f.name, f.name): getattr(record, f.name) for f in fields(record)}
    rules = found.pop("rules", None)
    if rules is not None:  # its clamp is the convention's
        found |= {"tolerance": rules.tolerance, "renormalize": rules.renormalize}
    return found


def _shown(value: Any) -> str:
    said = getattr(value, "name", None) or (", ".join(map(str, value)) if isinstance(value, tuple) else str(value))
    said = "none" if value is None or not said else said
    return said if len(said) <= 60 else said[:57] + "..."

"""The command that carries out a repair, with the columns named where their names alone would not tell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from .. import names
from .records import Ladder

MOST_FILES = 3


def with_command(ladder: Ladder | None, state: Any) -> Ladder | None:
    """The ladder with {files} filled in; without a command where rows came from memory, or each array from a file."""
    if ladder is None or ladder.command is None:
        return ladder
    files = [name for name, _ in state.files]
    if not all(files) or any(name.lower().endswith(".npy") for name in files):
        return replace(ladder, command=None)
    shown = " ".join(map(shlex.quote, files[:MOST_FILES])) + (" ..." if files[MOST_FILES:] else "")
    given = "".join(f" {option} {shlex.quote(value)}" for option, value in _columns(state))
    return replace(ladder, command=ladder.command.replace("{files}", shown + given))


def _columns(state: Any) -> Iterator[tuple[str, str]]:
    """Options for columns that are not found by obvious names."""
    problem, said = state.problem, state.said
    targets, outputs = tuple(said.get("targets", ())), tuple(said.get(problem.form, ()))
    if targets and not (len(targets) == 1 and targets[0].lower() in names.TARGETS):
        yield "--target", _glob(targets)
    obvious = {"probs": (names.PROBS, names.PROB_PREFIX), "logits": (names.LOGITS, names.LOGIT_PREFIX)}[problem.form]
    if outputs and not all(name.lower() in obvious[0] or obvious[1].match(name) for name in outputs):
        yield f"--{problem.form}", _glob(outputs)
    if problem.cluster:
        yield "--cluster", problem.cluster


def _glob(columns: Sequence[str]) -> str:
    cut = names.stem(columns)
    return f"{columns[0][:cut]}*" if len(columns) > 1 and cut else ",".join(columns)

"""The obvious names of columns, and how names given by hand are looked up."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from .faults import BadInput
from .sources import Column

TARGETS = ("label", "labels", "target", "targets", "y", "y_true", "truth", "true_label", "obs", "observed", "class",
           "ground_truth", "outcome", "actual")  # fmt: skip
PROBS = ("prob", "probs", "proba", "p", "score", "probability", "probabilities", "y_prob", "y_proba", "y_score",
         "prediction", "predictions", "pred_proba", "p_hat")  # fmt: skip
LOGITS = ("logit", "logits", "raw_score", "raw_scores", "decision_function")
WEIGHTS = ("sample_weight", "sample_weights", "case_weight", "case_weights")
MAYBE_WEIGHTS = ("weight", "weights", "w")
TARGET_PREFIX = re.compile(r"(label|labels|target|targets|y|true|truth|y_true)[_.\-](?=.)", re.IGNORECASE)
PROB_PREFIX = re.compile(
    r"(prob|probs|proba|p|probability|probabilities|score|y_prob|y_proba)[_.\-](?=.)", re.IGNORECASE
)
LOGIT_PREFIX = re.compile(r"(logit|logits|z)[_.\-](?=.)", re.IGNORECASE)


def among(columns: Iterable[Column], names: Sequence[str]) -> list[str]:
    """Columns that carry one of the names, in any case."""
    return [c.name for c in columns if c.name.lower() in names]


def is_score(column: Column) -> bool:
    """Whether a column can hold probabilities or logits: floating point or decimal, alone or in lists."""
    return column.dtype.startswith(("float", "bfloat", "decimal")) and column.kind in ("float", "int", "list")


def looks_like_score(column: Column) -> bool:
    """Whether a column has the name of predictions, whatever it holds."""
    return column.name.lower() in (*PROBS, *LOGITS) or any(p.match(column.name) for p in (PROB_PREFIX, LOGIT_PREFIX))


def groups(columns: Iterable[Column], prefix: re.Pattern[str]) -> list[list[str]]:
    """Columns that share a prefix (`prob_cat`, `prob_dog`), two or more of them, numbers in their order."""
    found: dict[str, list[str]] = {}
    for column in columns:
        match = prefix.match(column.name)
        if match:
            found.setdefault(match.group(0), []).append(column.name)
    return [in_order(names) for names in found.values() if len(names) > 1]


def stem(names: Sequence[str]) -> int:
    """Length of the prefix that all names share, up to its last separator."""
    first, last = min(names), max(names)
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return max((first.rfind(mark, 0, shared) + 1 for mark in "_.- :"), default=0) if len(names) > 1 else 0


def in_order(names: Sequence[str]) -> list[str]:
    """As they stand, except that numbered columns go by their numbers: p_2 before p_10."""
    tails = [name[stem(names) :] for name in names]
    if all(tail.isdecimal() for tail in tails):
        return [name for _, name in sorted(zip(map(int, tails), names, strict=True))]
    return list(names)


def expand(patterns: Sequence[str], columns: Mapping[str, Column], argument: str, where: str) -> list[str]:
    """Columns meant by names and globs; a name that is not there is an error that shows what is."""
    found: list[str] = []
    for pattern in patterns:
        if pattern in columns:
            matches = [pattern]
        else:
            matches = in_order([name for name in columns if fnmatchcase(name, pattern)])
        if not matches:
            raise BadInput(missing(pattern, columns, argument, where))
        found += [m for m in matches if m not in found]
    return found


def missing(name: str, columns: Mapping[str, Column], argument: str, where: str) -> str:
    near = difflib.get_close_matches(name, list(columns), 1)
    return (
        f"{where + ': ' if where else ''}`{argument}` names the column `{name}`, which is not there"
        + (f"; did you mean `{near[0]}`?" if near else ".")
        + f" Columns: {listed(columns)}."
    )


def listed(names: Iterable[str], most: int = 12) -> str:
    """`a`, `b`, `c` and so on, cut where it gets long."""
    names = list(names)
    tail = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"`{name}`" for name in names[:most]) + tail

"""Where the loss is higher or lower than elsewhere: by columns that are given, and by slices that are found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..state.groups import Group
from ..state.keys import mixed
from .contrast import Contrast, Sums, Whole, contrast
from .half import Half
from .levels import Levels, levels, numbered
from .records import Slice, Slices
from .search import FEWEST, Chosen, mask_of, search
from .thinned import designs

Array = Any
FEW_UNITS = 20  # buckets of clusters below which halves have too few of them to judge anything
FAVOURITE = "favourite"
MOST_GIVEN = 100  # values of a given column that are shown: what a table can hold


def slices(state: Any, confidence: float, seed: int) -> Slices:
    """Slices by the columns of `Problem.by` and those found in `Problem.sought` and these together.

    Given columns: exact sums of all rows, at most 100 values of each. Found slices: one or two columns, sought in one
    half of the sampled rows (by hash of the key; whole clusters where there are clusters), ranked by |excess|, after
    Benjamini-Hochberg over all candidates at 1 − confidence; `confirmed`: in the other half on the same side of the
    mean, with held_out_p at most 1 − confidence. log_loss, share, excess, difference and standard_error of a found
    slice are of both halves.

    Losses are a row's (multi-label: the mean of its labels), nats. Infinite rows are counted and make log_loss
    infinite; all else is of the finite rows. Multi-class: the favourite class is sought in beside the columns. Its
    confidence is not: rows of low confidence cost more by construction, and have a table of their own.
    """
    problem = state.problem
    notes: list[str] = []
    if problem.time is not None and problem.cluster is None and (problem.sought or problem.by):
        notes.append("The errors of slices take rows as independent over time.")
    given = tuple(_given(state, notes))
    if not problem.sought or state.sample is None:
        return Slices(given, (), 0, 0, (), tuple(notes))
    found, tried, rows = _found(state, 1.0 - confidence, seed, notes)
    return Slices(given, found, tried, rows, wanted(problem), tuple(notes))


def _given(state: Any, notes: list[str]) -> Iterator[Slice]:
    if state.groups is None:
        return
    tally, every = state.tally, state.tally.rows
    s = {name: tally.total(name, every) for name in ("w", "wl", "w2", "w2l", "w2l2")}
    if not s["w"]:
        notes.append("Every row is infinite: there is no mean to hold slices against.")
        return
    m = s["wl"] / s["w"]
    finite = tally.count("rows", every) - tally.count("infinite", every)
    whole = Whole(
        float(finite), float(s["w"]), float(s["w2"]), max(0.0, float(s["w2l2"] - 2 * m * s["w2l"] + m * m * s["w2"]))
    )
    for column, groups in state.groups.columns.items():
        found = _contrasts(groups, whole, float(m))
        if state.problem.cluster is not None:
            wider, freedom = designs(state, column, [g.label for g in groups], notes)
            found = found.wider(np.sqrt(wider), freedom)
        if len(groups) > MOST_GIVEN:
            notes.append(f"`{column}` has {len(groups)} values: those {MOST_GIVEN} are shown that cost or save most.")
        yield from _told(column, groups, found, whole, float(m))


def _contrasts(groups: Sequence[Group], whole: Whole, m: float) -> Contrast:
    rows, w, w2, wl, w2l, w2l2 = (
        np.array([float(getattr(g, name)) for g in groups]) for name in ("rows", "w", "w2", "wl", "w2l", "w2l2")
    )  # fmt: skip
    infinite = np.array([g.infinite for g in groups])
    squares = np.maximum(w2l2 - 2.0 * m * w2l + m * m * w2, 0.0)
    return contrast(Sums(rows - infinite, w, wl - m * w, w2, w2l - m * w2, squares), whole)


def _told(column: str, groups: Sequence[Group], found: Contrast, whole: Whole, mean: float) -> Iterator[Slice]:
    """Dearest first."""
    p = found.p_value
    excess = [(g.wl - mean * g.w) / whole.w for g in groups]
    kept = sorted(range(len(groups)), key=lambda k: (-groups[k].infinite, -abs(excess[k]), groups[k].label))
    for k in sorted(kept[:MOST_GIVEN], key=lambda k: (-excess[k], groups[k].label)):
        g = groups[k]
        known = math.isfinite(float(found.error[k]))
        yield Slice(
            where=((column, g.label),), rows=g.rows, weight=g.w,
            log_loss=math.inf if g.infinite else g.wl / g.w, share=_share(g.wl, mean * whole.w),
            excess=excess[k] if g.w else None, difference=float(found.difference[k]) if g.w else None,
            standard_error=float(found.error[k]) if known else None, p_value=float(p[k]) if known else None,
            q_value=None, held_out=None, held_out_p=None, confirmed=None, infinite=g.infinite,
        )  # fmt: skip


def _share(nats: float, whole: float) -> float | None:
    return nats / whole if whole else None


def _found(state: Any, level: float, seed: int, notes: list[str]) -> tuple[tuple[Slice, ...], int, int]:
    sample = state.sample
    rows = len(sample.loss)
    if not sample.complete:
        notes.append(f"Slices were sought in {rows} of {sample.seen} rows, drawn by hash.")
    clusters = sample.bucket if state.problem.cluster is not None else None
    finite = np.isfinite(sample.loss)
    if int(finite.sum()) < 4 * FEWEST:
        notes.append(f"Slices are sought from {4 * FEWEST} finite rows on; there are {int(finite.sum())}.")
        return (), 0, rows
    if clusters is not None and len(np.unique(clusters[finite])) < FEW_UNITS:
        notes.append("There are too few clusters to find slices in one half of them and test them on the other.")
        return (), 0, rows
    columns = _columns(state)
    first = chooses(sample.key, clusters, finite, seed)
    weight = np.ones(rows) if sample.weight is None else np.asarray(sample.weight, np.float64)
    halves = [
        Half.of(sample.loss[on], weight[on], [c.codes[on] for c in columns], None if clusters is None else clusters[on])
        for on in (first & finite, ~first & finite, finite)
    ]  # fmt: skip
    chosen, tried = search(columns, halves[0], level)
    if not chosen and tried:
        notes.append(f"None of {tried} slices is further from the mean than chance allows.")
    lost = [int((mask_of([c.codes for c in columns], found.where) & ~finite).sum()) for found in chosen]
    shown = (_slice(columns, halves[1], halves[2], c, n, level) for c, n in zip(chosen, lost, strict=True))
    return tuple(shown), tried, rows


def chooses(key: Array, cluster: Array | None, counts: Array, seed: int) -> Array:
    """Which rows are of the half that chooses, by a hash of their key and the seed; clusters' buckets alternate in the
    order of their hashes, so that both halves have some."""
    salt = mixed(np.array([seed], np.int64).view(np.uint64) + np.uint64(1))
    if cluster is None:
        return (mixed(key ^ salt) & np.uint64(1)).astype(bool)
    used = np.unique(cluster[counts])
    order = used[np.argsort(mixed(used.astype(np.uint64) ^ salt), kind="stable")]
    return np.isin(cluster, order[::2])


def wanted(problem: Any) -> tuple[str, ...]:
    """The columns that slices are sought in: those of `sought`, and the given ones beside them."""
    return tuple(dict.fromkeys((*problem.sought, *problem.by))) if problem.sought else ()


def _columns(state: Any) -> list[Levels]:
    sample = state.sample
    problem = state.problem
    kept = [name for name in wanted(problem) if name in sample.columns]  # not those of too many texts
    found = [levels(name, sample.columns[name], name in problem.moments) for name in kept]
    if problem.kind == "multiclass":
        name = FAVOURITE if FAVOURITE not in kept else f"({FAVOURITE})"
        found.append(numbered(name, sample.best, problem.classes))
    return [column for column in found if column is not None]


def _slice(columns: Sequence[Levels], held: Half, every: Half, chosen: Chosen, infinite: int, level: float) -> Slice:
    mask = mask_of(every.codes, chosen.where)
    found = every.of_mask(mask)
    difference, weight = float(found.difference[0]), float(every.w[mask].sum())
    other = held.of_mask(mask_of(held.codes, chosen.where))
    known = bool(np.isfinite(other.error[0]))
    there, p = float(other.difference[0]), float(other.p_value[0])
    whole = every.whole.w
    return Slice(
        where=tuple((columns[c].name, columns[c].labels[k]) for c, k in chosen.where),
        rows=int(mask.sum()) + infinite, weight=weight, log_loss=math.inf if infinite else every.mean + difference,
        share=_share(weight * (every.mean + difference), every.mean * whole), excess=weight * difference / whole,
        difference=difference, standard_error=float(found.error[0]) if np.isfinite(found.error[0]) else None,
        p_value=chosen.p_value, q_value=chosen.q_value, held_out=there if known else None,
        held_out_p=p if known else None, confirmed=known and there * difference > 0 and p <= level, infinite=infinite,
    )  # fmt: skip

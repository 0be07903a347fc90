"""Rows with a finite loss, and contrasts of their slices: one half of a sample, or all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .contrast import Clusters, Contrast, Sums, Whole, clustered, contrast

Array = Any
DOUBTED = 0.05  # clusters make errors larger, so p-values above this need none of them


@dataclass(frozen=True, eq=False)
class Half:
    """w, and r = l − m by their own mean m; codes by column; cluster intp [n] or None."""

    w: Array
    r: Array
    mean: float
    codes: tuple[Array, ...]
    cluster: Array | None
    whole: Whole
    every: Clusters | None

    @classmethod
    def of(cls, loss: Array, w: Array, codes: Sequence[Array], cluster: Array | None) -> Half:
        """Finite losses of positive weight."""
        mean = float(np.average(loss, weights=w))
        r = loss - mean
        whole = Whole(len(loss), float(w.sum()), float((w * w).sum()), float((w * w * r * r).sum()))
        every = None
        if cluster is not None:
            cluster = np.unique(cluster, return_inverse=True)[1]
            every = Clusters(np.bincount(cluster, w * r), np.bincount(cluster, w))
        return cls(w, r, mean, tuple(codes), cluster, whole, every)

    def sums(self, codes: Array, many: int) -> Sums:
        """By level of a code."""
        plain = bool((self.w == 1.0).all())
        n = np.bincount(codes, minlength=many).astype(np.float64)
        wr = np.bincount(codes, self.w * self.r, many)
        w2r2 = np.bincount(codes, (self.w * self.r) ** 2, many)
        if plain:
            return Sums(n, n, wr, n, wr, w2r2)
        w2 = self.w * self.w
        return Sums(
            n,
            np.bincount(codes, self.w, many),
            wr,
            np.bincount(codes, w2, many),
            np.bincount(codes, w2 * self.r, many),
            w2r2,
        )

    def contrast(self, codes: Array, sums: Sums, looked_at: Array) -> Contrast:
        """Of the levels looked_at (bool [many]) of a code."""
        found = contrast(sums.some(looked_at), self.whole)
        return self.by_cluster(codes, found, looked_at) if (found.p_value < DOUBTED).any() else found

    def by_cluster(self, codes: Array, found: Contrast, looked_at: Array) -> Contrast:
        """With errors of clusters, where there are clusters."""
        if self.cluster is None or self.every is None:
            return found
        place = np.full(len(looked_at), -1, np.intp)
        place[looked_at] = np.arange(int(looked_at.sum()))
        rows = np.flatnonzero(place[codes] >= 0)
        many = len(self.every.w)
        slot = place[codes[rows]] * many + self.cluster[rows]
        shape = int(looked_at.sum()), many
        wr = np.bincount(slot, (self.w * self.r)[rows], shape[0] * many).reshape(shape)
        w = np.bincount(slot, self.w[rows], shape[0] * many).reshape(shape)
        return clustered(found, wr, w, self.every)

    def of_mask(self, mask: Array) -> Contrast:
        """Of one slice."""
        codes = mask.astype(np.intp)
        return self.contrast(codes, self.sums(codes, 2), np.array([False, True]))

    def part(self, rows: Array) -> Half:
        """Some of the rows, with their own mean; without codes."""
        cluster = None if self.cluster is None else self.cluster[rows]
        return Half.of(self.r[rows] + self.mean, self.w[rows], (), cluster)

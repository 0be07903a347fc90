"""Measure the sigmoid family on every one of the 2^32 float32 logits, for both hard targets, through the public face.

    python scripts/exhaustive.py                 all of them, in the order of their bit patterns (minutes)
    python scripts/exhaustive.py --mixed         the same, shuffled: every block then holds tiny, huge, infinite and NaN
    python scripts/exhaustive.py --part 3/64     one 64th of them

Prints the worst error of loss and gradient in ulp, where it occurs, and the share that is correctly rounded. Exits with
1 if an error is above the bound of docs/numerics.md. The truth is double arithmetic with libm's exp and log1p, good to
2^-28 ulp of float32: it decides every bound here. NaN must come from NaN, and only from NaN.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import xent

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from ulps import bound, sigmoid_hard  # the tests' oracle, which shares nothing with the kernels

CHUNK = 1 << 22  # logits per call
BLOCK = 1 << 14  # logits per step of the oracle: its arrays stay in cache
ALL = 1 << 32


@dataclass
class Worst:
    """The worst error seen, where, and how many results were correctly rounded."""

    ulp: float = 0.0
    logit: float = 0.0
    exact: int = 0
    count: int = 0

    def merged(self, other):
        worst = max(self, other, key=lambda each: each.ulp)
        return Worst(worst.ulp, worst.logit, self.exact + other.exact, self.count + other.count)

    def __str__(self):
        share = 100 * self.exact / max(self.count, 1)
        return f"{self.ulp:8.4f} ulp at logit {self.logit!r:24}  correctly rounded {share:8.4f} %"


@dataclass
class Account:
    """Errors by (target, "loss" or "gradient"); a monoid, so that blocks and threads merge in any order."""

    worst: dict = field(default_factory=dict)

    def add(self, key, worst):
        self.worst[key] = self.worst.get(key, Worst()).merged(worst)

    def merge(self, other):
        for key, worst in other.worst.items():
            self.add(key, worst)


def measured(logits, got, truth):
    """Distance of float32 results from a double truth, in ulps of float32 at the truth."""
    rounded = truth.astype(np.float32)
    exponent = np.maximum((truth.view(np.int64) >> 52) & 0x7FF, 1023 - 126)
    per_ulp = ((2046 + 23 - exponent) << 52).view(np.float64)
    distance = np.abs(got - truth) * per_ulp
    exact = got == rounded
    if not np.isfinite(truth).all():
        exact |= np.isnan(truth) & np.isnan(got)
        distance[~np.isfinite(truth)] = np.inf
    distance[exact & ~np.isfinite(truth)] = 0
    distance[np.isnan(distance)] = np.inf  # a NaN where the truth is a number
    at = int(distance.argmax())
    return Worst(float(distance[at]), float(logits[at]), int(exact.sum()), len(logits))


def checked(logits, results):
    """The account of one block: `results` holds {target: (losses, gradients)}."""
    account = Account()
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        truths = sigmoid_hard(logits.astype(np.float64))
        for target, pair in results.items():
            for name, got, truth in zip(("loss", "gradient"), pair, truths[target], strict=True):
                account.add((target, name), measured(logits, got, truth))
    return account


def chunk(start, mixed):
    bits = np.arange(start, start + CHUNK, dtype=np.uint64)
    if mixed:
        bits = (bits * np.uint64(2654435761)) & np.uint64(ALL - 1)  # odd factor: a permutation of all bit patterns
    return bits.astype(np.uint32).view(np.float32)


def run(starts, mixed, pool):
    loss = xent.SigmoidCrossEntropy(reduction="none")
    targets = {t: np.full(CHUNK, t, np.float32) for t in (0, 1)}
    account, began = Account(), time.monotonic()
    for done, start in enumerate(starts, 1):
        logits = chunk(start, mixed)
        results = {t: loss.value_and_grad(logits, target) for t, target in targets.items()}
        blocks = [slice(j, j + BLOCK) for j in range(0, CHUNK, BLOCK)]
        cut = [(logits[b], {t: (v[b], g[b]) for t, (v, g) in results.items()}) for b in blocks]
        for part in pool.map(lambda item: checked(*item), cut):
            account.merge(part)
        if sys.stderr.isatty():
            left = (time.monotonic() - began) / done * (len(starts) - done)
            print(f"\r{100 * done / len(starts):5.1f} %, {left:5.0f} s left", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return account


def report(account):
    """Print the account; whether every bound holds."""
    held = True
    for (target, name), worst in sorted(account.worst.items()):
        limit = bound("sigmoid, hard targets", "float32", name)
        verdict = "" if worst.ulp <= limit else f"  ABOVE THE BOUND of {limit:g} ulp"
        held &= not verdict
        print(f"target {target}  {name:8}  {worst}{verdict}")
    return held


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mixed", action="store_true", help="shuffle them: every block then holds all magnitudes")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="only the I-th of N parts, evenly spread")
    parser.add_argument("--threads", type=int, default=2, help="threads of the oracle (default 2)")
    args = parser.parse_args()
    part, parts = (int(word) for word in args.part.split("/"))
    if not 1 <= part <= parts <= ALL // CHUNK:
        parser.error(f"`--part` must be I/N with 1 <= I <= N <= {ALL // CHUNK}; got {args.part}")
    starts = range((part - 1) * CHUNK, ALL, parts * CHUNK)
    began = time.monotonic()
    with ThreadPoolExecutor(args.threads) as pool:
        account = run(starts, args.mixed, pool)
    held = report(account)
    level, seconds = xent._kernels.level(), time.monotonic() - began
    print(f"{len(starts) * CHUNK} logits, both targets, kernels {level}, {seconds:.0f} s")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

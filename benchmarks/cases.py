"""What is measured: the rows of the table, their arrays, and what each is expected to reach.

Sizes: 2^24 elements are 64 MB an array, beyond any cache, so the sigmoid rows measure memory and arithmetic together.
1048576 x 10 is an epoch of a digit classifier in one call, 65536 x 128 a mid-sized label set, 8192 x 4096 and
256 x 131072 are a small and a large vocabulary. Logits are N(0, 3), the spread of a trained classifier's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

POS_WEIGHT, SMOOTHING, GAMMA, ALPHA = 2.5, 0.1, 2.0, 0.25


@dataclass(frozen=True)
class Case:
    """One row: ``kind`` picks the formula of every peer, ``bytes`` is what one element must move at least."""

    name: str
    kind: str  # "sigmoid", "weighted", "focal", "softmax" or "log_loss"
    shape: tuple[int, ...]
    small: tuple[int, ...]
    bytes: int
    expected: dict[str, float] = field(default_factory=dict)  # peer -> the least ratio of its time to ours
    bandwidth: float | None = None  # the least share of the copy bandwidth
    jax_least: float | None = None  # the least ratio of optax under jit to xent under jit

    def arrays(self, quick: bool = False) -> dict[str, np.ndarray]:
        """Return the inputs: logits, targets and, where the row has them, sample weights."""
        shape, rng = self.small if quick else self.shape, np.random.default_rng(20240229)
        logits = rng.standard_normal(shape, dtype=np.float32) * np.float32(3)
        if self.kind == "softmax":
            return {"logits": logits, "targets": rng.integers(0, shape[1], shape[0])}
        targets = (rng.random(shape, dtype=np.float32) < 0.3).astype(np.float32)
        if self.kind == "log_loss":
            return {"logits": 1 / (1 + np.exp(-logits)), "targets": targets}
        if self.kind == "weighted":
            return {"logits": logits, "targets": targets, "weight": rng.random(shape, dtype=np.float32)}
        return {"logits": logits, "targets": targets}


def _softmax(rows: int, classes: int, small: tuple[int, int], bandwidth: float | None, *least: float) -> Case:
    peers = ("PyTorch eager", "torch.compile", "JAX", "scikit-learn")
    expected = dict(zip(peers, least, strict=False))
    return Case(f"softmax, {rows} × {classes}, class ids", "softmax", (rows, classes), small, 8, expected, bandwidth)


CASES = [
    Case(
        "sigmoid, 2²⁴ elements, hard targets",
        "sigmoid",
        (1 << 24,),
        (1000,),
        12,
        {"PyTorch eager": 18, "torch.compile": 7, "JAX": 20, "scikit-learn": 27},
        0.75,
        10,
    ),
    Case(
        "sigmoid, 2²⁴, `pos_weight`, smoothing, weights",
        "weighted",
        (1 << 24,),
        (1000,),
        16,
        {"PyTorch eager": 25, "torch.compile": 7, "JAX": 20},
    ),
    _softmax(1048576, 10, (100, 10), None, 18, 6, 6, 20),
    _softmax(65536, 128, (20, 128), 0.60, 14, 6, 5),
    _softmax(8192, 4096, (3, 4096), 0.60, 13, 6, 5),
    _softmax(256, 131072, (2, 5000), 0.60, 13, 6, 5),
    Case(
        "focal (γ = 2, α = ¼), 2²⁴ elements",
        "focal",
        (1 << 24,),
        (1000,),
        12,
        {"PyTorch eager": 25, "torch.compile": 8},
    ),
    Case("log loss of 2²⁰ binary probabilities, value only", "log_loss", (1 << 20,), (1000,), 8),
]

SMALL = [
    Case("sigmoid, 64 elements", "sigmoid", (64,), (64,), 12),
    Case("softmax, 8 × 8, class ids", "softmax", (8, 8), (8, 8), 8),
]

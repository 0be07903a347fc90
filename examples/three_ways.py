"""One training run three ways: torch, torch with one import changed, and JAX.

The same weights to begin with, the same batches, plain gradient descent: the losses differ by rounding.

    python examples/three_ways.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything that owns a thread pool is imported

import time
from importlib.util import find_spec

import numpy as np
import torch
import torch.nn.functional as F
import workbench

import xent.torch

RATE, BATCH = 0.2, 256


def weights() -> list[np.ndarray]:
    """Of a network 64-128-10."""
    draw = np.random.default_rng(0)
    shapes = [(64, 128), (128,), (128, 10), (10,)]
    return [
        (draw.standard_normal(shape) / 8 if len(shape) == 2 else np.zeros(shape)).astype(np.float32) for shape in shapes
    ]


def batches(count: int, steps: int) -> list[np.ndarray]:
    draw = np.random.default_rng(1)
    return [draw.choice(count, BATCH, replace=False) for _ in range(steps)]


def with_torch(cross_entropy, data, steps: int) -> tuple[list[float], float, float]:
    """(training losses, seconds a step, test accuracy) with torch and the loss given."""
    x, ids, fresh, truth = (torch.from_numpy(a) for a in data)
    w = [torch.from_numpy(a).requires_grad_() for a in weights()]

    def logits(x):
        return torch.relu(x @ w[0] + w[1]) @ w[2] + w[3]

    losses, times = [], []
    for batch in batches(len(x), steps):
        began = time.perf_counter()
        loss = cross_entropy(logits(x[batch]), ids[batch])
        gradient = torch.autograd.grad(loss, w)
        with torch.no_grad():
            for weight, g in zip(w, gradient, strict=True):
                weight -= RATE * g
        losses.append(loss.item())
        times.append(time.perf_counter() - began)
    with torch.no_grad():
        return losses, float(np.median(times)), (logits(fresh).argmax(1) == truth).double().mean().item()


def with_jax(data, steps: int) -> tuple[list[float], float, float]:
    """The same with JAX, a jitted step; compiling it is not counted."""
    import jax
    import jax.numpy as jnp

    import xent.jax

    x, ids, fresh, truth = (jnp.asarray(a) for a in data)
    w = [jnp.asarray(a) for a in weights()]

    def logits(w, x):
        return jax.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3]

    def loss(w, x, ids):
        return xent.jax.softmax_cross_entropy_with_integer_labels(logits(w, x), ids).mean()

    @jax.jit
    def step(w, batch):
        value, gradient = jax.value_and_grad(loss)(w, x[batch], ids[batch])
        return value, [weight - RATE * g for weight, g in zip(w, gradient, strict=True)]

    losses, times = [], []
    for batch in batches(len(x), steps):
        began = time.perf_counter()
        value, w = step(w, batch)
        losses.append(float(value))
        times.append(time.perf_counter() - began)
    return losses, float(np.median(times)), float((logits(w, fresh).argmax(1) == truth).mean())


def picture(runs, out) -> None:
    figure, (axis,) = workbench.panels(1, 5.5)
    for (name, (losses, _, _)), style, colour in zip(
        runs.items(), ("-", "--", ":"), workbench.COLOURS.values(), strict=False
    ):
        axis.semilogy(losses, style, lw=1.5, color=colour, label=name)
    axis.set(title="digits, one run three ways: training loss", xlabel="step")
    axis.legend()
    workbench.save(figure, out, "three_ways")


def main() -> None:
    parser = workbench.parser(__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args()
    steps = 100 if options.quick else options.steps
    torch.set_num_threads(1)
    data = workbench.digits()
    runs = {
        "torch": with_torch(F.cross_entropy, data, steps),
        "torch + xent": with_torch(xent.torch.cross_entropy, data, steps),
    }
    if find_spec("jax"):
        runs["JAX + xent"] = with_jax(data, steps)
    else:
        print("JAX is not installed (pip install jax): two ways.")
    rows = []
    for name, (losses, seconds, right) in runs.items():
        gap = max(abs(a - b) / a for a, b in zip(runs["torch"][0], losses, strict=True))
        rows.append({
            "with": name, "µs a step": seconds * 1e6, "first loss": losses[0], "last loss": losses[-1],
            "largest relative difference to torch": gap, "test acc": right,
        })  # fmt: skip
    workbench.show(f"digits, 64-128-10, batches of {BATCH}, {steps} steps, losses in nats", rows)
    workbench.keep(options.out, "three_ways", {"rows": rows, "losses": {name: run[0] for name, run in runs.items()}})
    picture(runs, options.out)


if __name__ == "__main__":
    main()

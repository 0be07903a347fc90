"""Modular addition, trained far below the loss at which a float32 cross-entropy stops being right.

(a + b) mod p from 80 % of all pairs, a network without weight decay, full batches: the setting of Prieto et al. 2025,
"Grokking at the Edge of Numerical Stability" (arXiv:2501.04697), with p = 59. The two runs of a seed differ in the loss
alone. Every 100 steps the gradient in use is held against the one that the float64 truth at the same logits gives.

    python examples/grokking.py                                   one seed, 5000 steps: minutes
    python examples/grokking.py --seeds 42 1 2 --steps 9000       what docs/training.md shows
"""

from __future__ import annotations

import itertools
import time

import torch
import torch.nn.functional as F
import workbench
from torch import nn

import xent

LOSSES = {
    "torch": F.cross_entropy,
    "float64": lambda logits, ids: F.cross_entropy(logits.double(), ids),
    "xent": xent.softmax_cross_entropy,
}


def pairs(p: int, share: float) -> tuple[torch.Tensor, ...]:
    """One-hot pairs and their sums mod p: x_train, y_train, x_test, y_test."""
    every = torch.tensor(list(itertools.product(range(p), repeat=2)))
    x = torch.cat([F.one_hot(every[:, 0], p), F.one_hot(every[:, 1], p)], dim=1).float()
    y = every.sum(1) % p
    order = torch.randperm(len(x))
    cut = int(share * len(x))
    first, second = order[:cut], order[cut:]
    return x[first], y[first], x[second], y[second]


def network(p: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(2 * p, width, bias=False), nn.ReLU(), nn.Linear(width, width, bias=False), nn.ReLU(),
        nn.Linear(width, p, bias=False),
    )  # fmt: skip


def true_losses(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """-log p of the targets in float64, exact in the tail: log(1 + sum of e^(z_j - z_y) over the others)."""
    ahead = logits.double() - logits.double().gather(1, ids[:, None])
    others = ahead.scatter(1, ids[:, None], -torch.inf)
    return F.softplus(others.logsumexp(1), threshold=1e9)


def probe(net: nn.Module, loss, data: tuple[torch.Tensor, ...]) -> dict[str, float]:
    """Where a run stands: the true loss, and what the loss in use makes of the gradient."""
    x, ids, fresh, truth = data
    weights = list(net.parameters())
    logits = net(x)
    leaf = logits.detach().requires_grad_()
    (used,) = torch.autograd.grad(loss(leaf, ids), leaf)
    nll = true_losses(leaf, ids)
    (right,) = torch.autograd.grad(nll.mean(), leaf)
    through = [torch.autograd.grad(logits, weights, g.float(), retain_graph=True) for g in (used, right)]
    one, other = (torch.cat([g.flatten() for g in gs]).double() for gs in through)
    with torch.no_grad():
        said = net(fresh)
        return {
            "log10 loss": nll.mean().log10().item(),
            "collapsed": (used.gather(1, ids[:, None]) == 0).double().mean().item(),
            "cosine": F.cosine_similarity(one / one.norm(), other / other.norm(), dim=0).item(),
            "norm": torch.cat([w.flatten() for w in weights]).norm().item(),
            "train": (logits.argmax(1) == ids).double().mean().item(),
            "test": (said.argmax(1) == truth).double().mean().item(),
            "log10 test loss": true_losses(said, truth).mean().log10().item(),
        }


def train(name: str, seed: int, options) -> list[dict[str, float]]:
    torch.manual_seed(seed)
    data = pairs(options.p, options.share)
    net = network(options.p, options.width)
    adam = torch.optim.AdamW(net.parameters(), options.lr, betas=(0.9, 0.99), eps=1e-30, weight_decay=0.0)
    loss, course, began = LOSSES[name], [], time.perf_counter()
    for step in range(options.steps + 1):
        if step % options.every == 0:
            course.append({"step": step, **probe(net, loss, data)})
        adam.zero_grad()
        loss(net(data[0]), data[1]).backward()
        adam.step()
    print(f"{name}, seed {seed}: {options.steps} steps in {time.perf_counter() - began:.0f} s", flush=True)
    return course


def summary(name: str, seed: int, course: list[dict[str, float]]) -> dict[str, object]:
    last, quarter = course[-1], course[-max(1, len(course) // 4) :]
    trained = course[1:]
    return {
        "loss": name,
        "seed": seed,
        "step": last["step"],
        "log10 true loss": round(last["log10 loss"], 2),
        "collapsed, last quarter": round(sum(c["collapsed"] for c in quarter) / len(quarter), 3),
        "collapsed, most": round(max(c["collapsed"] for c in trained), 3),
        "lowest cosine": round(min(c["cosine"] for c in trained), 3),
        "norm": round(last["norm"]),
        "train acc": round(last["train"], 3),
        "test acc": round(last["test"], 3),
        "best test acc": round(max(c["test"] for c in course), 3),
    }


def picture(runs: list[dict[str, object]], out) -> None:
    figure, axes = workbench.panels(4, 3.9)
    shown = {"log10 loss": "log10 of the true training loss", "collapsed": "samples whose target gradient is 0",
             "cosine": "cosine of the gradient in use to the true one", "test": "test accuracy"}  # fmt: skip
    for axis, (key, title) in zip(axes, shown.items(), strict=True):
        for number, run in enumerate(runs):
            fresh = run["loss"] not in {earlier["loss"] for earlier in runs[:number]}
            axis.plot([c["step"] for c in run["course"]], [c[key] for c in run["course"]], lw=1,
                      color=workbench.COLOURS[run["loss"]], label=run["loss"] if fresh else None)  # fmt: skip
        axis.set(title=title, xlabel="step")
    axes[0].legend()
    workbench.save(figure, out, "grokking")


def main() -> None:
    parser = workbench.parser(__doc__)
    parser.add_argument("--p", type=int, default=59)
    parser.add_argument("--share", type=float, default=0.8, help="of the pairs, for training")
    parser.add_argument("--width", type=int, default=200)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--every", type=int, default=100, help="steps between probes")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=["torch", "xent"])
    options = parser.parse_args()
    if options.quick:  # a smaller group and network, faster steps: the gradient fails alike, accuracy says nothing
        options.p, options.width, options.steps, options.every, options.lr = 13, 32, 2500, 50, 2e-2
    torch.set_num_threads(1)
    runs = []
    for seed, name in itertools.product(options.seeds, options.losses):
        runs.append({"loss": name, "seed": seed, "course": train(name, seed, options)})
        rows = [summary(run["loss"], run["seed"], run["course"]) for run in runs]
        workbench.keep(options.out, "grokking", {"rows": rows, "runs": runs})
    workbench.show(f"(a + b) mod {options.p} from {options.share:.0%} of the pairs", rows)
    picture(runs, options.out)


if __name__ == "__main__":
    main()

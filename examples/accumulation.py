"""Gradient accumulation and data parallelism that give the update of the whole batch, to the last digits.

Documents of unequal length, batched by length as usual, so that micro-batches hold unequal numbers of tokens. The mean
over the tokens of the whole batch is a sum of parts, each divided by the *global* token count:

    xent.softmax_cross_entropy(logits, targets, ignore_index=-100, denominator=tokens_everywhere)

Averaging the micro-batches' own means instead makes a token of a small micro-batch weigh more, and trains another
model. Long and short documents follow different rules here, so the difference can be seen.

    python examples/accumulation.py
"""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
import workbench
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import xent

PAD, VOCABULARY, WORLD, PIECES = -100, 16, 2, 4  # PIECES micro-batches of a batch, shared between WORLD processes


def documents(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and next tokens, PAD past the end, in the order of their lengths: half are long, half short; a long
    document mostly counts up, a short one mostly down."""
    draw = torch.Generator().manual_seed(seed)
    long = torch.arange(count) < count // 2
    length = torch.where(
        long, torch.randint(20, 33, (count,), generator=draw), torch.randint(2, 5, (count,), generator=draw)
    )
    follows = torch.rand(count, 33, generator=draw) < 0.75
    step = torch.where(
        follows, torch.where(long, 1, -1)[:, None], torch.randint(VOCABULARY, (count, 33), generator=draw)
    )
    walk = step.cumsum(1) % VOCABULARY
    inputs, targets = walk[:, :-1], walk[:, 1:].clone()
    targets[torch.arange(32) >= length[:, None]] = PAD
    order = length.argsort(descending=True, stable=True)
    return inputs[order], targets[order]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(VOCABULARY, 32), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, VOCABULARY))


def part(net: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, tokens: float) -> torch.Tensor:
    """This piece's share of the mean over `tokens` tokens."""
    return xent.softmax_cross_entropy(net(inputs), targets, ignore_index=PAD, denominator=tokens)


# ---- five ways to one gradient, but for the last -------------------------------------------------


def whole(net: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    xent.softmax_cross_entropy(net(inputs), targets, ignore_index=PAD).backward()


def accumulated(net: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    tokens = float((targets != PAD).sum())
    for x, t in zip(inputs.chunk(PIECES), targets.chunk(PIECES), strict=True):
        part(net, x, t, tokens).backward()


def naive(net: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    for x, t in zip(inputs.chunk(PIECES), targets.chunk(PIECES), strict=True):
        (F.cross_entropy(net(x).flatten(0, 1), t.flatten(), ignore_index=PAD) / PIECES).backward()


def mine(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], float]:
    """This process's micro-batches, and the tokens of all processes."""
    pieces = list(zip(inputs.chunk(PIECES), targets.chunk(PIECES), strict=True))[dist.get_rank() :: WORLD]
    tokens = torch.tensor(float(sum((t != PAD).sum() for _, t in pieces)))
    dist.all_reduce(tokens)
    return pieces, tokens.item()


def summed(net: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Two processes that add their gradients."""
    pieces, tokens = mine(inputs, targets)
    for x, t in pieces:
        part(net, x, t, tokens).backward()
    for weight in net.parameters():
        dist.all_reduce(weight.grad)


def averaged(net: DistributedDataParallel, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Two processes under DistributedDataParallel, which averages: so each divides by its share of the tokens."""
    pieces, tokens = mine(inputs, targets)
    with net.no_sync():
        for x, t in pieces[:-1]:
            part(net, x, t, tokens / WORLD).backward()
    part(net, *pieces[-1], tokens / WORLD).backward()


# ---- training ------------------------------------------------------------------------------------


def train(net: nn.Module, gradient, steps: int) -> dict[str, object]:
    """The first gradient and the weights after `steps` steps."""
    first = None
    for step in range(steps):
        net.zero_grad()
        gradient(net, *documents(64, seed=step))
        if first is None:
            first = torch.cat([w.grad.flatten() for w in net.parameters()])
        with torch.no_grad():
            for weight in net.parameters():
                weight -= 0.5 * weight.grad
    return {"first": first, "weights": torch.cat([w.detach().flatten() for w in net.parameters()])}


def process(rank: int, folder: str, steps: int) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=WORLD, timeout=timedelta(seconds=60))
    runs = {
        "2 processes, summed": train(network(), summed, steps),
        "2 processes, DDP": train(DistributedDataParallel(network()), averaged, steps),
    }
    if rank == 0:
        torch.save(runs, f"{folder}/runs.pt")
    dist.destroy_process_group()


def judged(run: dict[str, object], right: dict[str, object]) -> dict[str, object]:
    """How far from the whole batch's run, and the test loss of each kind of document."""
    net = network()
    nn.utils.vector_to_parameters(run["weights"], net.parameters())
    inputs, targets = documents(4000, seed=10**6)
    with torch.no_grad():
        losses = xent.softmax_cross_entropy(net(inputs), targets, ignore_index=PAD, reduction="none")
    counts, long = targets != PAD, torch.arange(4000) < 2000
    gap, moved = (run["first"] - right["first"]).abs().max(), (run["weights"] - right["weights"]).abs().max()
    return {
        "first gradient off by": (gap / right["first"].abs().max()).item(),
        "weights off by": (moved / right["weights"].abs().max()).item(),
        "test loss a token": (losses.sum() / counts.sum()).item(),
        "long documents": (losses[long].sum() / counts[long].sum()).item(),
        "short": (losses[~long].sum() / counts[~long].sum()).item(),
    }  # fmt: skip


def picture(rows, out) -> None:
    figure, axes = workbench.panels(2, 5.0)
    names = [row["gradient"] for row in rows]
    axes[0].barh(
        names[1:], [max(row["first gradient off by"], 1e-9) for row in rows[1:]], color=workbench.COLOURS["xent"]
    )
    axes[0].set(title="first gradient: largest error, relative", xscale="log")
    axes[1].barh(names, [row["test loss a token"] for row in rows], color=workbench.COLOURS["xent"])
    axes[1].set(title="test loss, nats a token", xlim=(0, None))
    for axis in axes:
        axis.invert_yaxis()
    workbench.save(figure, out, "accumulation")


def main() -> None:
    parser = workbench.parser(__doc__)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    steps = 20 if options.quick else options.steps
    torch.set_num_threads(1)
    runs = {
        "whole batch": train(network(), whole, steps),
        "1 process, 4 micro-batches": train(network(), accumulated, steps),
    }
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(process, (folder, steps), nprocs=WORLD)
        runs |= torch.load(Path(folder) / "runs.pt")
    runs["mean of micro-batch means"] = train(network(), naive, steps)
    rows = [{"gradient": name, **judged(run, runs["whole batch"])} for name, run in runs.items()]
    counts = [int((t != PAD).sum()) for t in documents(64, seed=0)[1].chunk(PIECES)]
    print(f"tokens of the first batch's micro-batches: {counts}")
    print(f"in the mean of means a token of the last weighs {counts[0] / counts[-1]:.1f} times one of the first")
    workbench.show(f"{steps} steps of SGD", rows)
    workbench.keep(options.out, "accumulation", {"rows": rows, "tokens": counts})
    picture(rows, options.out)


if __name__ == "__main__":
    main()

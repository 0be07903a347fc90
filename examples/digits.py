"""Ten classes: the same network from the same seed under torch's cross-entropy and under xent's.

The curves agree. So small a network's loss is a small part of its step, and most of that is the call. Where the loss
weighs, on the logits of a vocabulary, its time and its peak memory are measured alone. Times are the processor's, on
one thread.

    python examples/digits.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything that owns a thread pool is imported

import math
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
import workbench
from torch import nn

from xent.torch import cross_entropy

LOSSES = {"torch": F.cross_entropy, "xent": cross_entropy}


def turn(number: int) -> list[str]:
    """Who goes first alternates."""
    return list(LOSSES)[:: 1 if number % 2 else -1]


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def train(seed: int, epochs: int, data) -> dict[str, dict[str, object]]:
    """Both losses side by side, step by step, in turns, so that the machine's moods meet both."""
    x, ids, fresh, truth = (torch.from_numpy(a) for a in data)
    nets = {name: network(seed) for name in LOSSES}
    adams = {name: torch.optim.AdamW(net.parameters(), 1e-3) for name, net in nets.items()}
    curves: dict[str, list[float]] = {name: [] for name in LOSSES}
    times: dict[str, list[float]] = {name: [] for name in LOSSES}
    draw = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=draw).split(64):
            for name in turn(len(curves["xent"])):
                began = time.process_time()
                adams[name].zero_grad()
                value = LOSSES[name](nets[name](x[batch]), ids[batch])
                value.backward()
                adams[name].step()
                times[name].append(time.process_time() - began)
                curves[name].append(value.item())
    right = {}
    for name, net in nets.items():
        with torch.no_grad():
            right[name] = (net(fresh).argmax(1) == truth).double().mean().item()
    return {
        name: {"curve": curves[name], "step": statistics.median(times[name]), "test": right[name]} for name in LOSSES
    }


def pass_of(name: str, logits: torch.Tensor, ids: torch.Tensor) -> None:
    logits.grad = None
    LOSSES[name](logits, ids).backward()


def alone(rows: int, classes: int, rounds: int) -> dict[str, float]:
    """Median time of loss and gradient, in interleaved rounds."""
    torch.manual_seed(0)
    logits, ids = torch.randn(rows, classes, requires_grad=True), torch.randint(classes, (rows,))
    times: dict[str, list[float]] = {name: [] for name in LOSSES}
    for number in range(rounds):
        for name in turn(number):
            began = time.process_time()
            pass_of(name, logits, ids)
            times[name].append(time.process_time() - began)
    return {name: statistics.median(seconds[1:]) for name, seconds in times.items()}


def high_water() -> int:
    """The most memory that this process held since the mark was set back, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def peak(name: str, rows: int, classes: int) -> float:
    """What loss and gradient hold beyond the logits at their peak, over the logits' bytes, which are too many for the
    allocator to keep. NaN where the system does not tell."""
    if not (mark := Path("/proc/self/clear_refs")).exists():
        return math.nan
    logits, ids = torch.randn(rows, classes, requires_grad=True), torch.randint(classes, (rows,))
    mark.write_text("5")  # the high water falls to what is held now
    before = high_water()
    pass_of(name, logits, ids)
    return (high_water() - before) / logits.nbytes


def picture(runs, out) -> None:
    figure, axes = workbench.panels(2)
    for name, style in (("torch", "-"), ("xent", ":")):
        axes[0].semilogy(runs[name]["curve"], style, lw=1.2, color=workbench.COLOURS[name], label=name)
    axes[0].set(title="digits: training loss", xlabel="step")
    axes[0].legend()
    gap = [abs(a - b) / a for a, b in zip(runs["torch"]["curve"], runs["xent"]["curve"], strict=True)]
    axes[1].semilogy([max(g, 1e-9) for g in gap], lw=0.8, color=workbench.COLOURS["other"])
    axes[1].set(title="relative difference of the two", xlabel="step")
    workbench.save(figure, out, "digits")


def main() -> None:
    parser = workbench.parser(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    epochs, shape, rounds = (4, (2560, 4096), 4) if options.quick else (options.epochs, (8192, 4096), 12)
    memory = {name: peak(name, *shape) for name in LOSSES}  # before anything has left memory to be used again
    runs = train(options.seed, epochs, workbench.digits())
    small, wide = alone(64, 10, 100 if options.quick else 2000), alone(*shape, rounds)
    rows = [
        {
            "loss": name, "first loss": run["curve"][0], "last loss": run["curve"][-1], "test acc": run["test"],
            "training step, µs": run["step"] * 1e6, "loss + gradient 64 × 10, µs": small[name] * 1e6,
            f"{shape[0]} × {shape[1]}, ms": wide[name] * 1e3, "memory beyond the logits, × logits": memory[name],
        }
        for name, run in runs.items()
    ]  # fmt: skip
    ratio = {key: rows[0][key] / rows[1][key] for key in list(rows[0])[4:]}
    workbench.show(
        "digits, 64-128-128-10, one thread", [*rows, dict.fromkeys(rows[0], "") | {"loss": "torch / xent"} | ratio]
    )
    gap = max(abs(a - b) / a for a, b in zip(runs["torch"]["curve"], runs["xent"]["curve"], strict=True))
    print(f"\nlargest relative difference of the two curves: {gap:.2g}")
    workbench.keep(options.out, "digits", {"rows": rows, "ratio": ratio, "largest difference": gap, "runs": runs})
    picture(runs, options.out)


if __name__ == "__main__":
    main()

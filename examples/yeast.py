"""Fourteen labels that may hold together: torch's binary cross-entropy and xent's, from the same seed.

Trained twice: with every label known, and with 30 % of the labels unknown at random, which torch wants masked by hand
and xent takes as `where=`.

    python examples/yeast.py --data FOLDER
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import workbench
from torch import nn

import xent
from xent.torch import binary_cross_entropy_with_logits


def masked(logits: torch.Tensor, labels: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (losses * known).sum() / known.sum()


LOSSES = {
    ("all", "torch"): lambda logits, labels, known: F.binary_cross_entropy_with_logits(logits, labels),
    ("all", "xent"): lambda logits, labels, known: binary_cross_entropy_with_logits(logits, labels),
    ("70 %", "torch"): masked,
    ("70 %", "xent"): lambda logits, labels, known: xent.sigmoid_cross_entropy(logits, labels, where=known),
}


def train(loss, seed: int, epochs: int, data) -> dict[str, object]:
    x, labels, fresh, truth = (torch.from_numpy(a) for a in data)
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(103, 128), nn.ReLU(), nn.Linear(128, 14))
    known = torch.rand(labels.shape) < 0.7
    adam = torch.optim.AdamW(net.parameters(), 1e-3)
    curve, course = [], []
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(100):
            adam.zero_grad()
            value = loss(net(x[batch]), labels[batch], known[batch])
            value.backward()
            adam.step()
            curve.append(value.item())
        with torch.no_grad():
            course.append(F.binary_cross_entropy_with_logits(net(fresh).double(), truth.double()).item())
    with torch.no_grad():
        said = net(fresh) > 0
    hits = (said & (truth > 0)).sum().item()
    return {
        "curve": curve, "course": course, "hamming": (said != (truth > 0)).double().mean().item(),
        "f1": 2 * hits / (said.sum().item() + truth.sum().item()),
    }  # fmt: skip


def picture(runs, out) -> None:
    figure, axes = workbench.panels(2)
    for axis, kind in zip(axes, ("all", "70 %"), strict=True):
        for name, style in (("torch", "-"), ("xent", ":")):
            axis.plot(runs[kind, name]["course"], style, lw=2, color=workbench.COLOURS[name], label=name)
        axis.set(title=f"yeast, labels known: {kind}", xlabel="epoch", ylabel="test loss, nats a label")
        axis.legend()
    workbench.save(figure, out, "yeast")


def main() -> None:
    parser = workbench.parser(__doc__)
    workbench.data_option(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = workbench.yeast(options.data)
    epochs = 6 if options.quick else options.epochs
    runs = {key: train(loss, options.seed, epochs, data) for key, loss in LOSSES.items()}
    rows = []
    for (kind, name), run in runs.items():
        other = runs[kind, "torch"]["curve"]
        gap = max(abs(a - b) / a for a, b in zip(other, run["curve"], strict=True))
        rows.append({
            "labels known": kind, "loss": name, "last training loss": run["curve"][-1], "test loss": run["course"][-1],
            "lowest test loss": min(run["course"]), "Hamming loss": run["hamming"], "micro F1": run["f1"],
            "largest relative difference to torch": gap,
        })  # fmt: skip
    workbench.show("yeast, 103-128-14", rows)
    workbench.keep(options.out, "yeast", {"rows": rows})
    picture(runs, options.out)


if __name__ == "__main__":
    main()

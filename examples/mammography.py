"""One spot in 43 is a microcalcification: plain, `pos_weight` and focal loss, torch's and xent's, from the same seed.

Where torch is right the curves agree. Where it is not, at a confident logit, the last table shows the gradient of one
sample: the usual focal formula gives 0 or NaN.

    python examples/mammography.py --data FOLDER
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import workbench
from sklearn.metrics import average_precision_score
from torch import nn

from xent.torch import binary_cross_entropy_with_logits, sigmoid_focal_loss


def usual_focal(logits: torch.Tensor, targets: torch.Tensor, alpha: float, gamma: float) -> torch.Tensor:
    """Focal loss as Lin et al. 2017 print it and most libraries write it, from p."""
    p = torch.sigmoid(logits)
    right = p * targets + (1 - p) * (1 - targets)
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * (1 - right) ** gamma
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * losses).mean()


def losses(weight: torch.Tensor):
    """What is trained with, by (kind, whose)."""
    return {
        ("plain", "torch"): F.binary_cross_entropy_with_logits,
        ("plain", "xent"): binary_cross_entropy_with_logits,
        ("pos_weight", "torch"): lambda z, t: F.binary_cross_entropy_with_logits(z, t, pos_weight=weight),
        ("pos_weight", "xent"): lambda z, t: binary_cross_entropy_with_logits(z, t, pos_weight=weight),
        ("focal", "torch"): lambda z, t: usual_focal(z, t, 0.25, 2.0),
        ("focal", "xent"): lambda z, t: sigmoid_focal_loss(z, t, alpha=0.25, gamma=2.0, reduction="mean"),
    }


def train(loss, seed: int, epochs: int, data) -> dict[str, object]:
    x, y, fresh, truth = (torch.from_numpy(a) for a in data)
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
    adam = torch.optim.AdamW(net.parameters(), 3e-3)
    curve, course = [], []
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(128):
            adam.zero_grad()
            value = loss(net(x[batch]), y[batch])
            value.backward()
            adam.step()
            curve.append(value.item())
        with torch.no_grad():
            course.append(average_precision_score(truth, net(fresh)))
    with torch.no_grad():
        said = net(fresh)
    found = ((said > 0) & (truth > 0)).sum().item()
    return {
        "curve": curve, "course": course, "recall": found / truth.sum().item(),
        "precision": found / max(1, (said > 0).sum().item()),
        "log loss": F.binary_cross_entropy_with_logits(said.double(), truth.double()).item(),
    }  # fmt: skip


def confident() -> list[dict[str, object]]:
    """d loss / d logit of one positive, focal with gamma 2 and 0.5, far on the right side."""
    rows = []
    for gamma in (2.0, 0.5):
        for z in (5.0, 10.0, 17.0, 25.0):
            row: dict[str, object] = {"gamma": gamma, "logit": z}
            exact = torch.tensor([z], dtype=torch.float64, requires_grad=True)
            (F.logsigmoid(-exact).mul(gamma).exp() * -F.logsigmoid(exact)).sum().backward()
            row["truth"] = exact.grad.item()
            for name in ("torch", "xent"):
                logit, one = torch.tensor([z], requires_grad=True), torch.ones(1)
                if name == "torch":
                    (usual_focal(logit, one, 1.0, gamma)).backward()
                else:
                    sigmoid_focal_loss(logit, one, alpha=-1, gamma=gamma, reduction="sum").backward()
                row[name] = logit.grad.item()
            rows.append(row)
    return rows


def picture(runs, out) -> None:
    figure, axes = workbench.panels(3, 4.0)
    for axis, kind in zip(axes, ("plain", "pos_weight", "focal"), strict=True):
        for name, style in (("torch", "-"), ("xent", ":")):
            axis.plot(runs[kind, name]["course"], style, lw=2, color=workbench.COLOURS[name], label=name)
        axis.set(title=f"mammography: {kind}", xlabel="epoch", ylabel="average precision, test")
        axis.legend()
    workbench.save(figure, out, "mammography")


def main() -> None:
    parser = workbench.parser(__doc__)
    workbench.data_option(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = workbench.mammography(options.data)
    weight = torch.tensor(float((data[1] == 0).sum() / (data[1] == 1).sum()))
    epochs = 3 if options.quick else options.epochs
    runs = {key: train(loss, options.seed, epochs, data) for key, loss in losses(weight).items()}
    rows = []
    for (kind, name), run in runs.items():
        other = runs[kind, "torch"]["curve"]
        gap = max(abs(a - b) / max(a, 1e-3) for a, b in zip(other, run["curve"], strict=True))
        rows.append({
            "kind": kind, "loss": name, "test average precision": run["course"][-1], "recall at 1/2": run["recall"],
            "precision at 1/2": run["precision"], "test log loss": run["log loss"],
            "largest relative difference to torch": gap,
        })  # fmt: skip
    one = confident()
    workbench.show(f"mammography, 6-32-1, pos_weight {weight:.1f}, focal: gamma 2, alpha 0.25", rows)
    workbench.show("The gradient of one confident positive, focal loss, float32", one)
    workbench.keep(options.out, "mammography", {"rows": rows, "confident": one})
    picture(runs, options.out)


if __name__ == "__main__":
    main()

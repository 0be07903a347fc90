"""Where the gradient of a cross-entropy dies: one sample whose target's logit moves ahead of the rest.

Minus the gradient of that logit, which is 1 - p, in float32, bfloat16 and float64: torch's, xent's and the truth.

    python examples/margins.py
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import workbench

import xent

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
PULLS = {
    ("softmax", "torch"): F.cross_entropy,
    ("softmax", "xent"): xent.softmax_cross_entropy,
    ("sigmoid", "torch"): F.binary_cross_entropy_with_logits,
    ("sigmoid", "xent"): xent.sigmoid_cross_entropy,
}


def sample(margin: float, dtype: torch.dtype, family: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax: a rival `margin` below the target and eight classes 3 lower. Sigmoid: the logit itself."""
    if family == "sigmoid":
        return torch.tensor([margin], dtype=dtype), torch.ones(1, dtype=dtype)
    return torch.tensor([[0.0, -margin, *[-margin - 3.0] * 8]], dtype=dtype), torch.zeros(1, dtype=torch.long)


def pull(loss, logits: torch.Tensor, targets: torch.Tensor) -> tuple[float, float]:
    """(loss, how hard the gradient pulls on the target's logit)."""
    logits = logits.clone().requires_grad_()
    value = loss(logits, targets)
    value.backward()
    return value.item(), -logits.grad.flatten()[0].item()


def one_sample() -> list[dict[str, object]]:
    rows = []
    for margin in (8.0, 10.0, 12.0, 14.0, 16.0, 17.0, 20.0, 36.0, 38.0, 80.0, 87.0, 103.0):
        exact = sample(margin, torch.float64, "softmax")
        others = exact[0][0, 1:].logsumexp(0)
        row: dict[str, object] = {"margin": f"{margin:g}", "truth": others.sigmoid().item()}
        for name in ("torch", "xent"):
            for kind, dtype in FORMATS.items():
                row[f"{name} {kind}"] = pull(PULLS["softmax", name], *sample(margin, dtype, "softmax"))[1]
        rows.append(row)
    return rows


def deaths() -> list[dict[str, object]]:
    """The first margin, in halves, from which the target's gradient is 0 to the end of the scan."""
    rows = []
    for (family, name), loss in PULLS.items():
        row: dict[str, object] = {"loss": family, "of": name}
        for kind, dtype in FORMATS.items():
            alive = 0.0
            for half in range(2 * (800 if kind == "float64" and name == "xent" else 120)):
                if pull(loss, *sample(half / 2, dtype, family))[1] != 0:
                    alive = half / 2
            row[kind] = f"{alive + 0.5:g}"
        rows.append(row)
    return rows


def errors(samples: int) -> list[dict[str, object]]:
    """The worst relative error of the target's gradient over random rows of 50 classes."""
    torch.manual_seed(0)
    rows = []
    for margin in (5.0, 10.0, 12.0, 14.0, 16.0, 20.0, 40.0, 80.0):
        noise = torch.randn(samples, 50)
        row: dict[str, object] = {"margin": f"{margin:g}"}
        for name in ("torch", "xent"):
            for kind, dtype in FORMATS.items():
                logits = noise.clone()
                logits[:, 0] = logits[:, 1:].max(1).values + margin
                logits = logits.to(dtype).requires_grad_()
                ahead = logits.detach().double()
                truth = -(ahead[:, 1:] - ahead[:, :1]).logsumexp(1).sigmoid()
                PULLS["softmax", name](logits, torch.zeros(samples, dtype=torch.long), reduction="sum").backward()
                row[f"{name} {kind}"] = (logits.grad[:, 0].double() / truth - 1).abs().max().item()
        rows.append(row)
    return rows


def picture(tables, out) -> None:
    figure, (lives, errs) = workbench.panels(2, 5.0)
    dashes = {"bfloat16": ":", "float32": "-", "float64": "--"}
    for row in reversed(tables["deaths"]):
        names = [f"{row['loss']}, {row['of']}, {kind}" for kind in dashes]
        lives.barh(names, [float(row[kind]) for kind in dashes], color=workbench.COLOURS[row["of"]])
    lives.set(title="1 - p is 0 from this margin on", xscale="log", xlim=(1, None))
    lives.tick_params(axis="y", labelsize=7)
    for name in ("torch", "xent"):
        for kind, dash in dashes.items():
            points = [(float(row["margin"]), row[f"{name} {kind}"]) for row in tables["errors"]]
            errs.semilogy(*zip(*points, strict=True), dash, color=workbench.COLOURS[name], label=f"{name} {kind}")
    errs.set(title="worst relative error of 1 - p", xlabel="margin")
    errs.legend(fontsize=7)
    workbench.save(figure, out, "margins")


def main() -> None:
    options = workbench.parser(__doc__).parse_args()
    torch.set_num_threads(1)
    tables = {"one sample": one_sample(), "deaths": deaths(), "errors": errors(50 if options.quick else 200)}
    workbench.show("1 - p of the target, ten classes", tables["one sample"])
    workbench.show("The margin from which on it is exactly 0", tables["deaths"])
    workbench.show("Its worst relative error, random rows of 50 classes", tables["errors"])
    workbench.keep(options.out, "margins", tables)
    picture(tables, options.out)


if __name__ == "__main__":
    main()

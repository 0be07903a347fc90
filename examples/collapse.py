"""What a gradient that dies at margin 17 does to training on separable data.

Linear models, gradient descent with steps of fixed length, ten seeds: torch's losses in float32, where the target's
gradient is 0 from a margin of about 17 on, and in float64, from 37 on, against one that is exact to the end of float32.

    python examples/collapse.py
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import workbench

import xent


def binary(loss, cast=torch.Tensor.float):
    """A loss of targets 0 and 1 from one logit a row."""
    return lambda logits, ids: loss(cast(logits[:, 0]), cast(ids.to(logits.dtype)))


SOFTMAX = {
    "torch float32": F.cross_entropy,
    "torch float64": lambda logits, ids: F.cross_entropy(logits.double(), ids),
    "xent float32": xent.softmax_cross_entropy,
}
SIGMOID = {
    "torch float32": binary(F.binary_cross_entropy_with_logits),
    "torch float64": binary(F.binary_cross_entropy_with_logits, torch.Tensor.double),
    "xent float32": binary(xent.sigmoid_cross_entropy),
}


# ---- separable data ------------------------------------------------------------------------------


def separable(family: str, seed: int, clearance: bool) -> tuple[torch.Tensor, ...]:
    """Gaussian points in 20 dimensions, labelled by a random linear teacher: 200 to train on, none nearer to the
    teacher's boundary than its margin of 1 (softmax: 0.4 for a teacher of norm 1), and 4000 fresh ones from everywhere,
    or with the same clearance."""
    draw = torch.Generator().manual_seed(seed)
    teacher = torch.randn(5, 20, generator=draw)
    x = torch.randn(20000, 20, generator=draw)
    if family == "softmax":
        top = (x @ (teacher / teacher.norm()).T).topk(2, dim=1)
        margin, ids, gap = top.values[:, 0] - top.values[:, 1], top.indices[:, 0], 0.4
    else:
        score = x @ (teacher[0] / teacher[0].norm()) - 0.2
        margin, ids, gap = score.abs(), (score > 0).long(), 1.0
    clear = margin > gap
    first, second = (x[:10000], ids[:10000], clear[:10000]), (x[10000:], ids[10000:], clear[10000:] | (not clearance))
    return *(a[first[2]][:200] for a in first[:2]), *(a[second[2]][:4000] for a in second[:2])


def ahead(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The margin of every row, negative where it is wrong."""
    if logits.shape[1] == 1:
        return logits[:, 0] * (2 * ids - 1)
    own = logits.gather(1, ids[:, None])
    return (own - logits.scatter(1, ids[:, None], -torch.inf).max(1, keepdim=True).values)[:, 0]


def descend(family: str, loss, seed: int, steps: int, clearance: bool) -> dict[str, object]:
    """Gradient descent with steps of length 0.1, until the gradient is 0."""
    x, ids, fresh, truth = separable(family, seed, clearance)
    model = torch.nn.Linear(20, 5 if family == "softmax" else 1)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)

    @torch.no_grad()
    def now() -> tuple[int, float, float]:
        right = ahead(model(fresh), truth) > 0
        return step, ahead(model(x), ids).min().item(), right.double().mean().item()

    course = []
    for step in range(steps):
        if step % 10 == 0:
            course.append(now())
        gradient = torch.autograd.grad(loss(model(x), ids), list(model.parameters()))
        length = torch.cat([g.double().flatten() for g in gradient]).norm()
        if length == 0:
            break
        with torch.no_grad():
            for weight, g in zip(model.parameters(), gradient, strict=True):
                weight -= (0.1 / length * g.double()).float()
    course.append(now())
    return {
        "steps": step + (length > 0).item(), "margin": course[-1][1], "final": course[-1][2],
        "margin/norm": course[-1][1] / model.weight.norm().item(), "best": max(c[2] for c in course), "course": course,
    }  # fmt: skip


def descents(seeds: int, steps: int, clearance: bool) -> tuple[list[dict[str, object]], dict[str, object]]:
    rows, courses = [], {}
    for family, losses in (("softmax", SOFTMAX), ("sigmoid", SIGMOID)):
        for name, loss in losses.items():
            runs = [descend(family, loss, seed, steps, clearance) for seed in range(seeds)]
            mean = {
                key: sum(run[key] for run in runs) / seeds
                for key in ("steps", "margin", "margin/norm", "final", "best")
            }
            courses[f"{family}, {name}"] = [run["course"] for run in runs]
            rows.append({
                "loss": family, "of": name, "seeds": seeds, "steps": round(mean["steps"]),
                "min margin": round(mean["margin"], 2), "margin/norm": round(mean["margin/norm"], 3),
                "final test acc": round(mean["final"], 4), "best on the way": round(mean["best"], 4),
                "runs that ended 1 point below their best": sum(run["best"] - run["final"] >= 0.01 for run in runs),
            })  # fmt: skip
    return rows, courses


def picture(courses, out) -> None:
    """Means over the seeds; a run that has ended stays where it ended."""
    figure, axes = workbench.panels(4, 4.0)
    for title, runs in courses.items():
        family, name = title.split(", ")
        colour = workbench.COLOURS[{"torch float32": "torch", "torch float64": "float64"}.get(name, "xent")]
        longest = max(runs, key=len)
        for place, axis in enumerate(axes[:2] if family == "softmax" else axes[2:], start=1):
            mean = [sum(run[min(i, len(run) - 1)][place] for run in runs) / len(runs) for i in range(len(longest))]
            axis.plot([point[0] for point in longest], mean, color=colour, label=name)
    titles = (
        "softmax: smallest margin",
        "softmax: test accuracy",
        "sigmoid: smallest margin",
        "sigmoid: test accuracy",
    )
    for axis, title in zip(axes, titles, strict=True):
        axis.set(title=title, xlabel="step")
        axis.legend(fontsize=7)
    for axis in axes[::2]:
        axis.set_ylim(-10, None)
    for axis in axes[1::2]:
        axis.set_ylim(0.7, 1.0)
    workbench.save(figure, out, "collapse")


def main() -> None:
    parser = workbench.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--clearance", action="store_true", help="fresh points keep away from the boundary too")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.steps = 1, 1000
    torch.set_num_threads(1)
    rows, courses = descents(options.seeds, options.steps, options.clearance)
    workbench.show("Separable data, steps of length 0.1, means over the seeds", rows)
    workbench.keep(options.out, "collapse", {"descent": rows})
    picture(courses, options.out)


if __name__ == "__main__":
    main()

"""What the examples share: the command line, the data sets, and how results are shown."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
COLOURS = {"torch": "#c44e52", "float64": "#8172b3", "xent": "#4c72b0", "other": "#937860"}


def parser(about: str) -> argparse.ArgumentParser:
    """The options that every example has."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="a few seconds' worth, to see that it works")
    made.add_argument(
        "--out", type=Path, default=HERE / "out", help="folder for picture and figures (default: %(default)s)"
    )
    return made


def data_option(made: argparse.ArgumentParser) -> None:
    default = HERE.parent.parent / "shared" / "data"
    made.add_argument("--data", type=Path, default=default, help="folder that holds mulan/ and tabular/")


# ---- data ----------------------------------------------------------------------------------------


def file(folder: Path, name: str, origin: str) -> Path:
    if not (path := folder / name).exists():
        sys.exit(f"{path} is not there. Get it from {origin} and say --data FOLDER (the folder that holds {name}).")
    return path


def standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with the training set's mean 0 and deviation 1, in float32."""
    centre, spread = train.mean(0), train.std(0)
    spread[spread == 0] = 1.0
    return ((train - centre) / spread).astype(np.float32), ((test - centre) / spread).astype(np.float32)


def split(x: np.ndarray, y: np.ndarray, test: float, seed: int) -> tuple[np.ndarray, ...]:
    """x_train, y_train, x_test, y_test."""
    order = np.random.default_rng(seed).permutation(len(x))
    cut = round(len(x) * (1 - test))
    first, second = order[:cut], order[cut:]
    near, far = standardised(x[first], x[second])
    return near, y[first], far, y[second]


def digits() -> tuple[np.ndarray, ...]:
    """1797 images of 8 x 8 pixels, ten classes."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return split(x, y.astype(np.int64), 0.25, seed=0)


def yeast(folder: Path) -> tuple[np.ndarray, ...]:
    """103 features of 1500 + 917 genes, 14 labels that may hold together (Elisseeff & Weston 2001)."""
    parts = []
    for part in ("train", "test"):
        path = file(folder, f"mulan/yeast-{part}.arff", "github.com/tsoumakas/mulan, data/multi-label/yeast")
        lines = path.read_text().splitlines()
        start = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data")
        table = np.loadtxt([line for line in lines[start + 1 :] if line.strip()], delimiter=",")
        parts.append((table[:, :103], table[:, 103:].astype(np.float32)))
    (x, y), (fresh, truth) = parts
    x, fresh = standardised(x, fresh)
    return x, y, fresh, truth


def mammography(folder: Path) -> tuple[np.ndarray, ...]:
    """Six features of 11 183 spots, 260 of them (2.3 %) microcalcifications (Woods et al. 1993)."""
    path = file(folder, "tabular/mammography.csv", "github.com/jbrownlee/Datasets, mammography.csv")
    rows = [line.split(",") for line in path.read_text().split()]
    x = np.array([row[:-1] for row in rows], dtype=np.float64)
    y = np.array([row[-1] == "'1'" for row in rows], dtype=np.float32)
    return split(x, y, 0.5, seed=0)


# ---- results -------------------------------------------------------------------------------------


def text(cell: object) -> str:
    if isinstance(cell, float):
        return "0" if cell == 0 else f"{cell:.4g}"
    return str(cell)


def show(title: str, rows: list[dict[str, object]]) -> None:
    """Prints a Markdown table, one row per dictionary."""
    lines = [list(rows[0]), *([text(cell) for cell in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"\n{title}\n" if title else "")
    for number, line in enumerate(lines):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    sys.stdout.flush()


def keep(out: Path, name: str, figures: dict[str, object]) -> None:
    """The figures behind the tables, as JSON beside the picture."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(figures, indent=1))


def panels(count: int, width: float = 4.6):
    """(figure, axes) of `count` panels side by side, drawn without a display."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, count, figsize=(width * count, 3.6), layout="constrained", squeeze=False)
    for axis in axes[0]:
        axis.grid(alpha=0.25)
    return figure, axes[0]


def save(figure, out: Path, name: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / f"{name}.png", dpi=130)
    print(f"\n{out / name}.png")

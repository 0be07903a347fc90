"""Scoring a file: `xent.score`, plain and with its analysis, against pandas with scikit-learn, each in a fresh process,
after its imports."""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import machine
import numpy as np

ROWS = 10_000_000  # 50 MB of float32 probabilities and int8 labels
MEGABYTES = {"xent": 400, "xent, full analysis": 600}  # what is expected: peak memory below
RATIO, ANALYSIS = 4, 3  # times faster than pandas and scikit-learn; times the plain score at most

CODE = {
    "xent": """
import xent
from xent import score
run = lambda path: score(path).log_loss
""",
    "xent, full analysis": """
import xent
from xent import score
run = lambda path: score(path, analyse=True).log_loss
""",
    "pandas + scikit-learn": """
import pandas
from sklearn.metrics import log_loss
def run(path):
    table = pandas.read_parquet(path)
    return log_loss(table["target"], table["prob"])
""",
}
AROUND = """
import json, time, machine
{code}
run({warm!r})
start = time.perf_counter()
loss = run({path!r})
print(json.dumps([time.perf_counter() - start, float(loss), machine.status("VmHWM") / 1e6]))
"""


@dataclass(frozen=True)
class Scored:
    """One contender: median seconds, the log loss it reports, and the peak memory of its whole process in MB."""

    name: str
    seconds: float
    loss: float
    megabytes: float


def write(path: Path, rows: int) -> None:
    """Write honest forecasts as Parquet: prob = σ(N(0, 3)) in float32, and the outcome drawn from it."""
    import pyarrow
    from pyarrow import parquet

    rng = np.random.default_rng(20240229)
    probs = 1 / (1 + np.exp(-3 * rng.standard_normal(rows, dtype=np.float32)))
    targets = (rng.random(rows, dtype=np.float32) < probs).astype(np.int8)
    parquet.write_table(pyarrow.table({"target": targets, "prob": probs}), path)


def measure(quick: bool, rounds: int) -> list[Scored]:
    """Score the file with each contender that is installed, turn by turn."""
    needs = {"xent": ("xent", "pyarrow"), "xent, full analysis": ("pyarrow", "scipy")}
    needs |= {"pandas + scikit-learn": ("pandas", "pyarrow", "sklearn")}
    names = [name for name, modules in needs.items() if all(map(importlib.util.find_spec, modules))]
    if not importlib.util.find_spec("pyarrow"):
        return []
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        path, warm = Path(folder, "predictions.parquet"), Path(folder, "warm.parquet")
        write(path, 10_000 if quick else ROWS)
        write(warm, 1_000)
        for _ in range(min(rounds, 5)):
            for name in names:
                code = AROUND.format(code=CODE[name], path=str(path), warm=str(warm))
                found[name].append(machine.child(code))
    return [Scored(name, *map(statistics.median, zip(*runs, strict=True))) for name, runs in found.items()]

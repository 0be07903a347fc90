"""xent side by side with what people use today: one process, interleaved rounds, medians, ratios.

Run ``python benchmarks/bench.py`` (``make bench``); ``--quick`` is a smoke run on small arrays that writes no file.
In every round each library has one turn, so that a slow minute is slow for all. A turn is one call that is not timed,
then one that is. Before anything is timed, each library's value and gradient are compared with xent's.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")  # before anything that owns a thread pool is imported

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
import numpy as np
import peers
import report
import scoring
from cases import CASES, SMALL, Case

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Row:
    """The measured medians of one case, in milliseconds; a peer that has nothing comparable is absent."""

    case: Case
    milliseconds: dict[str, float] = field(default_factory=dict)
    spread: dict[str, tuple[float, float]] = field(default_factory=dict)
    elements: int = 0

    @property
    def of_copy(self) -> float | None:
        """Share of the copy bandwidth: bytes moved at least, over what a plain copy moves in the same time."""
        if "xent" not in self.milliseconds or "copy" not in self.milliseconds:
            return None
        copied = 8 if self.case.kind == "softmax" else 12
        return self.case.bytes / self.milliseconds["xent"] / (copied / self.milliseconds["copy"])


def installed(name: str) -> bool:
    return importlib.util.find_spec(peers.NEEDS[name]) is not None


def calls_of(case: Case, arrays: dict[str, np.ndarray], names: list[str]) -> dict[str, Callable[[], Any]]:
    """Return the prepared call of xent, of each peer that has one, and of the plain copy."""
    calls: dict[str, Callable[[], Any]] = {}
    for name in names:
        call = (peers.xent if name == "xent" else peers.PEERS[name])(case, arrays)
        if call is not None:
            calls[name] = call
    agree(case, calls)
    moved = [arrays["logits"]] if case.kind == "softmax" else [arrays["logits"], arrays["targets"]]
    return calls | {"copy": machine.copy(moved, np.zeros_like(arrays["logits"]))}


def agree(case: Case, calls: dict[str, Callable[[], Any]]) -> None:
    """Stop unless all compute the same thing: values to 1e-3, gradients to 1e-3 of the largest entry."""
    results = {name: call() for name, call in calls.items()}
    reference = results.get("xent") or next(iter(results.values()))
    for name, (value, gradient) in results.items():
        if abs(float(value) - float(reference[0])) > 1e-3 * abs(float(reference[0])):
            raise RuntimeError(f"{case.name}: {name} computes {float(value)}, not {float(reference[0])}")
        if gradient is None or reference[1] is None:
            continue
        ours, theirs = np.asarray(reference[1]), np.asarray(gradient)
        if name == "scikit-learn" and reference is not results[name]:
            theirs = theirs / np.float32(len(ours))
        if np.abs(ours - theirs).max() > 1e-3 * np.abs(ours).max():
            raise RuntimeError(f"{case.name}: the gradient of {name} is a different one")


def measure(case: Case, names: list[str], rounds: int, quick: bool) -> Row:
    """Time one case: ``rounds`` rounds in which everyone has one turn."""
    arrays = case.arrays(quick)
    calls = calls_of(case, arrays, names)
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(machine.seconds(call) * 1e3)
    medians = {name: statistics.median(values) for name, values in times.items()}
    spread = {name: (min(values), max(values)) for name, values in times.items()}
    return Row(case, medians, spread, arrays["logits"].size)


def small_calls(names: list[str], quick: bool) -> list[Row]:
    """Time calls of 64 elements, in µs (kept in the ``milliseconds`` field as thousandths)."""
    rows = []
    for case in SMALL:
        calls = calls_of(case, case.arrays(), names)
        del calls["copy"]
        number = 20 if quick else 1000
        medians = {name: machine.microseconds(call, 7, number) / 1e3 for name, call in calls.items()}
        rows.append(Row(case, medians, {}, 64))
    return rows


ALONE = """
import importlib, json, os, statistics
if "BENCH_FIRST" in os.environ:
    importlib.import_module(os.environ["BENCH_FIRST"])
from cases import CASES
import machine, peers
out = {{}}
for case in CASES:
    if case.kind != "log_loss":
        call = peers.xent(case, case.arrays({quick}))
        out[case.name] = statistics.median(machine.seconds(call) for _ in range({rounds})) * 1e3
print(json.dumps(out))
"""

PEAK = """
import json
from cases import CASES
import machine, peers
case = CASES[{index}]
peer = peers.xent if {name!r} == "xent" else peers.PEERS[{name!r}]
small = case.arrays(True)
(peer(case, small) or (lambda: None))()
arrays = case.arrays({quick})
call = peer(case, arrays)
extra = machine.peak(call) if call else None
allocated = arrays["logits"].nbytes if {name!r} not in ("xent", "scikit-learn") else 0
print(json.dumps(None if extra is None else max(extra - allocated, 0)))
"""


def alone(quick: bool, rounds: int, **environment: str) -> dict[str, float]:
    """Return xent's milliseconds for every case in a fresh process that has nothing but NumPy and xent."""
    return machine.child(ALONE.format(quick=quick, rounds=rounds), **environment)


def before(quick: bool, rounds: int) -> dict[str, float]:
    """Return xent's milliseconds in this process, which has not imported any peer yet."""
    found = {}
    for case in CASES[:4]:
        call = peers.xent(case, case.arrays(quick))
        found[case.name] = statistics.median(machine.seconds(call) for _ in range(rounds)) * 1e3
    return found


def peaks(names: list[str], quick: bool) -> dict[str, dict[str, int | None]]:
    """Return the bytes of peak memory beyond inputs and gradient, per case, each in a fresh process."""
    found: dict[str, dict[str, int | None]] = {}
    for index in (0, 4):
        found[CASES[index].name] = {
            name: machine.child(PEAK.format(index=index, name=name, quick=quick))
            for name in names
            if not name.startswith("torch.compile")
        }
    return found


def run(quick: bool, rounds: int, names: list[str], only: str) -> report.Results:
    """Measure everything, or only the rows whose name contains ``only``; without xent its peers alone."""
    results = report.Results(rounds=rounds, missing=[name for name in peers.NEEDS if not installed(name)], quick=quick)
    ours, company = "xent" in names and not only, machine.Company()
    if ours:
        settings: dict[str, dict[str, str]] = {"1 thread": {"OMP_NUM_THREADS": "1"}, "2 threads": {}}
        settings["2 threads, PyTorch imported first"] = {"BENCH_FIRST": "torch"}
        settings |= {f"level {level}": {"XENT_ISA": level} for level in machine.levels() if not quick}
        if not installed("PyTorch eager"):
            del settings["2 threads, PyTorch imported first"]
        results.alone = {name: alone(quick, rounds, **setting) for name, setting in settings.items()}
        results.alone["here, before PyTorch"] = before(quick, rounds)
    for case in (case for case in CASES if only in case.name):
        start = time.perf_counter()
        results.rows.append(measure(case, names, rounds, quick))
        print(f"{case.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    results.small = small_calls(names, quick)
    results.peaks = {} if only else peaks([name for name in names if name == "xent" or not quick], quick)
    if ours:
        results.scored = scoring.measure(quick, rounds)
        pairs = [(machine.import_milliseconds("numpy"), machine.import_milliseconds("xent")) for _ in range(rounds)]
        results.imports = tuple(statistics.median(column) for column in zip(*pairs, strict=True))
    results.machine, results.company = machine.describe(), company.share()
    return results


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small arrays, three rounds, no torch.compile, no files")
    parser.add_argument("--rounds", type=int, default=0, help="timed turns each (9; with --quick 3)")
    parser.add_argument("--results", type=Path, help="where the full table goes (benchmarks/RESULTS.md)")
    parser.add_argument("--readme", type=Path, help="the file whose bench block is replaced (README.md)")
    parser.add_argument("--only", default="", help="only the rows whose name contains this; no files")
    options = parser.parse_args(arguments)
    names = [
        name for name in peers.NEEDS if installed(name) and not (options.quick and name.startswith("torch.compile"))
    ]
    results = run(options.quick, options.rounds or (3 if options.quick else 9), names, options.only)
    full = report.full(results)
    print(full)
    if not (options.quick or options.only):
        options.results = options.results or ROOT / "benchmarks" / "RESULTS.md"
        options.readme = options.readme or ROOT / "README.md"
    if options.results:
        options.results.write_text(full)
    if options.readme:
        text = report.replaced(options.readme.read_text(), "bench", report.main_table(results))
        options.readme.write_text(report.replaced(text, "faces", report.faces_table(results)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

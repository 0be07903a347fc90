"""Where it is measured: the machine's copy bandwidth, clocks, memory peaks, and fresh child processes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

THREADS = 2


def seconds(call: Callable[[], Any]) -> float:
    """Time one call after one that is not timed, so that its threads are awake and no other pool still spins."""
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def copy(arrays: Sequence[np.ndarray], out: np.ndarray) -> Callable[[], Any]:
    """Return a two-thread loop that moves the bytes and does next to nothing: ``out = x + y`` or ``out = x``."""
    if importlib.util.find_spec("torch"):
        import torch

        g, x, *y = (torch.from_numpy(array) for array in (out, *arrays))
        return (lambda: torch.add(x, y[0], out=g)) if y else (lambda: g.copy_(x))
    pool = ThreadPoolExecutor(THREADS)
    flat = [array.reshape(-1) for array in (*arrays, out)]
    step = -(-flat[0].size // THREADS)
    parts = [[array[i * step : (i + 1) * step] for array in flat] for i in range(THREADS)]

    def half(part: list[np.ndarray]) -> None:
        np.add(*part) if len(part) == 3 else np.copyto(part[1], part[0])

    def call() -> None:
        list(pool.map(half, parts))

    return call


def microseconds(call: Callable[[], Any], repeats: int, number: int) -> float:
    """Return the median of ``repeats`` means over ``number`` calls, in µs: for calls too short to time alone."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(number):
            call()
        times.append((time.perf_counter() - start) / number * 1e6)
    return statistics.median(times)


def status(name: str) -> int:
    """Return one of this process's memory counts in bytes (Linux only)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {name}")


def peak(call: Callable[[], Any]) -> int | None:
    """Return the bytes by which one call raised this process's peak of resident memory (Linux only)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from the present size
        before = status("VmRSS")
    except OSError:
        return None
    result = call()
    del result
    return status("VmHWM") - before


def child(code: str, **environment: str) -> Any:
    """Run Python code in a fresh process from this folder; it prints one JSON value."""
    env = os.environ | {"OMP_NUM_THREADS": str(THREADS)} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"a measuring child process failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def import_milliseconds(name: str) -> float:
    return child(
        f"import time; start = time.perf_counter(); import {name}; print((time.perf_counter() - start) * 1000)"
    )


class Company:
    """What other programs took of the processor meanwhile: a busy machine is no place to measure (Linux only)."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.busy, self.own = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        if not Path("/proc/stat").exists():
            return 0.0, 0.0
        user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
        own = os.times()
        ticks = os.sysconf("SC_CLK_TCK")
        return (user + nice + system + irq + softirq) / ticks, sum(own[:4])

    def share(self) -> float:
        busy, own = self._now()
        elapsed = (time.perf_counter() - self.start) * (os.cpu_count() or 1)
        return max(busy - self.busy - (own - self.own), 0.0) / elapsed


def describe() -> list[str]:
    """Return what a reader needs to know to compare: processor, threads, versions."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), model
        )
    versions = [f"Python {platform.python_version()}"]
    for package in ("numpy", "torch", "jax", "optax", "scikit-learn", "scipy", "pandas"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    lines = [f"{model}, {os.cpu_count()} cores, {THREADS} threads", ", ".join(versions)]
    if importlib.util.find_spec("xent"):
        from xent import _kernels

        lines.append(f"xent's kernels at level {_kernels.level()} of {', '.join(levels())}")
    return lines


def levels() -> list[str]:
    """Return the instruction-set levels that this machine can run."""
    from xent import _kernels

    return list(_kernels.levels())

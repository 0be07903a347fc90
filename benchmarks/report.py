"""How the measurements are written down: Markdown for benchmarks/RESULTS.md and for the block in README.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scoring import ANALYSIS, MEGABYTES, RATIO

PEERS = ["PyTorch eager", "torch.compile", "JAX", "scikit-learn", "SciPy"]
FACES = ["PyTorch + xent", "torch.compile + xent", "JAX + xent"]


@dataclass
class Results:
    """Everything one run measured; times in milliseconds, memory in bytes."""

    rounds: int
    missing: list[str]
    quick: bool = False  # small arrays: ratios to what is expected of large ones would mean nothing
    rows: list[Any] = field(default_factory=list)
    small: list[Any] = field(default_factory=list)
    alone: dict[str, dict[str, float]] = field(default_factory=dict)  # setting -> case -> xent's time
    peaks: dict[str, dict[str, int | None]] = field(default_factory=dict)
    scored: list[Any] = field(default_factory=list)
    imports: tuple[float, ...] = ()
    machine: list[str] = field(default_factory=list)
    company: float = 0.0  # share of the processor time that other programs took during the run


def table(head: list[str], lines: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def three(x: float) -> str:
    """Write three significant digits without an exponent."""
    return f"{x:.0f}" if x >= 99.95 else f"{x:.1f}" if x >= 9.995 else f"{x:.2f}" if x >= 0.1 else f"{x:.3f}"


def _verdict(found: float, least: float | None, unit: str) -> str:
    shown = f"{found:.0%}" if unit == "%" else f"{three(found)}×"
    if least is None:
        return shown
    want = f"{least:.0%}" if unit == "%" else f"{least:g}×"
    return f"{shown} (≥ {want}: {'met' if found >= least else '**short**'})"


def _peer(row: Any, name: str, results: Results) -> str:
    if name in results.missing:
        return "not installed"
    if name not in row.milliseconds:
        return "–"
    if "xent" not in row.milliseconds:
        return f"{three(row.milliseconds[name])} ms"
    least = None if results.quick else row.case.expected.get(name)
    return _verdict(row.milliseconds[name] / row.milliseconds["xent"], least, "×")


def main_table(results: Results) -> str:
    """Return the table of ratios: how many times longer each peer takes in the same run."""
    lines = []
    for row in results.rows:
        ours, share = row.milliseconds.get("xent"), row.of_copy
        least = None if results.quick else row.case.bandwidth
        lines.append(
            [row.case.name, "not installed" if ours is None else f"{three(ours)} ms"]
            + [_peer(row, name, results) for name in PEERS]
            + ["–" if share is None or row.case.kind == "log_loss" else _verdict(share, least, "%")]
        )
    text = table(["forward + gradient, float32", "xent", *PEERS, "of copy bandwidth"], lines)
    notes = [
        *results.machine,
        f"Medians of {results.rounds} interleaved rounds; {results.company:.0%} of the processor",
    ]
    return f"{text}\n\n" + "  \n".join(notes) + " time went to other programs."


def faces_table(results: Results) -> str:
    """Return the table of xent inside PyTorch and JAX: its time there, and how many times longer theirs take."""
    lines = []
    for row in results.rows:
        found = row.milliseconds
        if row.case.kind == "log_loss" or not {"xent", *FACES[::2]} <= set(found):
            continue
        torch, jax = found["PyTorch + xent"], found["JAX + xent"]
        least = {"PyTorch eager": None, "torch.compile": None, "JAX": row.case.jax_least}
        times = {"PyTorch eager": torch, "torch.compile": torch, "JAX": jax}
        ratios = [
            _verdict(found[name] / times[name], None if results.quick else least[name], "×") if name in found else "–"
            for name in times
        ]
        most = f"{torch / found['xent']:.2f}×"
        if not results.quick:
            most += f" (≤ 1.15×: {'met' if torch <= 1.15 * found['xent'] else '**short**'})"
        compiled = f"{three(found[FACES[1]])} ms" if FACES[1] in found else "–"
        lines.append([row.case.name, f"{three(torch)} ms", most, *ratios[:2], compiled, f"{three(jax)} ms", ratios[2]])
    head = ["forward + backward, float32", "PyTorch + xent", "of the NumPy face", "PyTorch eager", "torch.compile"]
    return table([*head, "torch.compile + xent", "JAX + xent", "JAX + optax"], lines)


def full(results: Results) -> str:
    """Return the whole page."""
    small = (
        ["**A smoke run on small arrays: it shows that everything runs, and nothing else.**"] if results.quick else []
    )
    parts = [
        "# Side by side",
        *small,
        _HOW,
        main_table(results),
        "## Inside PyTorch and JAX",
        _FACES,
        faces_table(results),
        "## Times, ms: median (fastest to slowest)",
        _times(results),
    ]
    parts += ["## Calls of 64 elements, value and gradient, µs", _small(results)]
    if results.alone:
        parts += ["## Threads, company and instruction sets, ms", _ALONE, _alone(results)]
    parts += ["## Peak memory of one call beyond inputs and gradient, MB", _peaks(results)]
    if results.scored:
        parts += ["## Scoring a Parquet file of 10 million float32 probabilities", _scored(results)]
    if results.imports:
        numpy, xent = results.imports
        text = f"`import numpy` {numpy:.0f} ms, `import xent` {xent:.0f} ms (NumPy included): "
        parts += [
            "## Import",
            text + f"{xent - numpy:.0f} ms on top (≤ 60 ms: {'met' if xent - numpy <= 60 else '**short**'}).",
        ]
    return "\n\n".join(parts) + "\n"


_HOW = (
    "Written by `make bench`. Loss and gradient in float32; a cell says how many times longer that library takes for "
    "the same work in the same process, round by round. PyTorch, JAX and scikit-learn use two threads, SciPy has one. "
    "The copy is a two-thread `out = x + y` over the same arrays (softmax: `out = x`); the last column is the bytes a "
    "row must move at least (12 an element; with sample weights 16; softmax 8), per second, against the copy's."
)


_FACES = (
    "xent on tensors that require a gradient, `loss(...).backward()`, and under `jax.jit(jax.value_and_grad(...))`. "
    "The framework's own loss beside it in the same rounds: times longer. The NumPy face fills a gradient that is kept "
    "between calls; xent's tensors lie in memory that the last gradient left; XLA's results in fresh memory, whose "
    "pages the system must clear."
)


_ALONE = (
    "Fresh processes with NumPy and xent only (or with PyTorch imported before xent); then the measuring process, "
    "before any peer was imported and after all were."
)


def _times(results: Results) -> str:
    names = ["xent", "copy", *PEERS, *FACES]

    def cell(row: Any, name: str) -> str:
        if name not in row.milliseconds:
            return "not installed" if name in results.missing else "–"
        low, high = row.spread[name]
        return f"{three(row.milliseconds[name])} ({three(low)}–{three(high)})"

    return table(["work", *names], [[row.case.name, *(cell(row, name) for name in names)] for row in results.rows])


def _small(results: Results) -> str:
    names = ["xent", *PEERS, *FACES]

    def cell(row: Any, name: str) -> str:
        if name not in row.milliseconds:
            return "not installed" if name in results.missing else "–"
        found = row.milliseconds[name] * 1e3
        verdict = f" (≤ 10: {'met' if found <= 10 else '**short**'})" if name == "xent" else ""
        return f"{three(found)}{verdict}"

    return table(["work", *names], [[row.case.name, *(cell(row, name) for name in names)] for row in results.small])


def _alone(results: Results) -> str:
    after = {row.case.name: row.milliseconds["xent"] for row in results.rows}
    columns = results.alone | {"here, after all peers": after}
    cases = list(results.alone["1 thread"])
    lines = [[case, *(three(found[case]) if case in found else "–" for found in columns.values())] for case in cases]
    return table(["xent alone", *columns], lines)


def _peaks(results: Results) -> str:
    names = [name for name in ["xent", *PEERS, *FACES] if not name.startswith("torch.compile")]

    def cell(found: dict[str, int | None], name: str) -> str:
        size = found.get(name)
        return ("not installed" if name in results.missing else "–") if size is None else f"{size / 1e6:.1f}"

    return table(["work", *names], [[case, *(cell(found, n) for n in names)] for case, found in results.peaks.items()])


def _scored(results: Results) -> str:
    ours = results.scored[0]
    lines = []
    for one in results.scored:
        ratio, memory = one.seconds / ours.seconds, f"{one.megabytes:.0f}"
        most = MEGABYTES.get(one.name)
        if most and not results.quick:
            memory += f" (≤ {most}: {'met' if one.megabytes <= most else '**short**'})"
        against = "" if one is ours else _verdict(ratio, None if results.quick or most else RATIO, "×")
        if most and one is not ours and not results.quick:
            against += f" (≤ {ANALYSIS}×: {'met' if ratio <= ANALYSIS else '**short**'})"
        lines.append([one.name, three(one.seconds), against, f"{one.loss:.7f}", memory])
    return table(["", "seconds", "against xent", "log loss", "peak memory, MB"], lines)


def replaced(text: str, mark: str, block: str) -> str:
    """Return the text with what stands between the marks of this name replaced."""
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the file must hold `{begin}` and then `{end}`, once each, around the table.")
    head, rest = text.split(begin)
    return f"{head}{begin}\n{block}\n{end}{rest.split(end)[1]}"

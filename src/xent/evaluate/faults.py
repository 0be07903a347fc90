"""What is wrong with an input, said once: the file, the row, the column, the rule, and what to do."""

from __future__ import annotations

from importlib.util import find_spec


class BadInput(ValueError):
    """Predictions that cannot be scored as they are. The command line answers it with exit code 2."""


def place(source: str, row: int | None = None, column: str | None = None) -> str:
    """``predictions.csv, row 3, column `prob` `` (rows count from 0, as in arrays)."""
    parts = [source] if source else []
    if row is not None:
        parts.append(f"row {row}")
    if column is not None:
        parts.append(f"column `{column}`")
    return ", ".join(parts) or "input"


def number(value: float) -> str:
    """A number as a person would write it, without losing the digit that matters."""
    return f"{value:.9g}" if abs(value - 1.0) > 1e-8 or value == 1.0 else repr(value)


def needs(package: str, purpose: str, extra: str = "score") -> BadInput:
    """The answer to a missing optional package: the command that installs it."""
    return BadInput(f'{purpose} needs {package}, which is not installed; install it with: pip install "xent[{extra}]"')


def refuse_missing(*packages: str, purpose: str, extra: str = "score") -> None:
    """An error for the first package that is not there, before any work is done; none of them is imported."""
    for package in packages:
        if find_spec(package) is None:
            raise needs(package, purpose, extra)


def kernel_fault(
    kind: int, value: float, where: str, *, tolerance: float, total: int, renormalize: bool, form: str
) -> BadInput:
    """The message for the first faulty row that the tally met (codes: `Fault` in src/kernels/tally.hpp)."""
    if kind == 1:
        return BadInput(f"{where}: `{form}` must not hold NaN or nulls; mend or remove the row before scoring.")
    if kind in (2, 3):
        near = total > 1 and 1.0 < value < 1.01
        mend = (
            f"Accept it with `tolerance`={_above(value - 1)} (--tolerance), or divide each row by its sum with"
            " `renormalize`=True (--renormalize)."
            if near
            else "If these are raw scores, give the column as `logits` (--logits)."
        )
        return BadInput(f"{where}: `probs` must lie in [0, 1]; got {number(value)}. {mend}")
    if kind == 4 and renormalize:
        return BadInput(f"{where}: the probabilities are all 0, so no renormalisation can mend the row.")
    if kind == 4:
        return BadInput(
            f"{where}: the {total} probabilities of a row must sum to 1 within {tolerance:.2g}; got {number(value)}"
            f" (off by {abs(value - 1):.2g}). Is a class column missing? Accept it as it is with `tolerance`"
            f"={_above(abs(value - 1))} (--tolerance), or divide each row by its sum with `renormalize`=True"
            " (--renormalize)."
        )
    if kind == 5:
        return BadInput(f"{where}: `sample_weight` must be 0 or between 1e-90 and 1e90; got {number(value)}.")
    return BadInput(
        f"{where}: `logits` must name one distribution: +inf on at most one class, and -inf not on all of them."
    )


def _above(gap: float) -> str:
    """A round tolerance just above a gap, to be typed: 2.01e-05 becomes 3e-05."""
    mantissa, exponent = f"{gap:.0e}".split("e")
    return f"{int(mantissa) + 1}e{int(exponent):+03d}".replace("e-0", "e-").replace("e+0", "e+")

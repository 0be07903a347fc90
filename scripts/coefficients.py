"""Find every polynomial and constant of the kernels, and write `src/kernels/coefficients.hpp`.

    python scripts/coefficients.py            derive all sets and write the header (about a minute)
    python scripts/coefficients.py --check    recompute the errors of the sets in the header; exit 1 unless as stated

Method. A set is the polynomial p that minimises max |weight(x) (target(x) - p(x))| over its interval, found by Remez'
exchange in 60-digit arithmetic. The weight turns an error of p into a relative error of the *result* (e^r, or log1p),
so a stated 2^-x is what the truncated series costs the result. Coefficients are then rounded to the dtype from the
lowest up, and after each rounding the free ones are fitted again. A refit is kept only where it helps: once the
remainder is rounding noise it no longer alternates, and the old tail is better.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from mpmath import cos, exp, frexp, ldexp, log, log1p, lu_solve, matrix, mp, mpf, nint, pi

mp.dps = 60
HEADER = Path(__file__).resolve().parent.parent / "src" / "kernels" / "coefficients.hpp"
LN2 = log(2)


# ---- what is approximated ------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """A series of the kernels: target(x) is its ideal; weight(x) turns its error into the result's relative error."""

    formula: str
    target: object
    weight: object
    low: mpf
    high: mpf


# |r| <= 0.3485 = ln2/2 and what rounding x*log2(e) in the dtype can add to it.
EXP = Form(
    "q of e^r = 1 + r + r^2 q(r), |r| <= 0.3485; weight r^2/e^r",
    lambda r: (exp(r) - 1 - r) / r**2,
    lambda r: r**2 / exp(r),
    mpf("-0.3485"),
    mpf("0.3485"),
)
# f = e, or (e - 1)/2 where e > 1/2: an exact split of e in [0, 1]; the result is then ln2 + log1p(f).
LOG = Form(
    "g of log1p(f) = f - f^2/2 + f^3 g(f), f in [-0.25, 0.5]; weight f^3/(log1p(f) + (f < 0 ? ln2 : 0))",
    lambda f: (log1p(f) - f + f**2 / 2) / f**3,
    lambda f: abs(f**3 / (log1p(f) + (LN2 if f < 0 else 0))),
    mpf("-0.25"),
    mpf("0.5"),
)

# Where only a sum of losses is asked for: one polynomial over all of [0, 1], no split.
WHOLE = Form(
    "h of log1p(e) = e h(e), e in [0, 1]; weight e/log1p(e)",
    lambda e: log1p(e) / e,
    lambda e: e / log1p(e),
    mpf(0),
    mpf(1),
)


@dataclass(frozen=True)
class Dtype:
    name: str
    bits: int
    suffix: str


F32 = Dtype("float", 24, "f")
F64 = Dtype("double", 53, "")

# name, form, degree, dtype
SETS = [
    ("exp_q4_f32", EXP, 4, F32),
    ("log1p_g7_f32", LOG, 7, F32),
    ("log1p_h9_f32", WHOLE, 9, F32),
    ("log1p_g12_f64", LOG, 12, F64),
    ("exp_q10_f64", EXP, 10, F64),
    ("log1p_g19_f64", LOG, 19, F64),
]


# ---- Remez' exchange -----------------------------------------------------------------------------


class Grid:
    """A form sampled on points that crowd towards both ends, as the extrema of a minimax error do; 0 is left out."""

    def __init__(self, form, points):
        half, mid = (form.high - form.low) / 2, (form.high + form.low) / 2
        self.x = [mid - half * cos(pi * j / (points - 1)) for j in range(points)]
        self.x = [x for x in self.x if abs(x) > mpf("1e-6")]
        self.target = [form.target(x) for x in self.x]
        self.weight = [form.weight(x) for x in self.x]

    def errors(self, coefficients):
        return [w * (t - horner(coefficients, x)) for x, t, w in zip(self.x, self.target, self.weight, strict=True)]

    def worst(self, coefficients):
        return max(abs(error) for error in self.errors(coefficients))


def horner(coefficients, x):
    total = mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


def alternation(errors, count):
    """Indices of `count` consecutive extrema of alternating sign, the largest there are; None where there are fewer."""
    extrema = []
    for j, error in enumerate(errors):
        if extrema and (error < 0) == (errors[extrema[-1]] < 0):
            if abs(error) > abs(errors[extrema[-1]]):
                extrema[-1] = j
        else:
            extrema.append(j)
    while len(extrema) > count:
        extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
    return extrema if len(extrema) == count else None


def minimax(grid, degree, fixed=()):
    """Coefficients 0..degree whose first ones are `fixed` and whose others minimise the worst weighted error."""
    free = range(len(fixed), degree + 1)
    count = len(free) + 1
    nodes = [j * (len(grid.x) - 1) // len(free) for j in range(count)]
    best, least = None, None
    for _ in range(30):
        system, right = matrix(count, count), matrix(count, 1)
        for row, j in enumerate(nodes):
            for column, power in enumerate(free):
                system[row, column] = grid.x[j] ** power
            system[row, count - 1] = (-1) ** row / grid.weight[j]
            right[row] = grid.target[j] - horner(fixed, grid.x[j])
        solution = lu_solve(system, right)
        coefficients = [*fixed, *solution[: count - 1]]
        errors = grid.errors(coefficients)
        worst = max(abs(error) for error in errors)
        if least is None or worst < least:
            best, least = coefficients, worst
        nodes = alternation(errors, count)
        if nodes is None or worst < abs(solution[count - 1]) * mpf("1.0001"):
            break
    return best


def to_bits(x, bits):
    """x rounded to `bits` significant bits (nearest, ties to even)."""
    if x == 0:
        return mpf(0)
    mantissa, exponent = frexp(mpf(x))
    return ldexp(nint(ldexp(mantissa, bits)), exponent - bits)


def rounded(grid, degree, bits):
    """The minimax polynomial with every coefficient a number of `bits` bits."""
    best = minimax(grid, degree)
    for k in range(degree + 1):
        fixed = [to_bits(c, bits) for c in best[: k + 1]]
        kept = [*fixed, *best[k + 1 :]]
        refit = minimax(grid, degree, fixed) if k < degree else kept
        best = refit if grid.worst(refit) < grid.worst(kept) else kept
    return best


# ---- constants -----------------------------------------------------------------------------------


def constants():
    """name, dtype, value, birth certificate."""
    l1 = to_bits(LN2, 9)
    l2 = to_bits(LN2 - l1, 16)
    hi = to_bits(LN2, 33)
    return [
        ("log2e_f32", F32, to_bits(1 / LN2, 24), "log2(e)"),
        ("ln2_l1_f32", F32, l1, "9 bits of ln2: n*ln2_l1 and x - n*ln2_l1 are exact for x near n*ln2, |n| <= 256"),
        ("ln2_l2_f32", F32, l2, "16 bits of ln2 - ln2_l1: n*ln2_l2 is exact for |n| <= 256"),
        ("ln2_l3_f32", F32, to_bits(LN2 - l1 - l2, 24), "ln2 - ln2_l1 - ln2_l2"),
        ("ln2_l2_fma_f32", F32, to_bits(l1 - LN2, 24), "ln2_l1 - ln2 in full, where an FMA takes the product exactly"),
        ("ln2_f32", F32, to_bits(LN2, 24), "ln2"),
        ("ln2_tail_f32", F32, to_bits(LN2 - to_bits(LN2, 24), 24), "ln2 - ln2_f32"),
        ("log2e_f64", F64, to_bits(1 / LN2, 53), "log2(e)"),
        ("ln2_hi_f64", F64, hi, "33 bits of ln2: n*ln2_hi and x - n*ln2_hi are exact for x near n*ln2, |n| <= 2^20"),
        ("ln2_lo_f64", F64, to_bits(LN2 - hi, 53), "ln2 - ln2_hi; n*ln2_lo errs by less than 2^-78 for |n| <= 1100"),
        ("ln2_f64", F64, to_bits(LN2, 53), "ln2"),
        ("ln2_tail_f64", F64, to_bits(LN2 - to_bits(LN2, 53), 53), "ln2 - ln2_f64"),
    ]


# ---- the header ----------------------------------------------------------------------------------

PREAMBLE = """\
// Written by scripts/coefficients.py, which finds every number here again (and `--check` proves the stated errors).
// The file is compiled once per instruction-set level, so nothing in it has external linkage.
// A stated 2^-x is the worst relative error of the *result* (e^r, log1p) in exact arithmetic with the rounded set.
#pragma once

namespace {
namespace coef {

"""
CLOSING = """
}  // namespace coef
}  // namespace
"""


def literal(x, dtype):
    """A C++ hexadecimal literal that is exactly x."""
    text = re.sub(r"\.?0+p", "p", float(x).hex())
    return text + dtype.suffix


def certificate(worst):
    """2^-x with x rounded down: what is stated holds."""
    return f"2^-{float(nint(-log(worst, 2) * 100 - mpf('0.5'))) / 100:.2f}"


def written_set(name, form, degree, dtype):
    coefficients = rounded(Grid(form, 600), degree, dtype.bits)
    worst = certificate(Grid(form, 4000).worst(coefficients))
    body = ", ".join(literal(c, dtype) for c in coefficients)
    return f"// {form.formula}; {dtype.name}; {worst}\nconstexpr {dtype.name} {name}[] = {{{body}}};\n"


def write():
    parts = [f"// {why}\nconstexpr {dtype.name} {name} = {literal(x, dtype)};\n" for name, dtype, x, why in constants()]
    parts += [written_set(*item) for item in SETS]
    HEADER.parent.mkdir(parents=True, exist_ok=True)
    HEADER.write_text(PREAMBLE + "\n".join(parts) + CLOSING)


# ---- the check -----------------------------------------------------------------------------------


def parsed(text):
    """name -> (values, the stated x of 2^-x or None), read from the header as it is."""
    found = {}
    for comment, name, body in re.findall(r"// (.*)\nconstexpr \w+ (\w+)(?:\[\])? = \{?([^;}]*)\}?;", text):
        values = [mpf(float.fromhex(item.strip().rstrip("f"))) for item in body.split(",")]
        stated = re.search(r"2\^-([\d.]+)$", comment)
        found[name] = values, mpf(stated[1]) if stated else None
    return found


def faults(text):
    """What does not hold of a header's text, one line each."""
    header = parsed(text)
    expected = {name: value for name, _, value, _ in constants()}
    for name in sorted(header.keys() ^ (expected.keys() | {item[0] for item in SETS})):
        yield f"{name}: in the header or in this script, but not in both"
    for name, value in expected.items():
        if name in header and header[name][0] != [value]:
            yield f"{name}: the header holds {header[name][0]}, this script finds {value}"
    for name, form, degree, dtype in SETS:
        values, stated = header.get(name, ([], None))
        if len(values) != degree + 1 or any(to_bits(c, dtype.bits) != c for c in values):
            yield f"{name}: not {degree + 1} numbers of {dtype.bits} bits"
        elif stated is None or (worst := Grid(form, 1501).worst(values)) > 2**-stated:
            yield f"{name}: states 2^-{stated}, has 2^{float(log(worst, 2)):.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="prove the header instead of writing it")
    if parser.parse_args().check:
        found = list(faults(HEADER.read_text()))
        print("\n".join(found) if found else f"{HEADER.name}: every constant and set is as stated")
        return 1 if found else 0
    write()
    print(HEADER.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Numbers and names as the report writes them. Names come from files: whatever they hold, a line stays a line."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Sequence

WIDTH = 80
BAR = 24
LARGE, TOO_LARGE = 999.99995, 99999.95  # nats that are shown in six digits, and with an exponent
_ASCII = str.maketrans({"·": "|", "±": "+-", "…": "~", "█": "#", "░": ".", "≥": ">=", "–": "-", "→": "->"})


def only_ascii(report: str) -> str:
    """For terminals that can do no better; letters of names that have no ASCII become escapes."""
    return report.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def nats(x: float | None) -> str:
    """Four decimals; four digits of a small number, six of a large one: nine columns of a number below 1e100."""
    if x is None:
        return "-"
    if math.isinf(x):
        return "infinite" if x > 0 else "-infinite"
    if abs(x) >= LARGE:
        return f"{x:#.6g}" if abs(x) < TOO_LARGE else f"{x:.3e}"
    return f"{x:.4f}" if x == 0 or abs(x) >= 0.001 else f"{x:.3e}"


def signed(x: float | None) -> str:
    """The same with its sign, two digits of a small number or a very large one, six of a large one."""
    if x is None:
        return "-"
    if math.isinf(x):
        return "+infinite" if x > 0 else "-infinite"
    if abs(x) >= LARGE / 10:
        return f"{x:+#.6g}" if abs(x) < TOO_LARGE else f"{x:+.1e}"
    return f"{x:+.4f}" if x == 0 or abs(x) >= 0.001 else f"{x:+.1e}"


def signed_z(z: float | None) -> str:
    """A z with one decimal, as long as that says something."""
    if z is None or not math.isfinite(z):
        return "-"
    return f"{z:+.1f}" if abs(z) < LARGE else f"{z:+.1e}"


def error(x: float) -> str:
    """A standard error beside a number: three decimals where these say something, six columns at most."""
    return f"{x:.3f}" if x == 0 or 0.0005 <= x < 99.9995 else f"{x:.0f}" if 99 < x < 99999.5 else f"{x:.0e}"


def count(n: int | float) -> str:
    """12 345 678."""
    return f"{n:,.0f}".replace(",", " ")


def percent(share: float | None) -> str:
    """78.8 %."""
    return "-" if share is None else f"{100 * share:.1f} %"


def chance(p: float | None) -> str:
    """A p-value behind its sign: `p = 0.031`, `p < 0.001`."""
    if p is None:
        return "-"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def bare_chance(p: float | None) -> str:
    """A p-value in a column."""
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.2g}"


def prob(p: float) -> str:
    """A probability: four decimals, three digits of a small one."""
    if p == 0 or p == 1:
        return f"{p:g}"
    return f"{p:.4f}" if p >= 0.001 else f"{p:.2e}"


def shown(name: str) -> str:
    """A name on one line: characters that would move the cursor or colour the screen are written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def width(said: str) -> int:
    """Columns that a text takes: 2 for East Asian wide letters, 0 for marks that sit on the letter before."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in said)


def cut(name: str, most: int) -> str:
    """At most so many columns of a name."""
    name = shown(name)
    if width(name) <= most:
        return name
    while width(name) > most - 1:
        name = name[:-1]
    return name + "…"


def left(name: str, columns: int) -> str:
    """A name cut to one column less, then filled up with blanks."""
    name = cut(name, columns - 1)
    return name + " " * (columns - width(name))


def row(label: str, rest: str) -> str:
    """A line of the summary: what it is about, then what it says."""
    return f"{label:<10} {rest}"


def paragraph(said: str, first: str = "", rest: str = "") -> list[str]:
    """Lines of at most 80 columns; words are never broken, nor a number from its sign or its unit.

    ± counts as two, which it is in ASCII.
    """
    tied = shown(said).replace(" %", "\u00a0%").replace("± ", "±\0\u00a0")
    lines = textwrap.wrap(
        tied, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\u00a0", " ").replace("\0", "") for line in lines]


def gathered(said: Sequence[str], first: str = "", between: str = "   ") -> list[str]:
    """Pieces on as few lines of at most 80 columns as hold them, none broken; further lines begin under the first."""
    lines = [first]
    for i, piece in enumerate(said):
        joined = lines[-1] + (between if i and lines[-1].strip() else "") + piece
        if i and width(joined) + joined.count("±") > WIDTH:
            lines.append(" " * len(first) + piece)
        else:
            lines[-1] = joined
    return lines


def bar(start: float, end: float, whole: float) -> str:
    """A bar from `start` to `end` on a scale of which `whole` is the right end; empty only for nothing."""
    if not whole > 0:
        return "░" * BAR
    low, high = (min(max(x / whole, 0.0), 1.0) * BAR for x in sorted((start, end)))
    first, last = round(low), round(high)
    if first == last and high > low:
        first, last = (first - 1, last) if first == BAR else (first, last + 1)
    return "░" * first + "█" * (last - first) + "░" * (BAR - last)

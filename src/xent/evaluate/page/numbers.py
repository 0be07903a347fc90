"""Every number on the page: looked up in the JSON by its path, written for reading, and shown with its path.

A path names fields and places in lists: ``analysis.decompositions.0.score``. A number that follows from two others
names both: ``log_loss - analysis.ladder.repairable``. The paths that were used say what the embedded JSON must hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from markupsafe import Markup, escape

from .detail import SENTENCE

NONE = "–"
LONGEST = 80  # characters of a name that are shown
_NARROW = 24  # characters of a name that a table does not break
_INFINITE = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
_BREAKS = re.compile("([/_])")  # where the lines of a path may break
_CODE = re.compile("`([^`]+)`")
# Half a pair of UTF-16, from file names that are no UTF-8, and controls, which HTML does not allow.
_ODD = re.compile("[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f]")


def nats(x: float) -> str:
    """Four decimals, or as many digits as show a small or a huge number."""
    return f"{x:.4f}" if x == 0 or 0.001 <= abs(x) < 1e6 else f"{x:.2e}"


def fixed(x: float) -> str:
    return f"{x:.4f}"


def signed(x: float) -> str:
    return f"{x:+.4f}" if x == 0 or 0.001 <= abs(x) < 1e6 else f"{x:+.1e}"


def count(x: float) -> str:
    """Thousands apart by a thin space that does not break; weights that are no counts to six digits."""
    return f"{x:,.0f}".replace(",", "\u202f") if x == round(x) and abs(x) < 1e15 else f"{x:.6g}"


def percent(x: float) -> str:
    tiny, nearly = 0 < abs(x) < 0.0005, 0.9995 <= x < 1
    return ">99.9 %" if nearly else f"{100 * x:.1g} %" if tiny else f"{100 * x:.1f} %"


def level(x: float) -> str:
    return f"{100 * x:g} %"


def already_percent(x: float) -> str:
    return f"{x:+.2f} %"


def prob(x: float) -> str:
    """A probability; 0 and 1 only where it is 0 or 1."""
    if x in (0, 1):
        return f"{x:g}"
    return ">0.9999" if x >= 0.99995 else f"{x:.4f}" if x >= 0.001 else f"{x:.2e}"


def p_value(x: float) -> str:
    return "<0.0001" if x < 0.0001 else f"{x:.4f}" if x < 0.0995 else f"{x:.2f}"


def p_said(x: float) -> str:
    """Behind the letter p in a sentence."""
    return f"= {said}" if (said := p_value(x))[0] != "<" else f"< {said[1:]}"


def sigmas(x: float) -> str:
    return f"{x:+.1f}" if abs(x) < 1e6 else f"{x:+.1e}"


def general(x: float) -> str:
    return f"{x:.4g}"


def rough(x: float) -> str:
    return f"{x:.3g}" if abs(x) < 1000 else count(round(x))


FORMS: dict[str, Callable[[float], str]] = {
    "nats": nats, "fixed": fixed, "signed": signed, "count": count, "percent": percent,
    "already": already_percent, "level": level, "prob": prob,
    "p": p_value, "z": sigmas, "p said": p_said, "general": general, "rough": rough,
}  # fmt: skip


def written(value: Any, form: str) -> str:
    """A number for reading: true minus signs, ∞ for infinities, a dash where there is none."""
    if value is None:
        return NONE
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return FORMS[form](value + 0.0).replace("-", "−")  # −0.0 is 0


def shown(name: str) -> str:
    """A name that came from outside, harmless and of bounded length."""
    return _ODD.sub("\ufffd", name if len(name) <= LONGEST else name[: LONGEST - 1] + "…")


class Numbers:
    """The JSON of a record (`scores.plain`), read by path; `used` remembers every path that was shown."""

    def __init__(self, data: dict[str, Any], longest: int = SENTENCE) -> None:
        self.data = data
        self.longest = longest
        self.used: set[str] = set()

    def raw(self, path: str) -> Any:
        """What stands at a path, infinities still strings."""
        self.used.add(path)
        value: Any = self.data
        for key in path.split("."):
            value = value[int(key)] if isinstance(value, list) else value[key]
        return value

    def value(self, path: str) -> Any:
        """The number at a path, or a difference or ratio (of paths, or of 1 and paths); None where there is none."""
        if " - " in path:
            first, *rest = (self.value(p) for p in path.split(" - "))
            return None if None in (first, *rest) else first - math.fsum(rest)
        if " / " in path:
            a, b = (self.value(p) for p in path.split(" / "))
            return None if a is None or not b else a / b
        if path == "1":
            return 1
        value = self.raw(path)
        return _INFINITE.get(value, value) if isinstance(value, str) else value

    def plain(self, path: str, form: str = "nats") -> str:
        """The number as characters only, for pictures and their descriptions."""
        return written(self.value(path), form)

    def number(self, path: str, form: str = "nats") -> Markup:
        """The number as an element that tells its path."""
        return Markup('<span data-json="{}">{}</span>').format(path, self.plain(path, form))

    def name(self, path: str) -> Markup:
        """A name that came from outside: escaped, cut, kept from turning the line's direction."""
        text = self.raw(path)
        if text is None:
            return Markup('<bdi data-json="{}">{}</bdi>').format(path, NONE)
        wide = Markup(" class=wide") if len(text) > _NARROW else Markup("")
        whole = Markup(' title="{}"').format(_ODD.sub("\ufffd", text[:400])) if len(text) > LONGEST else Markup("")
        said = escape(shown(text))
        if wide:
            said = Markup(_BREAKS.sub(r"\1<wbr>", str(said)))
        return Markup('<bdi{} data-json="{}"{}>{}</bdi>').format(wide, path, whole, said)

    def verbatim(self, path: str) -> str:
        """A text as it stands, without what HTML does not allow."""
        text = self.raw(path)
        return _ODD.sub("\ufffd", text if len(text) <= self.longest else text[: self.longest - 1] + "…")

    def text(self, path: str) -> Markup:
        """A sentence that the analysis wrote."""
        said = escape(self.verbatim(path))
        return Markup('<span data-json="{}">{}</span>').format(path, Markup(_CODE.sub(r"<code>\1</code>", str(said))))


__all__ = ["FORMS", "LONGEST", "NONE", "Numbers", "escape", "shown", "written"]

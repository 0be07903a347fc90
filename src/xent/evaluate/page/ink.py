"""Matplotlib's pictures as SVG that belongs to the page: its colours, its type, its numbers.

Colours are placeholders on the way through Matplotlib and CSS custom properties after, so that pictures follow the
reader's scheme. Text stays text. Names from outside never reach Matplotlib (fonts, mathematics): they replace marks.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec

from markupsafe import Markup, escape

INK, MUTED, RULE, COOL, WARM, BAND, PAPER = (f"#0{n}0{n}0{n}" for n in range(1, 8))
_PROPERTIES = dict(zip((INK, MUTED, RULE, COOL, WARM, BAND, PAPER),
                       ("ink", "muted", "rule", "cool", "warm", "band", "paper"), strict=True))  # fmt: skip
WIDE = 5.2  # inches of 72 units: 374 units, a phone's width, so that 11 units of type are 11 pixels there
_TYPE = 11
P = ParamSpec("P")
STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "xent", "font.family": "DejaVu Sans", "font.size": _TYPE,
    "text.parse_math": False, "text.color": INK, "axes.edgecolor": MUTED, "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "axes.facecolor": "none",
    "axes.titlesize": _TYPE, "axes.titlelocation": "left", "axes.titlecolor": MUTED, "axes.titlepad": 7,
    "axes.labelsize": _TYPE, "figure.facecolor": "none", "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelsize": _TYPE, "ytick.labelsize": _TYPE, "xtick.major.width": 0.8, "ytick.major.width": 0.8,
    "lines.linewidth": 1.8, "lines.solid_capstyle": "butt", "path.simplify": False,
    "figure.constrained_layout.h_pad": 0.04, "figure.constrained_layout.w_pad": 0.04,
}  # fmt: skip


def inked(picture: Callable[P, Markup]) -> Callable[P, Markup]:
    """Draw a picture in the page's style."""

    @wraps(picture)
    def drawn(*arguments: P.args, **options: P.kwargs) -> Markup:
        from matplotlib import rc_context

        with rc_context(STYLE):
            return picture(*arguments, **options)

    return drawn


def canvas(tall: float, ratios: tuple[float, ...] = (1.0,), *, wide: float = WIDE) -> tuple[Any, list[Any]]:
    """A figure of one column and its axes from top to bottom, sharing what is across."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(wide, tall), layout="constrained")
    grid = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)
    return figure, [row[0] for row in grid]


def svg(figure: Any, key: str, title: str, description: str, names: Mapping[str, str] | None = None) -> Markup:
    """The figure as inline SVG with a title and a description; ids begin with `key`, which is unique on the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = _tidy(buffer.getvalue(), key)
    for mark, name in (names or {}).items():
        drawn = drawn.replace(f">{mark}<", f">{escape(name)}<")
    head = (
        f'<svg class="plot" role="img" aria-labelledby="{key}-t {key}-d" ' + drawn[len("<svg ") : drawn.index(">") + 1]
    )
    said = f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(description)}</desc>'
    return Markup(head + said + drawn[drawn.index(">") + 1 :])


def _short(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _tidy(drawn: str, key: str) -> str:
    """Without prologue, sizes, page-wide style and ids that nothing refers to; colours as custom properties."""
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", drawn, count=1, flags=re.S)
    drawn = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", drawn, count=1)
    drawn = re.sub(r'<g id="json:([^"]*)">', r'<g data-json="\1">', drawn)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    drawn = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", drawn)
    drawn = re.sub(rf"font-size: {_TYPE}px; ", "", drawn)
    drawn = re.sub(r"font-family: [^;\"]*(; )?", "", drawn)
    drawn = drawn.replace("xlink:href", "href").replace('href="#', f'href="#{key}-').replace("url(#", f"url(#{key}-")
    drawn = re.sub(r'(<(?:path|clipPath) id=")', rf"\1{key}-", drawn)
    drawn = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d+", _short, tag[0]), drawn)
    for colour, name in _PROPERTIES.items():
        drawn = drawn.replace(colour, f"var(--{name})")
    drawn = re.sub(r'("|; )(stroke|fill)-?[a-z]*: #000000', r"\1\2: var(--muted)", drawn)
    return re.sub(r"\s*\n\s*", " ", re.sub(r">\s+<", "><", drawn)).replace(' "', '"').strip()

"""From a record to the file: views are gathered, the template is filled, the JSON is embedded, the limit is kept."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..faults import BadInput, refuse_missing
from ..scores import Score, plain
from .detail import DETAILS, LIMIT, Detail, embedded, scripted

if TYPE_CHECKING:
    from ..compare.records import Comparison

_HERE = Path(__file__).parent / "templates"


def render(record: Score | Comparison) -> str:
    """The whole page as one string of HTML, at most 500,000 bytes in UTF-8; the same record gives the same page.

    Raises BadInput where Jinja2 or Matplotlib is not installed, and for a score without its analysis.
    """
    refuse_missing("jinja2", "matplotlib", purpose="the HTML page", extra="report")
    data = plain(record.to_dict())
    if data.get("analysis", data) is None:
        raise BadInput("the page shows the analysis, and there is none; score with `analyse`=True (without --quick).")
    whole = scripted(data)
    for detail in DETAILS:
        page = _page(data, whole, detail, scored=isinstance(record, Score))
        if len(page.encode("utf-8", "replace")) <= LIMIT:
            break
    return page


def write(score: Score, path: str | PathLike[str]) -> None:
    """Write the page of a score to `path`, whole or not at all.

    Raises BadInput where `path` cannot be written or Jinja2 or Matplotlib is not installed.
    """
    _save(render(score), path)


def write_comparison(comparison: Comparison, path: str | PathLike[str]) -> None:
    """Write the page of a comparison to `path`, whole or not at all; errors as in `write`."""
    _save(render(comparison), path)


def _save(page: str, path: str | PathLike[str]) -> None:
    from ..output import written

    with written(path) as aside:
        Path(aside).write_bytes(page.encode("utf-8", "replace"))


def _page(data: dict[str, Any], script: str, detail: Detail, *, scored: bool) -> str:
    from . import comparison, score
    from .numbers import Numbers

    numbers = Numbers(data, detail.text)
    view = (score if scored else comparison).view(numbers, detail)
    template = _templates().get_template("page.html.j2")
    # Twice: the first tells which numbers are shown and how much room they leave.
    once = template.render(**view, json="", whole=False)
    json, whole = embedded(data, script, numbers.used, LIMIT - len(once.encode("utf-8", "replace")), detail.text)
    return str(template.render(**view, json=json, whole=whole))


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    found = Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined,
                        trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    script = (_HERE / "page.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    found.globals |= {
        "style": Markup((_HERE / "page.css").read_text(encoding="utf-8").strip()),
        "script": Markup(script),
        "digest": digest,  # of the one script that may run: markup that got in could do nothing
    }
    return found

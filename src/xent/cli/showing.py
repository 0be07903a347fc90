"""The forms a report is shown in: text, JSON or Markdown on the output, and a page in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from .paper import as_json, attempt, gate, only_ascii, show


@dataclass(frozen=True)
class Reports:
    """What a caller wants to see."""

    json: bool = False
    markdown: bool = False
    html: str | None = None
    ascii: bool = False

    def ready(self, inputs: Iterable[str], *further: str | None) -> None:
        """An error, before anything is read, for what could not be written at the end: the page, or further files."""
        from xent.evaluate.faults import BadInput, refuse_missing
        from xent.evaluate.output import ready

        if self.json and self.markdown:
            raise BadInput("`--json` and `--markdown` both print the report; give one of them.")
        inputs = list(inputs)
        targets = [target for target in (self.html, *further) if target is not None]
        places = [ready(target, inputs) for target in targets]
        if len(set(places)) < len(places):
            raise BadInput(f"{targets[0]}: two outputs go to the same file; name another for one of them.")
        if self.html is not None:
            refuse_missing("jinja2", "matplotlib", purpose="`--html`", extra="report")

    def show(self, found: Any, text: Callable[..., str], markdown: Callable[[Any], str]) -> None:
        """Print what was found in the form asked for."""
        if self.json:
            print(as_json(found))
        elif self.markdown:
            print(markdown(found), end="")
        else:
            show(text(found, ascii_only=self.ascii or only_ascii()))


def show_score(command: str, score: Any, reports: Reports, fail_above: float | None) -> NoReturn:
    """Write the page of a score, print it in the form asked for, and leave with the exit code of `--fail-above`."""
    from xent.evaluate.report import markdown, text

    if reports.html is not None:
        html = reports.html
        attempt(command, lambda _: _write_page(score, html))
    reports.show(score, text, markdown)
    value = score.compat.log_loss if score.compat else score.log_loss
    raise SystemExit(gate(command, value, f" ({score.compat.name})" if score.compat else "", fail_above))


def _write_page(score: Any, path: str) -> None:
    from xent.evaluate.page import write

    write(score, path)

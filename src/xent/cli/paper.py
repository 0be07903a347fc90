"""What a command prints and where: plain when piped, ASCII where the terminal asks, one message on a bad input."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
FAILED, BAD_INPUT = 1, 2


def split(given: list[str] | None) -> list[str] | None:
    """`--probs a --probs b` and `--probs a,b` are the same."""
    return [part.strip() for item in given for part in item.split(",") if part.strip()] if given else None


def only_ascii() -> bool:
    """Whether standard output cannot show the characters of the report."""
    try:
        "·±…█░".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def show(report: str) -> None:
    """Plain when piped; labels in bold and warnings in yellow on a terminal that has Rich."""
    if sys.stdout is not None and sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.text import Text
        except ImportError:
            pass
        else:
            styled = Text(report)
            styled.highlight_regex(r"(?m)^[a-z][\w-]*( [\w-]+)?(?=  )", "bold")
            styled.highlight_regex(r"(?m)infinite: .*$|^! infinite rows: [1-9].*$|^! RENORM.*$", "yellow")
            Console(highlight=False, soft_wrap=True).print(styled)
            return
    print(report)


def as_json(found: Any) -> str:
    """As it is where the output can hold it; else in ASCII with \\u escapes, which every reader of JSON knows."""
    said: str = found.to_json()
    try:
        said.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(json.loads(said), indent=2)
    return said


def plain_letters(page: str) -> str:
    """The page of `xent explain` for a terminal that knows no Greek."""
    for sign, said in {"σ": "sigma", "Σ": "sum", "·": "*", "×": "x", "…": "...", "≤": "<=", "≥": ">="}.items():
        page = page.replace(sign, said)
    return page


class Bar:
    """A progress bar on standard error, only on a terminal and only once the work has lasted a second."""

    def __init__(self) -> None:
        import time

        self._clock, self._start = time.monotonic, time.monotonic()
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __call__(self, file: str, done: int, total: int | None) -> None:
        if self._bar is None:
            if self._clock() - self._start < 1.0:
                return
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        if file not in self._tasks:
            self._tasks[file] = self._bar.add_task(Path(file).name or "rows", total=total)
        self._bar.update(self._tasks[file], completed=done)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def attempt(command: str, work: Callable[[Any], T]) -> T:
    """`work(progress)`, or exit code 2 and one message. progress: a bar on a terminal, else None."""
    from xent.evaluate import BadInput

    bar = Bar() if sys.stderr is not None and sys.stderr.isatty() else None
    try:
        return work(bar)
    except BadInput as error:
        problem = str(error)
    except MemoryError:
        problem = "not enough memory for this input"
    finally:
        if bar is not None:
            bar.stop()
    print(f"xent {command}: {problem}", file=sys.stderr)
    raise SystemExit(BAD_INPUT)


def gate(command: str, value: float, name: str, fail_above: float | None) -> int:
    """Exit code of `--fail-above`."""
    if fail_above is None or value <= fail_above:
        return 0
    print(f"xent {command}: log loss {value:.10g}{name} is above --fail-above {fail_above:g}", file=sys.stderr)
    return FAILED


def refuse_nan(command: str, fail_above: float | None) -> None:
    if fail_above is not None and math.isnan(fail_above):
        print(f"xent {command}: --fail-above must be a number; got nan", file=sys.stderr)
        raise SystemExit(BAD_INPUT)

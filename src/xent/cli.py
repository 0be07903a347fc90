"""The command line: `xent score`, `xent explain`, `xent demo`. Needs the extra `score`."""

from __future__ import annotations

import io
import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

try:
    import typer
except ImportError:  # the console script still has to say what is missing
    typer = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from .evaluate import Score

INSTALL = 'pip install "xent[score]"'
FAILED, BAD_INPUT = 1, 2


def main() -> None:
    """Entry point of the console script `xent`."""
    if typer is None:
        print(
            f"xent: the command line needs typer, which is not installed; install it with: {INSTALL}", file=sys.stderr
        )
        raise SystemExit(BAD_INPUT)
    for stream in (sys.stdout, sys.stderr):  # names of files and classes that the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        _forget_output()
    except OSError as error:
        _forget_output()
        print(f"xent: the report cannot be written: {error.strerror or error}.", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None


def _forget_output() -> None:
    """Nothing more can be written; keep Python from trying at exit."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (open until the process ends)


def _split(given: list[str] | None) -> list[str] | None:
    """`--probs a --probs b` and `--probs a,b` are the same."""
    return [part.strip() for item in given for part in item.split(",") if part.strip()] if given else None


def _ascii() -> bool:
    """Whether standard output cannot show the characters of the report."""
    try:
        "·±…█░".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def _show(report: str) -> None:
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


def _json(found: Score) -> str:
    """As it is where the output can hold it; else in ASCII with \\u escapes, which every reader of JSON knows."""
    said = found.to_json()
    try:
        said.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(json.loads(said), indent=2)
    return said


def _ascii_paper(page: str) -> str:
    """The page of `xent explain` for a terminal that knows no Greek."""
    for sign, said in {"σ": "sigma", "Σ": "sum", "·": "*", "×": "x", "…": "...", "≤": "<=", "≥": ">="}.items():
        page = page.replace(sign, said)
    return page


class _Bar:
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


def _run(data: list[str] | None, options: dict[str, Any]) -> Score:
    """Score, or leave with exit code 2 and one message."""
    from .evaluate import BadInput
    from .evaluate import score as run

    bar = _Bar() if sys.stderr is not None and sys.stderr.isatty() else None
    try:
        return run(data or None, progress=bar, **options)
    except BadInput as error:
        problem = str(error)
    except MemoryError:
        problem = "not enough memory for this input"
    finally:
        if bar is not None:
            bar.stop()
    print(f"xent score: {problem}", file=sys.stderr)
    raise SystemExit(BAD_INPUT)


def _gate(found: Score, fail_above: float | None) -> int:
    """Exit code of `--fail-above`: the number asked for by --floor or --compat where there is one, else the loss."""
    if fail_above is None:
        return 0
    value = found.compat.log_loss if found.compat else found.log_loss
    if value <= fail_above:
        return 0
    said = f" ({found.compat.name})" if found.compat else ""
    print(f"xent score: log loss {value:.10g}{said} is above --fail-above {fail_above:g}", file=sys.stderr)
    return FAILED


if typer is not None:
    app = typer.Typer(
        name="xent", add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
        help="Exact cross-entropy: score prediction files, explain a computation, see a demo.",
    )  # fmt: skip
    Columns = list[str] | None

    def _version(asked: bool) -> None:
        if asked:
            from importlib.metadata import PackageNotFoundError, version

            try:
                print(f"xent {version('xent')}")
            except PackageNotFoundError:
                print("xent, not installed: run from its sources")
            raise SystemExit(0)

    @app.callback()
    def xent(
        version: Annotated[
            bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
        ] = False,
    ) -> None:
        """Exact cross-entropy: score prediction files, explain a computation, see a demo."""

    @app.command()
    def score(
        data: Annotated[
            Columns,
            typer.Argument(
                metavar="[FILES]...",
                help="Files, globs or folders: CSV, Parquet, Arrow IPC, JSON lines, NPZ, NPY.",
                show_default=False,
            ),
        ] = None,
        target: Annotated[
            Columns,
            typer.Option(metavar="NAMES", help="Column(s) of true labels; globs and commas allowed; or a .npy file."),
        ] = None,
        probs: Annotated[
            Columns, typer.Option(metavar="NAMES", help="Column(s) of probabilities; or a .npy file.")
        ] = None,
        logits: Annotated[Columns, typer.Option(metavar="NAMES", help="Column(s) of logits; or a .npy file.")] = None,
        weight: Annotated[
            str | None, typer.Option(metavar="NAME", help="Column of weights; 'none' for no weights.")
        ] = None,
        classes: Annotated[
            Columns, typer.Option(metavar="NAMES", help="Class names in the order of the predictions: a,b,c.")
        ] = None,
        positive: Annotated[
            str | None, typer.Option(metavar="LABEL", help="The label that a single prediction column is for.")
        ] = None,
        kind: Annotated[
            str | None,
            typer.Option(metavar="KIND", help="binary, multiclass or multilabel, where the columns leave it open."),
        ] = None,
        floor: Annotated[
            float | None, typer.Option(metavar="P", help="Also say the loss with p(truth) held above this.")
        ] = None,
        compat: Annotated[
            str | None, typer.Option(metavar="LIBRARY", help="Also say what sklearn, torch, keras or xgboost would.")
        ] = None,
        tolerance: Annotated[
            float | None, typer.Option(metavar="GAP", help="How far a row may be from summing to 1.")
        ] = None,
        renormalize: Annotated[
            bool, typer.Option("--renormalize", help="Divide every row by its sum, and say so.")
        ] = False,
        rows: Annotated[int, typer.Option(metavar="N", min=0, help="How many of the dearest rows to show.")] = 10,
        confidence: Annotated[float, typer.Option(metavar="LEVEL", help="Level of the interval.")] = 0.95,
        as_json: Annotated[bool, typer.Option("--json", help="Print every number as JSON.")] = False,
        ascii: Annotated[bool, typer.Option("--ascii", help="Print ASCII only.")] = False,
        fail_above: Annotated[
            float | None,
            typer.Option(
                metavar="NATS", help="Exit with 1 when the log loss is above this (with --floor or --compat: theirs)."
            ),
        ] = None,
    ) -> None:
        """What predictions cost: log loss with its interval, where the nats go, class by class, the dearest rows.

        Exit code 0; 1 when above --fail-above; 2 when the input cannot be scored.
        """
        if fail_above is not None and math.isnan(fail_above):
            print("xent score: --fail-above must be a number; got nan", file=sys.stderr)
            raise SystemExit(BAD_INPUT)
        found = _run(data, {
            "targets": _split(target), "probs": _split(probs), "logits": _split(logits), "sample_weight": weight,
            "classes": _split(classes), "positive": positive, "kind": kind, "floor": floor, "compat": compat,
            "tolerance": tolerance, "renormalize": renormalize, "rows": rows, "confidence": confidence,
        })  # fmt: skip
        if as_json:
            print(_json(found))
        else:
            from .evaluate.report import text

            _show(text(found, ascii_only=ascii or _ascii()))
        raise SystemExit(_gate(found, fail_above))

    @app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def explain(context: typer.Context) -> None:
        """Work a cross-entropy by hand, step by step.

        \b
        xent explain --logits 2.0 -1.0 0.5 --targets 1 0 1     yes/no labels (sigmoid)
        xent explain --logits 2.0 -1.0 0.5 --targets 2         a class id (softmax)
        xent explain --logits 2.0 -1.0 0.5 --targets 0.7 0.2 0.1 --family softmax

        \b
        --logits   one or more numbers, -1e3 and -inf among them
        --targets  one for each logit, or one class id
        --family   sigmoid or softmax, where the targets leave it open
        """
        from .explain import explain as write
        from .explain.arguments import read

        try:
            given = read(context.args)
            page = write(given["logits"], given["targets"], family=given["family"])
        except (ValueError, TypeError) as error:
            print(f"xent explain: {error}", file=sys.stderr)
            raise SystemExit(BAD_INPUT) from error
        print(_ascii_paper(page) if _ascii() else page)

    @app.command()
    def demo(folder: Annotated[Path | None, typer.Argument(help="Where to write the predictions.")] = None) -> None:
        """Score real predictions of four models on two bundled data sets."""
        from .demo import run

        raise SystemExit(run(folder))


if __name__ == "__main__":
    main()

"""The commands, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .calibrate import calibrate
from .compare import compare
from .explain import explain
from .merge import merge
from .score import score

ABOUT = "Exact cross-entropy: score, compare and repair predictions in files, explain a computation, see a demo."
app = typer.Typer(
    name="xent", add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    help=ABOUT,
)  # fmt: skip


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"xent {version('xent')}")
        except PackageNotFoundError:
            print("xent, not installed: run from its sources")
        raise SystemExit(0)


@app.callback(help=ABOUT)
def xent(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


app.command()(score)
app.command()(merge)
app.command()(compare)
app.command()(calibrate)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(explain)


@app.command()
def demo(folder: Annotated[Path | None, typer.Argument(help="Where to write the predictions.")] = None) -> None:
    """Score real predictions of four models on two bundled data sets."""
    from xent.demo import run

    raise SystemExit(run(folder))

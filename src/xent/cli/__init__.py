"""The command line (application.py lists the commands). Needs the extra `score`."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any

INSTALL = 'pip install "xent[score]"'
BAD_INPUT = 2


def main() -> None:
    """Entry point of the console script `xent`."""
    try:
        application = importlib.import_module("xent.cli.application")
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        print(
            f"xent: the command line needs typer, which is not installed; install it with: {INSTALL}", file=sys.stderr
        )
        raise SystemExit(BAD_INPUT) from None
    for stream in (sys.stdout, sys.stderr):  # names of files and classes that the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        application.app()
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


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'xent.cli' has no attribute {name!r}")
    return importlib.import_module("xent.cli.application").app

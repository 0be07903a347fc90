"""`xent explain`: a cross-entropy worked by hand."""

from __future__ import annotations

import sys

import typer

from .paper import BAD_INPUT, only_ascii, plain_letters


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
    from xent.explain import explain as write
    from xent.explain.arguments import read

    try:
        given = read(context.args)
        page = write(given["logits"], given["targets"], family=given["family"])
    except (ValueError, TypeError) as error:
        print(f"xent explain: {error}", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from error
    print(plain_letters(page) if only_ascii() else page)

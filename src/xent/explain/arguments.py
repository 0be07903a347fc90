"""The words after `xent explain`: options of any number of values, also negative ones such as -1e3 and -inf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

OPTIONS = ("--logits", "--targets", "--family")


def read(words: Sequence[str]) -> dict[str, Any]:
    """Logits and targets as numbers, and the family; commas separate like spaces. ValueError says what is wrong.

    >>> read(["--logits", "-1e3", "-inf", "--targets=0,1"])
    {'logits': [-1000.0, -inf], 'targets': [0.0, 1.0], 'family': None}
    """
    given: dict[str, list[str]] = {}
    option = ""
    for word in words:
        name, _, value = word.partition("=")
        if name in OPTIONS:
            option = name
            if option in given:
                raise ValueError(f"{option} is given twice.")
            given[option] = []
            word = value
        elif word.startswith("--") or not option:
            raise ValueError(f"{word!r} is not an option; there are {', '.join(OPTIONS)}.")
        given[option] += word.replace(",", " ").split()
    for option in OPTIONS[:2]:
        if not given.get(option):
            raise ValueError(f"{option} must be followed by at least one number.")
    family = given.get("--family", [])
    if "--family" in given and len(family) != 1:
        raise ValueError(f"--family must be followed by sigmoid or softmax; got {' '.join(family) or 'nothing'}.")
    logits, targets = ([_number(o, w) for w in given[o]] for o in OPTIONS[:2])
    return {"logits": logits, "targets": targets, "family": family[0] if family else None}


def _number(option: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{option} must be followed by numbers; got {word!r}.") from None

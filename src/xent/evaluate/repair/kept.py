"""Maps in a JSON file: one, as xent.calibrate writes it, or one a label; `about` says what they were fitted to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xent.calibrate import Map, from_json

from ..faults import BadInput

VERSION = 1


@dataclass(frozen=True)
class Kept:
    """The maps of a repair: one, or one a label (None: left as it is). kind: of the problem."""

    kind: str
    method: str
    classes: tuple[str, ...]
    maps: tuple[Map | None, ...]

    @property
    def width(self) -> int:
        """Predictions a row."""
        first = next((m for m in self.maps if m is not None), None)
        return len(self.maps) if self.kind == "multilabel" else first.columns if first else 1

    def to_json(self, about: Mapping[str, Any]) -> str:
        """The file's text. One map is read by `xent.calibrate.from_json` too."""
        own = {"problem": self.kind, "classes": list(self.classes), **about}
        if self.kind != "multilabel":
            return next(m for m in self.maps if m is not None).to_json(**own)
        maps = [None if m is None else json.loads(m.to_json()) for m in self.maps]
        told = {"xent": "calibration", "version": VERSION, "kind": "labels", "method": self.method, "maps": maps}
        return json.dumps(told | {"about": own})


def kept(text: str, name: str) -> Kept:
    """What `Kept.to_json` wrote into the file `name`, or `Map.to_json`; BadInput where it is something else."""
    try:
        told = json.loads(text)
        if not isinstance(told, dict):
            raise ValueError("it holds no JSON object.")
        about = told.get("about") or {}
        classes = tuple(str(c) for c in about.get("classes", ()))
        if told.get("kind") != "labels":
            found = from_json(text)
            kind = str(about.get("problem", "binary" if found.columns == 1 else "multiclass"))
            return Kept(kind, found.kind, classes, (found,))
        if told.get("version") != VERSION or not told["maps"]:
            raise ValueError(f"it is version {told.get('version')!r} and holds {len(told['maps'])} maps.")
        maps = tuple(None if m is None else from_json(json.dumps(m)) for m in told["maps"])
        if any(m is not None and m.columns != 1 for m in maps):
            raise ValueError("a label's map must take one score.")
        return Kept("multilabel", str(told["method"]), classes, maps)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{name}: is not a map that `xent calibrate --save` wrote: {error}") from error


def about(score: Any, rung: Any, folds: int) -> dict[str, Any]:
    """What a map was fitted to and what it saves; infinities as None."""
    numbers = {"log_loss": score.log_loss, "gain": rung.gain, "standard_error": rung.standard_error}
    return {"rows": score.rows, "folds": folds, "form": score.form} | {
        name: x if x is not None and math.isfinite(x) else None for name, x in numbers.items()
    }

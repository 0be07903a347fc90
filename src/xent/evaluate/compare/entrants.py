"""Who is compared: every model has a name, the files or tables its rows come from, and the columns it is read from.

Several files are several models, each named by its stem; several columns of one file are several models as well. Which
of the two is meant follows from what is given, never from what the files hold.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..classes import Request
from ..faults import BadInput
from ..names import LOGIT_PREFIX, LOGITS, expand
from ..sources import Source, find_files, open_sources, suffix

FORMS = ("probs", "logits")


@dataclass(frozen=True)
class Entrant:
    """One model: its rows and what of them is its own. files: it is read from, none in memory; shared: all models read
    the same sources."""

    name: str
    sources: tuple[Source, ...]
    files: tuple[str, ...]
    request: Request
    shared: bool

    @property
    def source(self) -> str:
        """The files, for people."""
        more = f" and {len(self.files) - 1} more" if self.files[1:] else ""
        return self.files[0] + more if self.files else "memory"


def entrants(data: Any, models: Any, request: Request) -> tuple[list[Entrant], tuple[str, ...]]:
    """The models that are meant, at least two, no two of one name; and what has to be said about finding them."""
    several = _files(data)
    if several is not None and models is not None:
        raise BadInput(
            f"`models` names columns of one file or table; here `data` has {len(several)} of them, each a model."
        )
    found, notes = _of_files(several, request) if several is not None else _of_columns(data, models, request)
    if len(found) < 2:
        raise BadInput(
            "at least two models are needed: several files, or several columns of one file as `models` (--model"
            " NAME=COLUMNS) or `probs` (--probs a --probs b)."
        )
    return found, notes


def _files(data: Any) -> dict[str, Any] | None:
    """Name -> path, paths or table, where `data` means several models; else None."""
    if isinstance(data, Mapping):
        if not data or not all(_is_rows(value) for value in data.values()):
            return None
        return {str(name): value for name, value in data.items()}
    if isinstance(data, (str, os.PathLike)):
        data = [data]
    if not isinstance(data, (list, tuple)) or not data:
        return None
    paths = [p for item in data for p in (_expanded(item) if isinstance(item, (str, os.PathLike)) else [item])]
    if len(paths) == 1:
        return None
    named = _stems([p for p in paths if isinstance(p, (str, os.PathLike))])
    tables = iter(f"model {i + 1}" for i in range(len(paths)))
    return {(named[str(p)] if isinstance(p, (str, os.PathLike)) else next(tables)): p for p in paths}


def _is_rows(value: Any) -> bool:
    """Whether a value of `data` is rows of its own (a path, paths, a table) rather than a column."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(v, (str, os.PathLike)) and suffix(Path(v)) for v in value)
    table = hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")
    return isinstance(value, (str, os.PathLike, Mapping)) or (
        table and (hasattr(value, "columns") or hasattr(value, "schema"))
    )


def _expanded(path: str | os.PathLike[str]) -> list[str]:
    """A glob is every file that matches it, as the shell would have it; a folder is one model of many files."""
    text = os.fspath(path)
    if os.path.exists(text) or not glob.has_magic(text):
        return [text]
    return [str(p) for p in find_files([text])[0]]


def _stems(paths: Sequence[str | os.PathLike[str]]) -> dict[str, str]:
    """Path -> name: the stem, with as many folders before it as tell the models apart."""
    whole = {str(p): _bare(Path(p)) for p in paths}
    if len(whole) < len(paths):
        twice = next(str(p) for i, p in enumerate(paths) if str(p) in map(str, paths[:i]))
        raise BadInput(f"{twice}: named twice; every model must be a file of its own.")
    for depth in range(1, 1 + max((len(parts) for parts in whole.values()), default=1)):
        named = {path: "/".join(parts[-depth:]) for path, parts in whole.items()}
        if len(set(named.values())) == len(named):
            return named
    return {path: path for path in whole}


def _bare(path: Path) -> tuple[str, ...]:
    ending = None if path.is_dir() else suffix(path)
    name = path.name[: -len(ending)] if ending else path.name
    return (*path.absolute().parent.parts, name or str(path))


def _of_files(files: dict[str, Any], request: Request) -> tuple[list[Entrant], tuple[str, ...]]:
    found: list[Entrant] = []
    said: list[str] = []
    for name, rows in files.items():
        sources, notes = open_sources(rows)
        tagged = tuple(replace(s, name=s.name or name) for s in sources)
        found.append(Entrant(name, tagged, _names(sources), request, shared=False))
        said += notes
    return found, tuple(said)


def _names(sources: Sequence[Source]) -> tuple[str, ...]:
    return tuple(s.name for s in sources if s.name)


def _of_columns(data: Any, models: Any, request: Request) -> tuple[list[Entrant], tuple[str, ...]]:
    sources, notes = open_sources(data)
    columns = sources[0].columns
    if models is None:
        chosen = _one_column_each(request, sources[0])
    else:
        if request.probs is not None or request.logits is not None:
            raise BadInput("give the columns of the models as `models`, or as `probs` or `logits`; not both.")
        given = models if isinstance(models, Mapping) else {str(m): m for m in _listed(models)}
        chosen = {str(name): _columns(str(name), value, sources[0]) for name, value in given.items()}
    found = []
    for name, (form, wanted) in chosen.items():
        names = tuple(expand(wanted, columns, "models" if models is not None else form, sources[0].name))
        own = replace(request, probs=names if form == "probs" else None, logits=names if form == "logits" else None)
        found.append(Entrant(name, tuple(sources), _names(sources), own, shared=True))
    _refuse_equal(found)
    return found, notes


def _one_column_each(request: Request, source: Source) -> dict[str, tuple[str, tuple[str, ...]]]:
    """`probs` of one file: every column is a model of one prediction a row."""
    chosen: dict[str, tuple[str, tuple[str, ...]]] = {}
    for form, wanted in (("probs", request.probs), ("logits", request.logits)):
        if wanted is not None:
            for name in expand(wanted, source.columns, form, source.name):
                chosen[name] = (form, (name,))
    return chosen


def _listed(models: Any) -> list[str]:
    if isinstance(models, str) or not all(isinstance(m, str) for m in models):
        raise BadInput(f"`models` must be a dict of names and columns, or a list of columns; got {models!r}.")
    return list(models)


def _columns(name: str, value: Any, source: Source) -> tuple[str, tuple[str, ...]]:
    """(form, columns) of ``"p_a_*"``, ``"logits:z_a_*"``, ``["p_a", "p_b"]`` or ``{"logits": ...}``."""
    form = None
    if isinstance(value, Mapping):
        if len(value) != 1 or next(iter(value)) not in FORMS:
            raise BadInput(f"`models`, {name}: a dict must have one key, `probs` or `logits`; got {list(value)}.")
        form, value = next(iter(value.items()))
    if isinstance(value, str):
        head, _, tail = value.partition(":")
        if head in FORMS and tail:
            form, value = head, tail
        value = [value] if value in source.columns else [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(v, str) for v in value):
        raise BadInput(
            f"`models`, {name}: a column name, several or a glob is needed; got {type(value).__name__}. Arrays go"
            " without `data`."
        )
    wanted = tuple(value)
    return form or _form(expand(wanted, source.columns, "models", source.name)), wanted


def _form(columns: Sequence[str]) -> str:
    """Logits where every column is called so, else probabilities (which are checked to be some)."""
    return "logits" if all(c.lower() in LOGITS or LOGIT_PREFIX.match(c) for c in columns) else "probs"


def _refuse_equal(found: Sequence[Entrant]) -> None:
    seen: dict[tuple[str, ...], str] = {}
    for one in found:
        columns = one.request.probs or one.request.logits or ()
        if columns in seen:
            raise BadInput(f"the models {seen[columns]} and {one.name} are the same columns.")
        seen[columns] = one.name


def open_named(arguments: Sequence[str]) -> Any:
    """Arguments of the command line as `data`: PATH or NAME=PATH; one name makes all of them named."""
    named: dict[str, Any] = {}
    plain: list[str] = []
    for text in arguments:
        name, mark, path = text.partition("=")
        if mark and name and path and not os.path.exists(text):
            if name in named:
                raise BadInput(f"the model {name} is named twice.")
            named[name] = path
        else:
            plain += _expanded(text)
    if not named:
        return list(arguments)
    for path, name in _stems(plain).items():
        if name in named:
            raise BadInput(f"the model {name} is named twice: give it a name with NAME={path}.")
        named[name] = path
    return named


def named_columns(arguments: Sequence[str] | None) -> dict[str, str] | None:
    """`--model NAME=COLUMNS`, several times, as `models`; a bare COLUMN is a model of its name."""
    if not arguments:
        return None
    found: dict[str, str] = {}
    for text in arguments:
        name, mark, columns = text.partition("=")
        if (mark and not columns) or not name or name in found:
            raise BadInput(f"--model must be NAME=COLUMNS, every name once; got {text!r}.")
        found[name] = columns or name
    return found


def files_of(data: Any) -> list[str]:
    """The files that `data`, as `open_named` gives it, means."""
    paths = list(data.values()) if isinstance(data, Mapping) else list(data)
    return [str(path) for path in find_files(paths)[0]] if paths else []

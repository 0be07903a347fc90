"""Method and provenance: what the numbers were computed from, how, and by whose method."""

from __future__ import annotations

from markupsafe import Markup

from .detail import Detail
from .numbers import Numbers
from .section import Section, first
from .tables import Column, Table

_REFERENCES = (
    ("Proper scores, decomposed", "Bröcker (2009), Quarterly Journal of the Royal Meteorological Society", ""),
    ("Isotonic reliability and its decomposition (CORP)", "Dimitriadis, Gneiting & Jordan (2021), PNAS",
     "https://doi.org/10.1073/pnas.2016191118"),
    ("Miscalibration and discrimination in a plane", "Dimitriadis, Gneiting, Jordan & Vogel (2024), International"
     " Journal of Forecasting", "https://doi.org/10.1016/j.ijforecast.2023.09.007"),
    ("Temperature scaling", "Guo, Pleiss, Sun & Weinberger (2017)", "https://arxiv.org/abs/1706.04599"),
    ("Calibration error as what the best map gains", "Berta, Holzmüller, Jordan & Bach (2025)",
     "https://arxiv.org/abs/2501.19195"),
    ("Errors of clustered rows", "Miller (2024)", "https://arxiv.org/abs/2411.00640"),
    ("Wrong labels among the dearest rows", "Northcutt, Athalye & Mueller (2021)", "https://arxiv.org/abs/2103.14749"),
)  # fmt: skip


def provenance(numbers: Numbers, at: str, detail: Detail, spreads: Table | None = None) -> Section:
    """The last section. at: the path of the record that holds `provenance` and `notes`."""
    origin = numbers.raw(at + "provenance")
    files = Table(numbers, "Input", at + "provenance.hashes", first(origin["hashes"], detail.files), (
        Column("file", "0", "path"), Column("bytes", "1", "count"), Column("blake2b-128", "2", "hash"),
    ), more=max(len(origin["hashes"]) - detail.files, 0)) if origin["hashes"] else None  # fmt: skip
    options = Table(numbers, "Options", at + "provenance.options", first(origin["options"], 60), (
        Column("option", "0", "name"), Column("value", "1", "name"),
    ), sortable=False) if origin["options"] else None  # fmt: skip
    own = [f"notes.{i}" for i in range(len(numbers.data["notes"]))][: detail.notes]
    notes = own + ([f"{at}notes.{i}" for i in range(len(numbers.raw(at + "notes")))][: detail.notes] if at else [])
    return Section("method", "Method and provenance", {
        "p": at + "provenance", "files": files, "options": options, "spreads": spreads, "notes": notes,
        "references": [(what, who, Markup(link)) for what, who, link in _REFERENCES],
    })  # fmt: skip

"""The report: narrow, plain, complete, and safe against whatever names hold."""

import dataclasses
import math
import re
import types
import typing

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from real_data import real

import xent
from xent.evaluate.analysis import records as r
from xent.evaluate.report import markdown, text
from xent.evaluate.report.words import BAR, bar, cut, error, nats, paragraph, shown, signed, width

RNG = np.random.default_rng(0)
HOSTILE = ["a|b", "c\\|d", "new\nline", "\x1b[31mred", "*bold* _it_", "<img src=x>", "`code`", "[x](http://y)",
           "www.x.y", "@all #1 ~~s~~ $x$", "  blank ", "表情" * 12, "- item", "e\u0301" * 30]  # fmt: skip


def plain_score(classes=4, rows=200, names=None, **options):
    p = RNG.dirichlet(np.full(classes, 0.5), rows) + 1e-3
    p /= p.sum(1, keepdims=True)
    targets = RNG.integers(0, classes, rows)
    return xent.score(targets=targets, probs=p, classes=names, **options)


def found(**changes):
    """An analysis made by hand, with something in every part."""
    rungs = (
        r.Rung("temperature", "T = 2.40", 0.1493, 0.0098, 0.13, 0.17, 0.15, True, 200, None),
        r.Rung("vector", "", 0.1501, 0.0099, 0.13, 0.17, 0.16, True, 200, None),
        r.Rung("matrix", "", None, None, None, None, None, False, 200, "no finite optimum"),
    )
    steps = (
        r.Step("baseline", "start", 1.3863, None, 1.3863),
        r.Step("explained", "down", -0.5, 0.01, 0.8863),
        r.Step("temperature", "up", 0.1493, 0.0098, 1.0356),
        r.Step("log loss", "total", 1.0356, 0.02, 1.0356),
    )
    slices = r.Slices(
        (r.Slice((("city", "Oslo"),), 100, 100.0, 1.5, 0.2, 0.0125, 0.5, 0.2, 0.0001, None, None, None, None, 0),),
        (
            r.Slice(
                (("radius", "[12, 14)"), ("hour", "5")),
                23, 23.0, 1.9, 0.1, 0.05, 0.9, 0.2, 1e-9, 1e-7, 0.8, 1e-4, True, 0,
            ),
            r.Slice((("unsure", "1"),), 23, 23.0, 1.9, 0.1, 0.06, 0.9, 0.2, 1e-9, 1e-7, 0.0, 0.9, False, 0),
        ),
        312, 200, ("radius", "hour", "unsure"), ("slices were sought in 200 rows",),
    )  # fmt: skip
    whole = r.Analysis(
        spreads=(
            r.Spread("iid", None, 0.02, 1.0, 1.1, 200, None, 1.0),
            r.Spread("cluster", "user", 0.06, 0.9, 1.2, 256, None, 9.0),
            r.Spread("time", "when", 0.04, 0.95, 1.15, 200, 7, 4.0),
        ),
        decompositions=(
            r.Decomposition("top-1", 200, 200.0, 0.5, 0.5, 0, 0.6, 0.15, 0.05, 0.002, 0.004, 0.0005, 1000, False, 1e-5,
                            r.Brier(0.2, 0.25, 0.1, 0.05), (), (), ()),
        ),
        waterfall=steps,
        ladder=r.Ladder(rungs, "temperature", 0.1493, 5, "xent calibrate preds.parquet --method temperature"),
        tail=r.Tail(12, 0.06, 0.31, 0.2, (), ()),
        suspects=r.Suspects((r.Threshold(1e-3, 7, 2.31, 0.02),), 1e-3, 4.7),
        confidence=(),
        confusion=r.Confusion(("0", "1", "2", "3"), ((0.1, 0.2, 0.0, 0.0),) * 4, ((1,) * 4,) * 4),
        slices=slices,
        soft=None,
        provenance=r.Provenance("1", (), (), 0),
        alerts=("Rows are alike within `user`: the standard error is 0.06, 3.0 times that of independent rows.",),
        notes=("said last",),
    )  # fmt: skip
    return dataclasses.replace(whole, **changes)


def test_the_plain_text_has_its_parts_and_no_others():
    page = text(plain_score())
    for part in (
        "log loss",
        "where the nats go",
        "ranking of the rest",
        "claims",
        "excess",
        "dearest rows",
        "! infinite rows: 0",
    ):
        assert part in page
    assert not re.search("repairable|tail|calibration", page)
    assert max(map(width, page.splitlines())) <= 80


def test_an_analysis_adds_all_of_its_parts():
    page = text(dataclasses.replace(plain_score(), analysis=found()))
    for part in (
        "clustered  ± 0.0600  [0.9000, 1.2000]  by `user`: 3.0 times iid", "over time  ± 0.0400", "7 lags: 2.0 times",
        "! Rows are alike within `user`", "where the nats go", "explained", "-0.5000", "0.0100", "of which",
        "top-1 confidence", "repairable temperature T = 2.40   -0.1493 ± 0.0098", "5-fold",
        "-> xent calibrate preds.parquet --method temperature", "vector -0.1501 ± 0.0099", "calibration",
        "0.0020, at most", "(p < 0.001)", "discrimination 0.1500 of 0.6000",
        "1 % of rows carry 31 % of the loss", "half of it lies in 12 rows (6.0 %)",
        "7 rows gave their label less than 0.001",
        "0 taken for 1 16.7 %", "city = Oslo", "+0.5000 ±0.200", "radius = [12, 14) & hou…",
        "1 of 312 tried in 3 columns",
        "! slices were sought in 200 rows", "! said last",
    ):  # fmt: skip
        assert part in re.sub(r"\n {11}", " ", page), part
    assert "unsure" not in page and "no finite optimum" not in page
    lines = page.splitlines()
    assert max(map(width, lines)) <= 80 and len(lines) <= 66


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("netcal_cifar/wideresnet-16-4-cifar-100.npz", {}),
        ("yardstick/hpc_cv.csv", {"cluster": "Resample", "by": ["Resample"]}),
        ("niamey/precip_Niamey_2016.csv", {"probs": "ENS", "time": "date"}),
    ],
)
def test_real_reports_fit_a_screen(name, options):
    score = xent.score(real(name), analyse=True, **options)
    for page in (text(score), text(score, ascii_only=True)):
        lines = page.splitlines()
        assert len(lines) <= (72 if "by" in options else 60)
        assert all(width(line) <= 80 or line.strip().startswith("->") for line in lines), max(lines, key=width)
    assert table_cells(markdown(score))


def test_nothing_to_repair_and_nothing_found():
    bare = found(
        ladder=dataclasses.replace(found().ladder, best=None, command=None), suspects=None, confusion=None,
        decompositions=(), waterfall=(), slices=r.Slices((), (), 0, 0, (), ()), alerts=(), spreads=(),
        tail=r.Tail(None, None, None, None, (), ()),
    )  # fmt: skip
    page = text(dataclasses.replace(plain_score(), analysis=bare))
    assert "repairable nothing" in page and "tried  temperature -0.1493" in page
    assert not re.search("tail|suspects|slices|of which|mix-ups|calibration|->", page)


def test_infinite_steps_and_miscalibration():
    score = plain_score(floor=1e-3)
    lost = dataclasses.replace(
        score, analysis=found(
            waterfall=(r.Step("refined", "total", 0.2, None, 0.2), r.Step("lost", "up", math.inf, None, math.inf)),
            decompositions=(dataclasses.replace(found().decompositions[0], miscalibration=math.inf, infinite_rows=3),),
        ), log_loss=math.inf, infinite=3,
    )  # fmt: skip
    page = text(lost)
    assert "+infinite" in page and "infinite (3 rows)" in page and "infinite: 3 of 200 rows" in page
    assert "+infinite" in markdown(lost)


def test_labels_are_listed_by_what_their_miscalibration_costs():
    one = found().decompositions[0]
    labels = tuple(
        dataclasses.replace(one, name=f"L{i}", miscalibration=i / 100, p_value=0.001 * 3**i) for i in range(5)
    )
    page = text(dataclasses.replace(plain_score(), analysis=found(decompositions=labels)))
    flat = re.sub(r"\n {11}", " ", page)
    assert "3 of 5 labels are miscalibrated" in flat and flat.index("L2 0.0200") < flat.index("L1 0.0100")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_on_their_line(name):
    score = plain_score(names=[name, "ordinary", "c", "d"])
    sliced = r.Slice(((name, name),), 10, 10.0, 1.0, 0.1, 0.01, 0.1, 0.1, 0.01, None, None, None, None, 0)
    score = dataclasses.replace(
        score, analysis=found(slices=r.Slices((sliced,), (), 0, 0, (), ()), alerts=(f"see `{name}`",))
    )
    page, tame = text(score), text(dataclasses.replace(plain_score(), analysis=found()))
    for line in page.splitlines():
        assert line.isprintable() or not line
        assert width(line) <= 80 or line.startswith("! ")
    assert len([x for x in page.splitlines() if x.startswith("class ")]) == 1 and tame.count("\nclass ") == 1
    assert text(score, ascii_only=True).isascii()
    cells = table_cells(markdown(score))
    assert shown(name) in {row[0] for row in cells} and f"{shown(name)} = {shown(name)}" in {row[0] for row in cells}


def table_cells(page):
    """Rows of all tables, as a reader of the rendered page sees them."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table").enable("strikethrough")
    rows, html = [], []
    for token in parser.parse(page):
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("td_open", "th_open"):
            rows[-1].append("")
        if token.type == "inline":
            kinds = {child.type for child in token.children}
            html += [child.content for child in token.children if child.type == "html_inline"]
            assert kinds <= {
                "text",
                "strong_open",
                "strong_close",
                "html_inline",
                "hardbreak",
                "softbreak",
                "text_special",
            }
            if rows and rows[-1] and not rows[-1][-1]:
                rows[-1][-1] = "".join(child.content for child in token.children if child.type != "html_inline")
    assert set(html) <= {"<code>", "</code>"}
    return rows


def test_markdown_has_every_class_and_every_rung():
    score = dataclasses.replace(plain_score(classes=40), analysis=found())
    cells = table_cells(markdown(score))
    assert {str(i) for i in range(40)} <= {row[0] for row in cells}
    rungs = {row[0]: row for row in cells}
    assert rungs["temperature T = 2.40"] == ["temperature T = 2.40", "-0.1493 ± 0.0098", "yes"]
    assert rungs["matrix"] == ["matrix", "no finite optimum", "no"]
    assert "```sh\nxent calibrate preds.parquet --method temperature\n```" in markdown(score)
    assert table_cells(markdown(plain_score()))


def any_of(kind):
    """Any value of a type annotation, records and tuples included; no NaN."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{f.name: any_of(hints[f.name]) for f in dataclasses.fields(kind)})
    if origin in (typing.Union, types.UnionType):
        return st.one_of([any_of(k) for k in inside])
    if origin is tuple and len(inside) == 2 and inside[1] is Ellipsis:
        return st.lists(any_of(inside[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(any_of, inside))
    return {
        float: st.sampled_from([0.0, 1e-300, 1e-5, 0.25, 1.0, 3.5, 1e300, math.inf]), int: st.integers(0, 1 << 60),
        str: st.text(max_size=20), bool: st.booleans(), type(None): st.none(),
    }[kind]  # fmt: skip


PLAIN = plain_score(rows=50)


@settings(max_examples=60, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(own=any_of(r.Analysis))
def test_any_analysis_can_be_written_down(own):
    names = range(len(own.confusion.classes)) if own.confusion else ()
    square = dataclasses.replace(own.confusion, nats=((0.5,) * len(names),) * len(names)) if own.confusion else None
    score = dataclasses.replace(PLAIN, analysis=dataclasses.replace(own, confusion=square))
    page = text(score, ascii_only=True)
    assert page.isascii() and all(line.isprintable() for line in page.splitlines())
    assert markdown(score).startswith("**Log loss")


@given(a=st.floats(0, 10), b=st.floats(0, 10), whole=st.floats(0, 10))
def test_bars_have_one_length_and_show_what_is_there(a, b, whole):
    drawn = bar(a, b, whole)
    assert len(drawn) == BAR and set(drawn) <= set("█░")
    low, high = sorted((min(a, whole), min(b, whole)))
    if whole > 0 and high / whole > low / whole:
        assert 1 <= drawn.count("█") <= math.ceil(BAR * (high - low) / whole) + 1
    else:
        assert "█" not in drawn


def test_words_are_cut_by_the_columns_they_take():
    assert cut("表情表情", 5) == "表情…" and width("表情…") == 5
    assert shown("a\tb\u202ec") == "a\\tb\\u202ec"
    assert all(len(line) <= 80 for line in paragraph("12 % ± 3 " * 40, "! ", "  "))
    assert not any(line.endswith(("12", "±")) for line in paragraph("12 % ± 3 " * 40))


@pytest.mark.parametrize("scale", [1e-9, 1e-2, 1.0, 30.0, 1e3, 1e5, 1e9, 1e14])
def test_losses_of_any_size_fit_the_lines(scale):
    z, y, g = RNG.normal(size=600), RNG.integers(0, 2, 600), RNG.integers(0, 3, 600)
    table = {"y": y, "logit": z * scale, "g": g, "t": np.arange(600), "w": 1e-9 * (0.1 + RNG.exponential(size=600))}
    for options in ({}, {"sample_weight": "w"}):
        found = xent.score(table, targets="y", by="g", cluster="g", time="t", slices="none", **options)
        for ascii_only in (False, True):
            lines = text(found, ascii_only=ascii_only).splitlines()
            assert max(map(len, lines)) <= 80, max(lines, key=len)
            assert not any(re.search(r"\d[+±]\d|\d-\d+\.", line) for line in lines if line.startswith("  ")), lines


@given(st.floats(1e-90, 1e90), st.sampled_from([-1, 1]))
def test_numbers_keep_to_their_columns_and_their_size(x, sign):
    assert len(nats(x)) <= 9 and len(signed(sign * x)) <= 8 and len(error(x)) <= 6
    assert float(nats(x)) == pytest.approx(x, rel=0.051)  # 0.00105 is 0.0010 or 0.0011
    assert float(signed(sign * x)) == pytest.approx(sign * x, rel=0.051)
    assert float(error(x)) == pytest.approx(x, rel=0.5)  # 0.0005


def test_shares_of_weighted_rows_are_called_so():
    p, y, w = RNG.random(500), RNG.integers(0, 2, 500), RNG.exponential(size=500)
    found = xent.score(targets=y, probs=p, sample_weight=w, analyse=True)
    for said in (text(found), markdown(found)):
        said = " ".join(said.split())
        assert " % of the weight)" in said and "1 % of the weight carries" in said
    plain = text(xent.score(targets=y, probs=p, analyse=True))
    assert "of the weight" not in plain and "1 % of rows carry" in plain

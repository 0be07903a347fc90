"""One file, small, offline, true: what a page is without looking at it in a browser."""

import itertools
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from evaluate.page import reading, specimens
from hypothesis import example, given
from hypothesis import strategies as st

from xent.evaluate.faults import BadInput
from xent.evaluate.page import document, render, write, write_comparison
from xent.evaluate.page.axes import Scale, area
from xent.evaluate.page.bars import HAIR, waterfall
from xent.evaluate.page.detail import LIMIT
from xent.evaluate.page.numbers import FORMS, Numbers, written
from xent.evaluate.scores import plain

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
KINDS = sorted(specimens.ALL)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_small_and_well_formed(pages, kind):
    html = pages[kind][1]
    page = reading.Page(html)
    assert len(html.encode("utf-8", "replace")) <= LIMIT
    assert len(page.ids) == len(set(page.ids))
    for _, attributes in page.tags:
        for name in ("aria-labelledby", "for"):
            assert set(attributes.get(name, "").split()) <= set(page.ids)
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in page.ids
    used = re.findall(r"url\(#([^)]*)\)", html)
    assert used and set(used) <= set(page.ids)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_loaded_and_only_our_script_may_run(pages, kind):
    page = reading.Page(pages[kind][1])
    for tag, attributes in page.tags:
        assert tag not in ("img", "iframe", "object", "embed", "image", "base", "form")
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action")]
        link = attributes.get("href", "#")
        assert link.startswith(("#", "data:,")) or (tag == "a" and link.startswith("https://"))
    assert "url(" not in re.sub(r"url\(#[^)]*\)", "", pages[kind][1])
    assert [attributes.get("type") for attributes, _ in page.scripts] == ["application/json", None]
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy


@pytest.mark.parametrize("kind", KINDS)
def test_everything_shown_is_what_the_json_says(pages, kind):
    page = reading.Page(pages[kind][1])
    assert len(page.shown) > 30
    assert reading.lies(page) == []


def test_a_wrong_number_would_be_found(pages):
    html = pages["pictures"][1]
    wrong = html.replace('data-json="baseline">2.3026<', 'data-json="baseline">2.3027<')
    assert wrong != html
    assert reading.lies(reading.Page(wrong)) == [("baseline", "2.3027")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_embedded_json_is_that_of_the_record(pages, kind):
    record, html = pages[kind]
    whole, embedded = plain(record.to_dict()), reading.Page(html).json
    if "leaves out" in html:
        assert _holds(whole, embedded)
        assert embedded != json.loads(json.dumps(whole))
    else:
        assert embedded == json.loads(json.dumps(whole))


def _holds(whole, part):
    """Whether a cut JSON says nothing else than the whole: records of lists may be missing, at the end or as null."""
    if isinstance(whole, dict):
        return whole.keys() == part.keys() and all(_holds(whole[key], part[key]) for key in whole)
    if isinstance(whole, (list, tuple)):
        return len(part) <= len(whole) and all(
            p is None or _holds(w, p) for w, p in zip(whole, part, strict=False)
        )  # fmt: skip
    return whole.startswith(part) if isinstance(whole, str) else whole == part


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_has_words(pages, kind):
    html = pages[kind][1]
    page = reading.Page(html)
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    for attributes in pictures:
        if attributes.get("aria-hidden") != "true":
            title, description = attributes["aria-labelledby"].split()
            assert attributes["role"] == "img"
            assert len(re.search(f'id="{title}">([^<]+)<', html)[1]) > 8
            assert len(re.search(f'id="{description}">([^<]+)<', html)[1]) > 20


def test_the_same_record_gives_the_same_bytes(pages):
    assert render(specimens.ALL["pictures"]()) == pages["pictures"][1]
    assert not re.search(r"\d{4}-\d\d-\d\dT", pages["pictures"][1])


def test_the_table_of_contents_names_every_section(pages):
    page = reading.Page(pages["pictures"][1])
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    links = [attributes["href"][1:] for tag, attributes in page.tags if tag == "a" and "href" in attributes]
    assert sections == [link for link in dict.fromkeys(links) if link in sections]
    assert sections == ["verdict", "waterfall", "reliability", "claims", "tail", "classes", "slices", "rows", "repair",
                        "method"]  # fmt: skip


def test_alerts_stand_before_the_loss(pages):
    html = pages["infinite"][1]
    assert html.index('class="alerts"') < html.index('data-json="log_loss"')


def test_the_advice_says_what_to_do(pages):
    text = re.sub(r"<[^>]*>", "", pages["pictures"][1])
    assert "41.6 % of this loss is over-confidence: dividing the logits by 2.40 gives 0.2093 nats." in text
    assert "No repair that was tried pays" in re.sub(r"<[^>]*>", "", pages["binary"][1])
    assert "6 of 92 rows give the truth probability 0, so no mean is finite." in pages["infinite"][1].replace(
        '<span data-json="infinite">', "").replace('<span data-json="rows">', "").replace("</span>", "")  # fmt: skip


@given(
    st.floats(-1e300, 1e300) | st.just(np.inf),
    st.sampled_from(sorted(set(FORMS) - {"already", "level", "count", "p", "p said"})),
)
@example(0.99996, "prob")
@example(0.99951, "percent")
@example(999999.99999, "nats")
def test_what_is_written_says_the_number(x, form):
    if form in ("prob", "percent"):
        x = abs(x) % 1.0 if np.isfinite(x) else 1.0
    assert reading.says(written(x, form), x), written(x, form)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1000)), min_size=1, max_size=30), st.booleans())
def test_bars_keep_their_areas(cuts, stretched):
    edges = sorted({0.0, 1.0, *(c for c, _ in cuts)})
    spans = list(itertools.pairwise(edges))
    values = [cuts[i % len(cuts)][1] for i in range(len(spans))]
    scale = Scale.around([0.01, 0.9]) if stretched else Scale()
    bars, heights = area(scale, spans, values)
    assert sum(h * (b - a) for (a, b), h in zip(bars, heights, strict=True)) == pytest.approx(sum(values), abs=1e-9)
    assert all(b - a >= (scale.high - scale.low) / 51 for a, b in bars)


@given(st.lists(st.floats(0, 5) | st.just(np.inf), min_size=1, max_size=8))
def test_the_waterfall_hangs_together(levels):
    levels = levels[: levels.index(np.inf) + 1] if np.inf in levels else levels
    steps = [{"kind": "start", "nats": 1.0, "after": 1.0}]
    for level in levels:
        nats = level - steps[-1]["after"]
        steps.append({"kind": "up" if nats >= 0 else "down", "nats": nats, "after": level})
    steps.append({"kind": "total", "nats": levels[-1], "after": levels[-1]})
    bars = waterfall(Numbers({"steps": steps}), "steps")
    assert all(bar.left >= 0 and bar.left + bar.width <= 100 + 2 * HAIR for bar in bars)
    assert [bar.left for bar in bars if bar.level] == [0, 0]
    ends = [(bar.left, bar.left + bar.width) for bar in bars]
    for (a, b), (c, d) in pairwise(ends):  # each begins where the one before ended
        assert min(abs(x - y) for x in (a, b) for y in (c, d)) <= 2 * HAIR or min(a, c) == 0
    assert bars[-1].endless == np.isinf(levels[-1])


@pytest.mark.parametrize("limit", [130_000])
def test_a_page_that_grows_too_large_shows_less_and_stays_true(monkeypatch, limit):
    monkeypatch.setattr(document, "LIMIT", limit)
    html = render(specimens.ALL["1000 classes"]())
    assert len(html.encode()) <= limit
    assert "leaves out" in html
    page = reading.Page(html)
    assert reading.lies(page) == [] and page.json["log_loss"] == 0.3583


def test_a_score_without_analysis_has_no_page():
    with pytest.raises(BadInput, match="analyse"):
        render(specimens.score(analysis=None))


def test_texts_can_be_read_in_both_schemes():
    css = (Path(render.__code__.co_filename).parent / "templates" / "page.css").read_text()
    schemes = re.findall(r":root \{(.*?)\}", css, flags=re.S)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", scheme))
        for ink in ("ink", "muted", "cool", "warm"):
            assert contrast(colours[ink], colours["paper"]) >= 4.5, (ink, scheme)
        assert contrast(colours["ink"], colours["alert"]) >= 4.5
        assert contrast(colours["ink"], mixed(colours["warm"], colours["paper"])) >= 4.5
        assert contrast(colours["level"], colours["paper"]) >= 3


def rgb(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    return np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def mixed(a, b):
    """The hottest cell of the heat map: half one, half the other."""
    return "#" + "".join(f"{round(255 * x):02x}" for x in (rgb(a) + rgb(b)) / 2)


def contrast(a, b):
    """WCAG 2.2, relative luminance."""
    light = sorted(
        float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])
        for c in (rgb(a), rgb(b))
    )  # fmt: skip
    return (light[1] + 0.05) / (light[0] + 0.05)


def test_files_are_written_whole(tmp_path, pages):
    write(pages["binary"][0], tmp_path / "score.html")
    write_comparison(pages["models"][0], str(tmp_path / "models.html"))
    assert (tmp_path / "score.html").read_text() == pages["binary"][1]
    assert (tmp_path / "models.html").read_text() == pages["models"][1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["models.html", "score.html"]
    with pytest.raises(BadInput, match="absent"):
        write(pages["binary"][0], tmp_path / "absent" / "score.html")


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_missing_package_is_answered_with_the_command_that_installs_it(missing):
    hidden = ["jinja2", "markupsafe"] if missing == "jinja2" else [missing]
    lines = [
        "import sys",
        *(f"sys.modules[{name!r}] = None" for name in hidden),
        "from xent.evaluate.page import render",
        "from xent.evaluate.faults import BadInput",
        "try: render(None)",
        "except BadInput as error: print(error)",
    ]
    run = subprocess.run([sys.executable, "-c", "\n".join(lines)], env=ENVIRONMENT, capture_output=True, text=True)
    assert 'pip install "xent[report]"' in run.stdout, run.stderr

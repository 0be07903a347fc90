"""Pages in a real browser, on a phone and a desktop, light, dark and on paper, with scripts and without."""

import re

import pytest
from evaluate.page import reading, specimens

PHONE, DESKTOP = {"width": 375, "height": 700}, {"width": 1280, "height": 900}
SHOWN = """[...document.querySelectorAll("[data-json]")].map(e => [e.dataset.json, e.textContent])"""
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
# What sticks out of the window although nothing around it scrolls.
OUT = """[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1
  && !e.closest(".scroll, pre, svg, .vh, .skip") && getComputedStyle(e).display !== "none").map(e => e.outerHTML)"""
# Numbers that stand on more than one line.
BROKEN = """[...document.querySelectorAll("td[data-json]:not(.l), td [data-json]:not(bdi, .l *), dd span")]
  .filter(e => {
  const range = document.createRange();
  range.selectNodeContents(e);
  return new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1;
}).map(e => e.outerHTML)"""


@pytest.fixture(scope="module")
def files(pages, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for kind, (_, html) in pages.items():
        (folder / f"{kind}.html").write_bytes(html.encode("utf-8", "replace"))
    return folder


@pytest.fixture
def opened(browser, files):
    """Opens a page of a kind; at the end there must have been neither a word on the console nor a request."""
    contexts, said = [], []

    def open_page(kind, **how):
        context = browser.new_context(offline=True, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(("file:", "data:")) else 0)
        page.goto((files / f"{kind}.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("kind", sorted(specimens.ALL))
def test_it_fits_a_phone_and_a_desktop_and_tells_the_truth(opened, kind):
    page = opened(kind, viewport=PHONE)
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        assert not page.evaluate(WIDE)
        assert page.evaluate(OUT) == []
        assert page.evaluate(BROKEN) == []
    data = page.evaluate("JSON.parse(document.getElementById('xent-json').textContent)")
    shown = page.evaluate(SHOWN)
    assert len(shown) > 30
    assert [s for s in shown if not reading.says(s[1], reading.value_at(data, s[0]), s[0])] == []


def test_without_scripts_everything_can_be_read(opened):
    with_scripts, without = (opened("pictures", viewport=PHONE, java_script_enabled=on) for on in (True, False))
    assert without.locator("section h2").count() == with_scripts.locator("section h2").count() == 10
    texts = without.locator("main").inner_text()
    assert "0.3583" in texts and "dividing the logits by 2.40 gives 0.2093" in texts
    # both axes are there without a script: a choice that the page's style makes
    first, second = without.locator(".pane").all()
    assert first.is_visible() and not second.is_visible()
    without.locator("label[for=axis-z]").click()
    assert second.is_visible() and not first.is_visible()
    without.locator("summary").first.click()
    assert without.locator("details[open] table").first.is_visible()


def test_on_a_desktop_both_axes_stand_side_by_side(opened):
    page = opened("pictures", viewport=DESKTOP)
    boxes = [pane.bounding_box() for pane in page.locator(".pane").all()]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]


def test_pictures_follow_the_scheme(opened):
    look = """[getComputedStyle(document.body).backgroundColor,
      ...[...document.querySelectorAll(".plot path")].slice(0, 200).map(e => getComputedStyle(e).stroke),
      ...[...document.querySelectorAll(".plot text")].map(e => getComputedStyle(e).fill)]"""
    light, dark = (opened("pictures", viewport=DESKTOP, color_scheme=scheme) for scheme in ("light", "dark"))
    one, other = light.evaluate(look), dark.evaluate(look)
    assert one[0] != other[0]
    texts = list(zip(one[-30:], other[-30:], strict=True))
    assert all(a != b for a, b in texts)
    assert "rgb(0, 0, 0)" not in one and "rgb(255, 255, 255)" not in one  # no colour that came from elsewhere
    dark.emulate_media(media="print", color_scheme="dark")
    assert dark.evaluate(look)[0] == "rgb(255, 255, 255)"


@pytest.mark.parametrize("kind", ["pictures", "models", "infinite", "long names"])
def test_it_prints(opened, kind):
    page = opened(kind, viewport={"width": 680, "height": 900}, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.evaluate(WIDE)
    assert not page.locator("nav").is_visible()
    assert page.evaluate(BROKEN) == []
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF") and 2 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 30


def test_columns_sort_by_their_numbers(opened):
    page = opened("pictures", viewport=DESKTOP)
    table = page.locator("#classes table.sortable").first
    names = table.locator("tbody th")
    before = names.all_inner_texts()
    head = table.locator("thead th", has_text="excess")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending" and names.all_inner_texts() == before
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending" and names.all_inner_texts() == before[::-1]
    rows = page.locator("#repair table")
    assert rows.locator("button").count() == 0  # from few parameters to many: that order means something


def test_sorting_leaves_what_has_no_number_at_the_end(opened):
    page = opened("infinite", viewport=DESKTOP)
    table = page.locator("#claims table.sortable").first
    page.locator("#claims summary").click()
    head = table.locator("thead th", has_text=re.compile("^z$"))
    for _ in range(2):
        head.locator("button").click()
        assert table.locator("tbody tr").last.locator("td").last.inner_text() == "–"


def test_keys_reach_the_tables_and_the_contents(opened):
    page = opened("models", viewport=PHONE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("""[...document.querySelectorAll(".scroll")].every(e => e.tabIndex === 0
      && e.getAttribute("role") === "region" && e.getAttribute("aria-label"))""")


def test_text_on_a_phone_is_large_enough(opened):
    page = opened("pictures", viewport=PHONE)
    least = page.evaluate("""Math.min(...[...document.querySelectorAll(".plot")].filter(e => e.checkVisibility())
      .map(e => 11 * e.getBoundingClientRect().width / e.viewBox.baseVal.width))""")
    assert least >= 9.5

"""How a reader sees a page: the numbers it shows with the paths they claim, and whether both say the same."""

import json
import math
import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "wbr", "hr"}
ODD = re.compile("[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Page(HTMLParser):
    """What stands in a page: shown = [(path, text)], tags = [(name, attributes)], ids, scripts."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.shown, self.tags, self.ids, self.scripts, self._open = [], [], [], [], []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag not in VOID:
            self._open.append((tag, attributes, []))

    def handle_startendtag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.ids += [attributes["id"]] if "id" in attributes else []

    def handle_data(self, data):
        for _, _, text in self._open:
            text.append(data)

    def handle_endtag(self, tag):
        name, attributes, text = self._open.pop()
        assert name == tag, f"<{name}> closed by </{tag}>"
        if "data-json" in attributes:
            self.shown.append((attributes["data-json"], "".join(text)))
        if tag == "script":
            self.scripts.append((attributes, "".join(text)))

    @property
    def json(self):
        return json.loads(next(text for attributes, text in self.scripts if attributes.get("id") == "xent-json"))


def value_at(data, path):
    """What a path stands for: a value of the JSON, or a difference or ratio of some, recomputed here."""
    if " - " in path:
        first, *rest = (value_at(data, p) for p in path.split(" - "))
        return None if None in (first, *rest) else first - math.fsum(rest)
    if " / " in path:
        a, b = (value_at(data, p) for p in path.split(" / "))
        return a / b
    if path == "1":
        return 1
    for key in path.split("."):
        data = data[int(key)] if isinstance(data, list) else data[key]
    if isinstance(data, str) and data in ("Infinity", "-Infinity") and not path.endswith(("name", ".0", ".1")):
        return float(data)
    return data


def says(text, value, path=""):
    """Whether a text says a value: as exactly as its last digit, with < and > as they are read."""
    text = text.strip()
    if value is None:
        return text == "–"
    if isinstance(value, bool):
        return text == ("yes" if value else "no")
    if isinstance(value, str):
        value = ODD.sub("\ufffd", value).replace("`", "")
        text = text.replace("`", "")
        return value.startswith(text[:-1]) if text.endswith("…") else text == value.strip()
    return _near(text.replace("−", "-").replace("\u202f", ""), value, path)


def _near(text, value, path):
    if text in ("∞", "+∞", "-∞"):
        return value == (-math.inf if text[0] == "-" else math.inf)
    found = re.fullmatch(r"(= |< ?|>)?([+-]?\d+(?:\.(\d+))?(?:e([+-]?\d+))?)( %)?", text)
    if not found or not math.isfinite(value):
        return False
    sign, number, decimals, exponent, percent = found.groups()
    scale = 0.01 if percent and not path.endswith(".percent") else 1.0
    said = float(number) * scale
    if sign and sign[0] in "<>":
        return 0 <= value < said if sign[0] == "<" else said < value <= 1
    slack = 0.5 * 10.0 ** (int(exponent or 0) - len(decimals or "")) * scale
    return abs(value - said) <= slack * (1 + 1e-9) + 1e-12 * abs(value)


def lies(page):
    """Every path and text of a page that does not say what its JSON says."""
    data = page.json
    return [(path, text) for path, text in page.shown if not says(text, value_at(data, path), path)]

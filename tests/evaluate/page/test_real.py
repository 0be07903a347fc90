"""Pages of real predictions, from the file to the last digit shown."""

import json

import numpy as np
import pytest
from evaluate.page import reading
from real_data import real

import xent
from xent.evaluate.page import render
from xent.evaluate.page.detail import LIMIT

SMALL = 200_000


def true(record):
    html = render(record)
    page = reading.Page(html)
    assert reading.lies(page) == []
    assert page.json == json.loads(record.to_json())
    return html, page


@pytest.mark.parametrize("model", ["EMOS", "ENS"])
def test_niamey(model):
    score = xent.score(real("niamey") / "precip_Niamey_2016.csv", targets="obs", probs=model, analyse=True)
    html, page = true(score)
    assert len(html.encode()) < SMALL
    shown = dict(page.shown)
    assert shown["log_loss"] == {"EMOS": "0.6537", "ENS": "∞"}[model]
    assert shown["analysis.decompositions.0.discrimination"] == {"EMOS": "0.0766", "ENS": "0.0998"}[model]
    assert shown["analysis.decompositions.0.uncertainty"] == "0.6815"


def test_models_of_niamey_side_by_side():
    found = xent.compare(
        real("niamey") / "precip_Niamey_2016.csv", targets="obs", probs=["EMOS", "Logistic", "EPC", "ENS"]
    )
    html, page = true(found)
    assert len(html.encode()) < SMALL
    assert dict(page.shown)["models.0.name"] == "Logistic"
    assert html.index("ENS gives the truth probability 0") < html.index('data-json="models.0.name"')


def test_four_classes_in_ten_folds():
    score = xent.score(
        real("yardstick") / "hpc_cv.parquet", targets="obs", probs=["VF", "F", "M", "L"], by=["Resample"], analyse=True
    )
    html, page = true(score)
    assert len(html.encode()) < SMALL
    assert dict(page.shown)["log_loss"] == "0.8022"
    assert sum("where.0.0" in path and "given" in path for path, _ in page.shown) == 10


def test_many_labels():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(300, 30)) * 2
    targets = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(int)
    html = render(xent.score(logits=logits, targets=targets, kind="multilabel", analyse=True))
    assert len(html.encode()) <= LIMIT
    assert reading.lies(reading.Page(html)) == []

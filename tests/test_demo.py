"""The demo writes real predictions, scores them with the command it prints, and says what it lacks."""

import re
import sys

import numpy as np
import pytest
from pyarrow import parquet

import xent
from xent import calibrate, demo


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return {p.name: parquet.read_table(demo.write(p, folder)) for p in demo.PREDICTIONS}


def test_two_data_sets_each_by_a_model_with_logits_and_one_with_probabilities(files):
    columns = {name: set(table.column_names) for name, table in files.items()}
    assert columns["breast-cancer-logistic"] == {"target", "logit", "radius", "texture"}
    assert columns["breast-cancer-forest"] == {"target", "prob", "radius", "texture"}
    assert columns["digits-logistic"] == {"target", "ink", *(f"logit_{k}" for k in range(10))}
    assert columns["digits-forest"] == {"target", "ink", *(f"prob_{k}" for k in range(10))}
    assert columns["digits-bayes"] == columns["digits-logistic"]
    assert {table.num_rows for table in files.values()} == {569, 1797}


def test_the_forests_hold_honest_zeros_on_the_truth(files):
    binary = files["breast-cancer-forest"].to_pydict()
    target, prob = np.array(binary["target"]), np.array(binary["prob"])
    assert (np.where(target == 1, prob, 1 - prob) == 0).any()
    digits = files["digits-forest"].to_pydict()
    probs = np.column_stack([digits[f"prob_{k}"] for k in range(10)])
    assert (probs[np.arange(len(probs)), digits["target"]] == 0).any()
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-12)


def test_the_models_are_real_ones(files):
    binary = files["breast-cancer-logistic"].to_pydict()
    assert np.mean((np.array(binary["logit"]) > 0) == np.array(binary["target"])) > 0.95
    digits = files["digits-logistic"].to_pydict()
    logits = np.column_stack([digits[f"logit_{k}"] for k in range(10)])
    assert np.mean(logits.argmax(axis=1) == digits["target"]) > 0.95


def test_the_demo_plays_every_scene_and_ends_with_its_reports(tmp_path, capfd):
    assert demo.run(tmp_path) == 0
    page = capfd.readouterr().out
    for scene in demo.SCENES:
        command = re.sub(r"\{(.+?)\}", lambda name: str(tmp_path / name[1]), scene.command)
        assert f"$ xent {command}\n" in page
    assert re.search(r"infinite: \d+ of 569 rows", page) and "--compat sklearn" in page
    lines = page.splitlines()
    for name in demo.PAGES:
        assert any(line.startswith(f"  {tmp_path / name}") for line in lines[-len(demo.PAGES) :])
        html = (tmp_path / name).read_text("utf-8")
        assert html.startswith("<!doctype html>") and len(html.encode()) < 500_000
    before, after = (
        xent.score(str(tmp_path / f"digits-{name}.parquet"), logits="logit_*").log_loss
        for name in ("bayes", "bayes-calibrated")
    )
    assert after < 0.6 * before
    assert calibrate.from_json((tmp_path / "digits-map.json").read_text()).columns == 10


@pytest.mark.parametrize(
    ("module", "package"), [("sklearn", "scikit-learn"), ("pyarrow", "pyarrow"), ("matplotlib", "matplotlib")]
)
def test_a_missing_package_is_answered_with_the_command_that_installs_it(
    module, package, tmp_path, monkeypatch, capsys
):
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.parquet", None)
    assert demo.run(tmp_path) == 2
    said = capsys.readouterr().err
    assert package in said
    assert 'pip install "xent[demo]"' in said


def test_a_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert demo.run(tmp_path / "file") == 2
    assert "file: cannot be written to" in capsys.readouterr().err

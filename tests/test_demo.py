"""The demo writes real predictions, scores them with the command it prints, and says what it lacks."""

import re
import sys

import numpy as np
import pytest
from pyarrow import parquet

from xent import demo


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return {p.name: parquet.read_table(demo.write(p, folder)) for p in demo.PREDICTIONS}


def test_two_data_sets_each_by_a_model_with_logits_and_one_with_probabilities(files):
    columns = {name: set(table.column_names) for name, table in files.items()}
    assert columns["breast-cancer-logistic"] == {"target", "logit"}
    assert columns["breast-cancer-forest"] == {"target", "prob"}
    assert columns["digits-logistic"] == {"target", *(f"logit_{k}" for k in range(10))}
    assert columns["digits-forest"] == {"target", *(f"prob_{k}" for k in range(10))}
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


def test_the_demo_scores_every_file_with_the_command_it_prints(tmp_path, capfd):
    assert demo.run(tmp_path) == 0
    page = capfd.readouterr().out
    for prediction in demo.PREDICTIONS:
        assert f"$ xent score {tmp_path / prediction.name}.parquet\n" in page
    assert re.search(r"infinite: \d+ of 569 rows", page)
    assert "--compat sklearn" in page


@pytest.mark.parametrize(("module", "package"), [("sklearn", "scikit-learn"), ("pyarrow", "pyarrow")])
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

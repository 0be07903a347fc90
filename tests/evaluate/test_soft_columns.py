"""Where soft labels are found, and what is refused."""

import importlib
import json

import numpy as np
import pytest

import xent
from xent.evaluate import BadInput

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
CSV = pytest.importorskip("pyarrow.csv")
Q = np.array([[0.25, 0.75, 0.0], [1.0, 0.0, 0.0], [0.5, 0.25, 0.25]])
P = np.array([[0.5, 0.25, 0.25], [0.75, 0.125, 0.125], [0.25, 0.25, 0.5]])
TRUE = -np.where(Q > 0, Q * np.log(P), 0).sum(1).mean()


def table(q=Q, p=P, label="label_{}", prob="prob_{}"):
    names = ["cat", "dog", "eel"]
    columns = {label.format(n): q[:, i] for i, n in enumerate(names)}
    return pa.table(columns | {prob.format(n): p[:, i] for i, n in enumerate(names)})


def wide(array):
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(array)), array.shape[1])


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow"])
def test_fractions_in_as_many_columns_are_soft_labels(tmp_path, ending):
    path = tmp_path / f"preds.{ending}"
    if ending == "arrow":
        with pa.ipc.new_file(path, table().schema) as writer:
            writer.write_table(table())
    else:
        (pq.write_table if ending == "parquet" else CSV.write_csv)(table(), path)
    score = xent.score(path)
    assert (score.kind, score.log_loss) == ("multiclass", pytest.approx(TRUE, rel=1e-14))
    assert [c.name for c in score.by_class] == ["cat", "dog", "eel"]
    assert any("soft labels" in note for note in score.notes)


@pytest.mark.parametrize(
    "data",
    [
        table(label="y.{}", prob="p.{}"),
        table(prob="logit_{}", p=np.log(P)),
        table().select([3, 4, 5, 2, 1, 0]),
        pa.table({"label": wide(Q), "probs": wide(P)}),
        {"label": Q.astype(np.float32), "probs": P},
        {"label": Q.astype(np.float16), "probs": P},
    ],
)
def test_ways_to_write_them(data):
    assert xent.score(data).log_loss == pytest.approx(TRUE, rel=1e-14)


def test_whole_labels_stay_hard_unless_told():
    ids = np.array([1, 0, 2])
    one_hot = table(np.eye(3)[ids])
    with pytest.raises(BadInput, match="one-hot"):
        xent.score(one_hot)
    hard = xent.score(one_hot, kind="multiclass")
    soft = xent.score(one_hot, soft=True)
    assert (hard.label_entropy, soft.label_entropy) == (None, 0.0)
    assert hard.log_loss == soft.log_loss == pytest.approx(-np.log(P[np.arange(3), ids]).mean(), rel=1e-14)


def test_yes_or_no_as_one_column():
    q, p = [0.2, 1.0, 0.5], [0.25, 0.5, 0.5]
    score = xent.score(pa.table({"label": q, "prob": p}))
    true = -np.mean([0.2 * np.log(0.25) + 0.8 * np.log(0.75), np.log(0.5), np.log(0.5)])
    assert (score.kind, score.log_loss) == ("binary", pytest.approx(true, rel=1e-14))
    assert xent.score(targets=q, probs=p, classes=["no", "yes"], soft=True).by_class[1].name == "yes"


def test_several_yes_or_no():
    rng = np.random.default_rng(1)
    q, p = rng.random((20, 3)), rng.random((20, 3))
    score = xent.score(table(q, p))
    true = -(q * np.log(p) + (1 - q) * np.log(1 - p)).mean()
    assert (score.kind, score.log_loss) == ("multilabel", pytest.approx(true, rel=1e-13))
    assert [c.positive for c in score.by_class] == list((q >= 0.5).sum(0))
    mean = q.mean(0)
    baseline = -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean)).mean()
    assert score.baseline == pytest.approx(baseline, rel=1e-12)


def changed(row, column, value):
    q = Q.copy()
    q[row, column] = value
    return q


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"targets": changed(2, 0, 0.4), "probs": P}, ("row 2", "3 soft labels", "sum to 1", "0.9")),
        ({"targets": changed(2, 0, -0.5), "probs": P}, ("row 2", "targets[0]", "[0, 1]", "-0.5")),
        ({"targets": changed(1, 2, np.nan), "probs": P}, ("row 1", "targets[2]", "[0, 1]", "nan")),
        ({"targets": [0.5, 1.5], "probs": [0.5, 0.5]}, ("row 1", "[0, 1]", "1.5")),
        ({"targets": [0.5, 1.0], "probs": P[:2]}, ("row 0", "0.5", "--soft")),
        ({"targets": [0.5, 1.0], "probs": P[:2], "soft": True}, ("as many target columns", "1 and 3")),
        ({"targets": Q[:, :2], "probs": P}, ("as many", "2 and 3")),
        ({"targets": Q, "probs": P, "soft": False}, ("row 0", "0.25", "--soft")),
        ({"targets": ["a", "b"], "probs": [0.5, 0.5], "soft": True}, ("soft labels", "text")),
        ({"targets": [0.5, 1.0], "probs": [0.5, 0.5], "positive": 1, "soft": True}, ("`positive`", "second class")),
        ({"targets": Q * [[1.0], [1.0], [0.5]], "logits": P}, ("(they sum to 1)", "--kind")),
        ({"targets": Q, "probs": P * 0.5}, ("row 0", "sum to 1")),
        ({"targets": [0.5, 0.5], "probs": [0.5, 0.5], "sample_weight": [0, 0]}, ("weight 0",)),
    ],
)
def test_refusals(options, said):
    with pytest.raises(BadInput) as caught:
        xent.score(**options)
    for part in said:
        assert part in str(caught.value)


def test_a_row_of_weight_zero_keeps_its_labels_checked_and_its_predictions_not():
    p = P.copy()
    p[0] = np.nan
    score = xent.score(targets=Q, probs=p, sample_weight=[0.0, 1.0, 1.0])
    assert (score.rows, score.weightless_rows) == (2, 1)
    with pytest.raises(BadInput, match="row 0"):
        xent.score(targets=changed(0, 0, 0.5), probs=P, sample_weight=[0.0, 1.0, 1.0])


def test_rounded_labels_are_accepted_on_request():
    q = np.array([[0.33, 0.33, 0.33], [0.5, 0.25, 0.25]])
    with pytest.raises(BadInput, match=r"row 0.*tolerance"):
        xent.score(targets=q, probs=P[:2])
    score = xent.score(targets=q, probs=P[:2], tolerance=0.011)
    assert score.log_loss == pytest.approx(-(q * np.log(P[:2])).sum() / q.sum(), rel=1e-14)
    assert score.standard_error is not None


def test_conventions_hold_every_case():
    q, p = [[0.5, 0.5], [0.25, 0.75]], [[0.0, 1.0], [0.5, 0.5]]
    score = xent.score(targets=q, probs=p, floor=1e-3)
    costs = 0.5 * np.log(1000) + np.log(2)
    assert score.log_loss == np.inf and score.compat.log_loss == pytest.approx(costs / 2)
    labels = xent.score(targets=q, probs=p, floor=1e-3, kind="multilabel")
    yes = 0.5 * np.log(1000) + 0.5 * np.log(1000) + 2 * np.log(2)
    assert labels.compat.log_loss == pytest.approx(yes / 4) and labels.compat.rows_changed == 2


def test_the_command_line_says_the_parts(tmp_path):
    testing = pytest.importorskip("typer.testing")
    pq.write_table(table(), tmp_path / "preds.parquet")

    def run(*given):
        app = importlib.import_module("xent.cli.application").app
        return testing.CliRunner().invoke(app, ["score", str(tmp_path / "preds.parquet"), *given])

    done = run("--soft", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["log_loss"] == pytest.approx(TRUE) and found["label_entropy"] > 0
    assert "entropy of labels" in run().stdout and "distance from them" in run("--quick").stdout
    refused = run("--hard")
    assert refused.exit_code == 2 and "--soft" in refused.stderr

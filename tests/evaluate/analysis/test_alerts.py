"""What is said before any number, and what is not said without cause; the command that repairs names what it must."""

import shlex
from types import SimpleNamespace

import numpy as np
import pytest

import xent
from xent.evaluate.analysis.command import with_command
from xent.evaluate.analysis.records import Ladder

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")
RNG = np.random.default_rng(11)


def calibrated(n=4000, scale=1.5):
    """Targets drawn from the logits themselves."""
    z = scale * RNG.normal(size=n)
    return z, (RNG.random(n) < 1 / (1 + np.exp(-z))).astype(int)


def alerts(targets, logits, **options):
    return xent.score(targets=targets, logits=logits, analyse=True, **options).analysis.alerts


def test_a_calibrated_model_raises_no_alert():
    z, t = calibrated()
    assert alerts(t, z) == ()


def test_an_overconfident_one_is_called_miscalibrated_and_its_rows_suspects():
    z, t = calibrated()
    said = " ".join(alerts(t, 4 * z))
    assert "Miscalibrated: " in said and "gave the truth less than" in said


def test_infinite_rows_come_first():
    z, t = calibrated()
    z[7] = np.inf if t[7] == 0 else -np.inf
    first = alerts(t, z)[0]
    assert first.startswith("1 of 4000 rows give the truth probability 0: the log loss is infinite.")


def test_worse_than_the_class_shares_and_a_single_class():
    z, t = calibrated()
    assert any("Worse than always giving the class shares" in a for a in alerts(t, -z))
    assert any("Only one class occurs" in a for a in alerts(np.ones_like(t), z))


def test_clusters_that_are_alike_are_called_so_and_others_are_not():
    groups = np.repeat(np.arange(400), 10)
    z, t = (a[groups] for a in calibrated(400))  # rows of a group share claim and outcome
    table = {"label": t, "logit": z, "group": groups}
    found = xent.score(table, cluster="group").analysis
    assert any("Rows are alike within `group`" in a for a in found.alerts)
    table["group"] = RNG.permutation(groups)
    assert not any("Rows are alike" in a for a in xent.score(table, cluster="group").analysis.alerts)


def test_ten_rows_that_hold_the_variance():
    z, t = calibrated()
    z[:3] = 200.0 * (1 - 2 * t[:3])
    assert any(a.startswith("Ten rows hold 9") for a in alerts(t, z))


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"label": "label", "logit": "logit"}, ""),
        ({"label": "what happened", "logit": "logit"}, " --target 'what happened'"),
        ({"label": "label", "logit": "mine"}, " --logits mine"),
    ],
)
def test_the_command_names_columns_where_their_names_do_not_tell(tmp_path, columns, options):
    z, t = calibrated()
    path = tmp_path / "a file.parquet"
    pq.write_table(pa.table({columns["label"]: t, columns["logit"]: 3 * z}), path)
    found = xent.score(str(path), targets=columns["label"], logits=columns["logit"], analyse=True).analysis.ladder
    start = f"xent calibrate {shlex.quote(str(path))}{options} --method {found.best} -o "
    assert found.command.startswith(start)


def test_rows_from_memory_have_no_command_and_many_files_are_cut():
    ladder = Ladder((), "platt", 0.1, 5, "xent calibrate {files} --method platt -o calibrated.parquet")
    problem = SimpleNamespace(form="probs", cluster=None)
    for name in ("", "probs.npy"):
        assert with_command(ladder, SimpleNamespace(files=[(name, 5)], problem=problem, said={})).command is None
    outputs = {"targets": ("y",), "probs": ("cat_a", "cat_b")}
    many = SimpleNamespace(files=[(f"{i}.csv", 5) for i in range(9)], problem=problem, said=outputs)
    assert with_command(ladder, many).command == (
        "xent calibrate 0.csv 1.csv 2.csv ... --probs 'cat_*' --method platt -o calibrated.parquet"
    )

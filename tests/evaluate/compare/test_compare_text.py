"""The comparison as it is read: 80 columns, verdict first, the same numbers as the JSON; the gate's exit code."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from real_data import real

import xent
from xent.evaluate.compare.markdown import markdown
from xent.evaluate.compare.text import text
from xent.evaluate.compare.verdicts import unbeaten, winner

pytest.importorskip("typer")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
RNG = np.random.default_rng(0)
Z = RNG.normal(size=600) * 2
Y = (RNG.random(600) < 1 / (1 + np.exp(-Z))).astype(int)
SHARP, DULL = (1 / (1 + np.exp(-Z * s)) for s in (1.0, 0.3))
ODD = "a\n|<b>`x`*_\x1b[31m" + "long" * 9  # a name that a terminal, Markdown or HTML could take for its own


def run(*arguments, cwd):
    """The command in this process; `done` has returncode, stdout and stderr."""
    from typer.testing import CliRunner

    from xent.cli import app

    before = os.getcwd()
    os.chdir(cwd)
    try:
        done = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    finally:
        os.chdir(before)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return SimpleNamespace(returncode=done.exit_code, stdout=done.stdout, stderr=done.stderr)


@pytest.fixture
def folder(tmp_path):
    pq.write_table(pa.table({"label": Y, "prob": SHARP, "g": Y % 2 == 0}), tmp_path / "new.parquet")
    pq.write_table(pa.table({"label": Y, "prob": DULL}), tmp_path / "old.parquet")
    rows = RNG.permutation(600)
    pq.write_table(pa.table({"label": Y[rows], "prob": DULL[rows], "row": rows}), tmp_path / "shuffled.parquet")
    return tmp_path


def test_the_report_is_plain_narrow_and_says_the_verdict_first(folder):
    done = run("old.parquet", "new.parquet", "--by", "g", cwd=folder)
    found = xent.compare([folder / "old.parquet", folder / "new.parquet"], by="g")
    assert done.returncode == 0 and done.stderr == "" and "\x1b" not in done.stdout
    assert done.stdout.startswith("verdict    new is better than old by 0.")
    assert done.stdout == text(found) + "\n" == str(found) + "\n"
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert run("old.parquet", "new.parquet", "--ascii", cwd=folder).stdout.isascii()
    said = json.loads(run("old.parquet", "new.parquet", "--by", "g", "--json", cwd=folder).stdout)
    assert said["pairs"] == json.loads(found.to_json())["pairs"] and said["slices"][0]["column"] == "g"


def test_the_gate(folder):
    better = run("old.parquet", "new.parquet", "--fail-unless-better", "new", cwd=folder)
    worse = run("old.parquet", "new.parquet", "--fail-unless-better", "old", cwd=folder)
    nobody = run("old.parquet", "new.parquet", "--fail-unless-better", "mine", cwd=folder)
    assert (better.returncode, worse.returncode, nobody.returncode) == (0, 1, 2)
    assert better.stderr == "" and "old is not shown to be better than all others. new is better" in worse.stderr
    assert "must name one of the models (new, old); got mine" in nobody.stderr and worse.stdout == better.stdout


def test_bad_input_is_one_line_and_exit_code_2(folder):
    for arguments, said in [
        (("old.parquet",), "at least two models are needed"),
        ((), "give `data`"),
        (("old.parquet", "shuffled.parquet"), "--id"),
        (("old.parquet", "new.parquet", "--html", "nowhere/page.html"), "nowhere"),
        (("old.parquet", "new.parquet", "--html", "old.parquet"), "must not be written over"),
        (("new.parquet", "--model", "a=prob", "--model", "a=g"), "every name once"),
    ]:
        done = run(*arguments, cwd=folder)
        assert done.returncode == 2 and done.stdout == "" and said in done.stderr, arguments
        assert done.stderr.startswith("xent compare: ") and done.stderr.count("\n") == 1


def test_names_columns_and_keys_on_the_command_line(folder):
    said = run("mine=new.parquet", "yours=old.parquet", "--markdown", cwd=folder).stdout
    assert said.startswith("**mine is better than yours by") and "| mine | yours | -0." in said
    both = pa.table({"label": Y, "p": SHARP, "z": Z * 0.3})
    pq.write_table(both, folder / "both.parquet")
    one = json.loads(run("both.parquet", "--model", "b=p", "--model", "c=logits:z", "--json", cwd=folder).stdout)
    two = json.loads(run("both.parquet", "--probs", "p", "--logits", "z", "--json", cwd=folder).stdout)
    assert [m["name"] for m in one["models"]] == ["b", "c"] and [m["name"] for m in two["models"]] == ["p", "z"]
    assert one["pairs"][0]["difference"] == two["pairs"][0]["difference"]


def found_of(names, rows=slice(None), **options):
    probs = dict(zip(names, (DULL[rows], SHARP[rows], np.clip(SHARP[rows] + 0.01, 0, 1)), strict=False))
    return xent.compare(targets=Y[rows], models=probs, **options)


def test_no_name_breaks_a_line_or_a_table():
    found = found_of([ODD, "b", "c"], by={ODD: np.arange(600) % 3})
    both = (*text(found).splitlines(), *text(found, ascii_only=True).splitlines())
    assert all(len(line) <= 80 for line in both)
    assert "\x1b" not in text(found) and "\x1b" not in markdown(found) and "<b>" not in markdown(found)
    tables = [line for line in markdown(found).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {7, 9, 10}  # pairs, models, slices: no cell too many


def test_many_models_stay_readable():
    models = {f"model {i}": np.clip(DULL + i / 100, 0, 0.999) for i in range(12)}
    found = xent.compare(targets=Y, models=models)
    assert len(text(found).splitlines()) < 80 and all(len(line) <= 80 for line in text(found).splitlines())
    best = found.models[0].name
    assert unbeaten(found, "model 11") and all(winner(p, 0.95) in (best, None) for p in found.pairs)
    with pytest.raises(KeyError):
        unbeaten(found, "nobody")


def test_verdicts_say_what_is_shown_and_what_is_not():
    found = found_of("abc")
    best, second, last = (m.name for m in found.models)
    assert last == "a" and {winner(p, 0.95) for p in found.pairs if "a" in (p.a, p.b)} == {"b", "c"}
    assert found.verdict in (
        f"{best} is better than all 2 others.", f"{best} is better than a; not shown to be better than {second}."
    )  # fmt: skip
    few = found_of("ab", rows=slice(8)).pairs[0]
    assert few.p_value > 0.05 and few.verdict.startswith("No difference is shown")
    assert f"about {few.rows_for_power} rows would show such a difference" in few.verdict


def test_infinite_rows_fit_the_lines_too():
    probs = {"a": np.where(np.arange(600) < 9, 1.0 - Y, SHARP), "b": np.where(np.arange(600) > 500, 1.0 - Y, DULL)}
    found = xent.compare(targets=Y, models=probs)
    for lines in (text(found), text(found, ascii_only=True)):
        assert "inf" in lines and all(len(line) <= 80 for line in lines.splitlines())
    assert text(found, ascii_only=True).isascii() and len(found.infinite) == 20


def test_two_networks_on_cifar():
    paths = [real(f"netcal_cifar/{name}.npz") for name in ("lenet-5-cifar-10", "wideresnet-16-4-cifar-10")]
    found = xent.compare(paths)
    pair = found.pairs[0]
    assert pair.difference == pytest.approx(1.3698677264742765 - 0.37816958639618814, rel=1e-13)
    assert found.verdict.startswith("wideresnet-16-4-cifar-10 is better than lenet-5-cifar-10 by 0.9917 ± 0.0361 nats")
    assert pair.standard_error < (0.01433**2 + 0.01463**2) ** 0.5  # paired: less than of two samples apart
    assert unbeaten(found, "wideresnet-16-4-cifar-10") == []


def test_a_pair_of_several_is_judged_by_the_p_value_that_decides():
    noise, y = np.random.default_rng(19).normal(size=(5, 200)), np.arange(200) % 2
    models = {f"m{k}": {"logits": 2 * y - 1 + (0.5 + 0.1 * k) * z} for k, z in enumerate(noise)}
    found = xent.compare(targets=y, models=models)
    open_ = [p for p in found.pairs if winner(p, 0.95) is None]
    assert any(p.p_value < 0.05 for p in open_) and any(p.rows_for_power < p.rows for p in open_)
    for p in open_:
        assert f"p = {p.p_holm:.2g} (Holm)" in p.verdict
        assert ("rows would show" in p.verdict) == (p.rows_for_power > p.rows)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e3, 1e5, 1e9])
def test_losses_and_weights_of_any_size_fit_the_lines(scale):
    models = {"a": {"logits": -Z * scale}, "b": {"logits": -Z * scale * 2}}
    found = xent.compare(targets=Y, models=models, sample_weight=1e-9 * (0.1 + RNG.exponential(size=600)), by={"g": Y})
    for ascii_only in (False, True):
        lines = text(found, ascii_only=ascii_only).splitlines()
        assert max(map(len, lines)) <= 80
        assert not any("0+" in line or "0-" in line for line in lines if line.startswith("  "))  # columns stay apart

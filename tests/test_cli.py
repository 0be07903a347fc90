"""The command line: what it prints, where, and its exit codes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import xent

pytest.importorskip("typer")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONIOENCODING": "utf-8"}


def run(*arguments, cwd, **environment):
    command = [sys.executable, "-c", "from xent.cli import main; main()", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT | environment, encoding="utf-8"
    )


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    p = rng.random(200)
    table = pa.table({"label": (rng.random(200) < p).astype(int), "prob": p})
    for i in range(2):
        pq.write_table(table.slice(100 * i, 100), tmp_path / f"part{i}.parquet")
    (tmp_path / "zero.csv").write_text("label,p\n1,0.0\n0,0.5\n")
    (tmp_path / "bad.csv").write_text("label,p\n1,0.5\n0,1.5\n")
    return tmp_path


def test_report_is_plain_narrow_and_says_its_columns(folder):
    done = run("score", "part0.parquet", "part1.parquet", cwd=folder)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("log loss") and "\x1b" not in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "parquet" not in line)
    assert "targets `label`, probs `prob`" in done.stdout
    assert "part0.parquet" in done.stdout or "part1.parquet" in done.stdout
    assert run("score", "*.parquet", cwd=folder).stdout == done.stdout
    pieces = run("score", "part0.parquet", "part1.parquet", "--ascii", cwd=folder).stdout
    assert pieces.isascii()
    assert run("score", "*.parquet", cwd=folder, PYTHONIOENCODING="ascii").stdout.isascii()


def test_json_holds_the_same_numbers(folder):
    done = run("score", "*.parquet", "--json", "--rows", "3", cwd=folder)
    found = json.loads(done.stdout)
    expected = xent.score(str(folder / "*.parquet"), rows=3)
    assert found["log_loss"] == expected.log_loss and len(found["dearest"]) == 3
    assert set(found) == set(expected.to_dict())


def test_fail_above_sets_the_exit_code(folder):
    loss = xent.score(str(folder / "*.parquet")).log_loss
    assert run("score", "*.parquet", "--fail-above", loss, cwd=folder).returncode == 0
    failed = run("score", "*.parquet", "--fail-above", loss - 1e-9, cwd=folder)
    assert failed.returncode == 1 and "above --fail-above" in failed.stderr and failed.stdout.startswith("log loss")
    assert run("score", "zero.csv", "--fail-above", 1e9, cwd=folder).returncode == 1
    assert run("score", "zero.csv", "--fail-above", 10, "--floor", 1e-3, cwd=folder).returncode == 0


def test_infinity_is_said_with_its_rows(folder):
    said = run("score", "zero.csv", "--compat", "torch", cwd=folder).stdout
    assert "infinite: 1 of 2 rows" in said and "as torch" in said and "100.0000 nats" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("score", "bad.csv"), ("bad.csv", "row 1", "column `p`")),
        (("score", "nowhere.csv"), ("nowhere.csv",)),
        (("score", "zero.csv", "--target", "lable"), ("did you mean `label`",)),
        (("score", "zero.csv", "--compat", "weka"), ("sklearn",)),
        (("score",), ("give `data`",)),
        (("score", "zero.csv", "--rows", "-1"), ("--rows",)),
        (("score", "zero.csv", "--nonsense"), ("--nonsense",)),
        (("explain", "--logits", "1.0"), ("--targets",)),
    ],
)
def test_bad_input_is_exit_code_two_and_one_message(folder, arguments, words):
    done = run(*arguments, cwd=folder)
    assert done.returncode == 2 and done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_columns_by_comma_glob_and_file(folder):
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), 50)
    t = rng.integers(0, 3, 50)
    np.save(folder / "p.npy", p)
    np.save(folder / "t.npy", t)
    pq.write_table(pa.table({"t": t, "a": p[:, 0], "b": p[:, 1], "c": p[:, 2]}), folder / "wide.pq")
    losses = [
        json.loads(run("score", *given, "--json", cwd=folder).stdout)["log_loss"]
        for given in (
            ("--probs", "p.npy", "--target", "t.npy"),
            ("wide.pq", "--target", "t", "--probs", "a,b,c"),
            ("wide.pq", "--target", "t", "--probs", "[abc]"),
            ("wide.pq", "--target", "t", "--probs", "a", "--probs", "b", "--probs", "c"),
        )
    ]
    assert len(set(losses)) == 1


def test_explain_reads_negative_numbers(folder):
    done = run("explain", "--logits", "2.0", "-1.0", "0.5", "--targets", "1", "0", "1", cwd=folder)
    assert done.returncode == 0 and "0.304756" in done.stdout


def test_help_names_the_commands(folder):
    assert all(word in run("--help", cwd=folder).stdout for word in ("score", "explain", "demo"))


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--logits", "-1e3", "2", "--targets", "0", "1"), "z = [-1000, 2]"),
        (("--logits", "-inf", "2", "--targets", "0", "1"), "z = [-inf, 2]"),
        (("--logits=-.5", "-5.", "-1E-3", "+3", "--targets", "0,1", "1,0"), "z = [-0.5, -5, -0.001, 3]"),
    ],
)
def test_explain_reads_numbers_of_every_form(folder, words, shown):
    done = run("explain", *words, cwd=folder)
    assert done.returncode == 0 and shown in done.stdout and done.stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--logits", "a", "--targets", "1"), "'a'"),
        (("--logits", "--targets", "1"), "--logits must be followed"),
        (("--logits", "1", "--targets", "1", "--foo"), "'--foo' is not an option"),
        (("--logits", "1", "--targets", "1", "--family"), "--family must be followed"),
        (("--logits", "1", "--logits", "1", "--targets", "1"), "given twice"),
    ],
)
def test_explain_answers_bad_words_in_one_line(folder, words, said):
    done = run("explain", *words, cwd=folder)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


def test_version_and_help(folder):
    assert run("--version", cwd=folder).stdout.startswith("xent")
    page = run("score", "--help", cwd=folder).stdout
    assert "--target NAMES" in page and "list[str]" not in page.split("Options:")[1]


def test_names_that_the_terminal_cannot_show(folder):
    (folder / "a.csv").write_text("label,prob_é,prob_\N{GRINNING FACE}\né,0.5,0.5\n", encoding="utf-8")
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    report = run("score", "a.csv", cwd=folder, **ascii_only)
    assert report.returncode == 0 and r"\U0001f600" in report.stdout
    named = json.loads(run("score", "a.csv", "--json", cwd=folder, **ascii_only).stdout)["by_class"]
    assert [c["name"] for c in named] == ["é"]
    page = run("explain", "--logits", "1", "--targets", "1", cwd=folder, **ascii_only)
    assert page.returncode == 0 and "sigma(z)" in page.stdout and page.stdout.isascii()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written(folder):
    command = [sys.executable, "-c", "from xent.cli import main; main()", "score", "part0.parquet"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=folder, env=ENVIRONMENT)
    assert done.returncode == 2 and "cannot be written" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only there")
def test_a_file_name_that_is_not_utf8(folder):
    name = b"caf\xe9.csv"
    with open(os.path.join(os.fsencode(folder), name), "wb") as file:
        file.write(b"label,p\n1,0.5\n")
    done = run("score", os.fsdecode(name), cwd=folder)
    assert done.returncode == 2 and "not UTF-8" in done.stderr and "Traceback" not in done.stderr


def test_weight_none_and_nan_thresholds(folder):
    np.save(folder / "p.npy", [0.5, 0.5])
    np.save(folder / "t.npy", [1, 0])
    given = ("score", "--probs", "p.npy", "--target", "t.npy", "--weight", "none")
    assert run(*given, cwd=folder).returncode == 0
    failed = run(*given, "--fail-above", "nan", cwd=folder)
    assert failed.returncode == 2 and "--fail-above" in failed.stderr

"""`xent score --save-state` and `xent merge`: what they print is what one run over all files prints, bit for bit."""

import json
import os
import random

import pytest
from states import cuts, table

pytest.importorskip("typer")
pq = pytest.importorskip("pyarrow.parquet")
PARTS = ["0.parquet", "1.parquet", "2.parquet"]
OPTIONS = ["--by", "town,price", "--cluster", "town", "--time", "day", "--tolerance", "1e-5", "--rows", "4"]


@pytest.fixture
def xent(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with three files: (exit code, output, errors)."""
    from xent.cli import app

    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            app([str(a) for a in arguments])
        return end.value.code or 0, *capsys.readouterr()

    return run


def write(kind, folder, n=240):
    data = table(kind, n)
    for name, (low, high) in zip(PARTS, cuts(n, [50, 160]), strict=True):
        pq.write_table(data.slice(low, high - low), folder / name)


@pytest.mark.parametrize("kind", ["binary", "logits", "soft"])
def test_merged_reports_are_those_of_one_run(kind, xent, tmp_path):
    write(kind, tmp_path)
    options = [*OPTIONS, *(["--soft"] if kind == "soft" else [])]
    for i, name in enumerate(PARTS):
        assert xent("score", name, *options, "--save-state", f"{i}.xent")[0] == 0
    states = [f"{i}.xent" for i in range(3)]
    for form in ([], ["--json"], ["--markdown"], ["--ascii"]):
        random.Random(kind + str(form)).shuffle(states)
        one = xent("score", *PARTS, *options, "--save-state", "one.xent", *form)
        assert xent("merge", *states, *form, "-o", "all.xent") == one and one[0] == 0 and len(one[1]) > 1000
    assert (tmp_path / "one.xent").read_bytes() == (tmp_path / "all.xent").read_bytes()
    assert xent("merge", "0.xent", "2.xent", "-o", "two.xent")[0] == 0
    assert xent("merge", "1.xent", "two.xent") == xent("score", *PARTS, *options)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_merged_pages_are_those_of_one_run(xent, tmp_path):
    pytest.importorskip("jinja2"), pytest.importorskip("matplotlib")
    write("binary", tmp_path)
    for i, name in enumerate(PARTS):
        xent("score", name, *OPTIONS, "--save-state", f"{i}.xent")
    assert xent("score", *PARTS, *OPTIONS, "--html", "one.html")[0] == 0
    assert xent("merge", "2.xent", "0.xent", "1.xent", "--html", "all.html")[0] == 0
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "all.html").read_bytes()


def test_quick_states_are_merged_to_quick_scores(xent, tmp_path):
    write("binary", tmp_path)
    for i, name in enumerate(PARTS):
        xent("score", name, "--quick", "--save-state", f"{i}.xent")
    merged = xent("merge", "0.xent", "1.xent", "2.xent", "--json")
    assert merged == xent("score", *PARTS, "--quick", "--json")
    assert json.loads(merged[1])["analysis"] is None


def test_the_same_file_twice_is_an_alert(xent, tmp_path):
    write("binary", tmp_path)
    (tmp_path / "copy.parquet").write_bytes((tmp_path / "0.parquet").read_bytes())
    for name in ("0.parquet", "copy.parquet"):
        xent("score", name, "--save-state", f"{name}.xent")
    for command in (("merge", "0.parquet.xent", "copy.parquet.xent"), ("merge", "0.parquet.xent", "0.parquet.xent"),
                    ("score", "0.parquet", "copy.parquet")):  # fmt: skip
        code, said, _ = xent(*command, "--json")
        alerts = json.loads(said)["analysis"]["alerts"]
        assert code == 0 and "same content" in alerts[0] and "0.parquet" in alerts[0]
    xent("score", "0.parquet", "--quick", "--save-state", "quick.xent")
    assert "same content" in xent("merge", "quick.xent", "quick.xent")[1]


def test_merge_has_a_gate(xent, tmp_path):
    write("binary", tmp_path)
    xent("score", "0.parquet", "--quick", "--save-state", "0.xent")
    assert xent("merge", "0.xent", "--fail-above", "1e9")[0] == (1 if "infinite" in xent("merge", "0.xent")[1] else 0)
    code, said, error = xent("merge", "0.xent", "--fail-above", "0.001")
    assert code == 1 and said.startswith("log loss") and "above --fail-above" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["merge"], "STATES"),
        (["merge", "nowhere.xent"], "nowhere.xent: cannot be read"),
        (["merge", "0.parquet"], "0.parquet: is not a saved state"),
        (["merge", "a.xent", "b.xent"], "compat (none and torch)"),
        (["merge", "a.xent", "-o", "a.xent"], "a.xent: is read and must not be written over"),
        (["merge", "a.xent", "-o", "no/c.xent"], "there is no folder"),
        (["merge", "a.xent", "--html", "c.html", "-o", "c.html"], "two outputs go to the same file"),
        (["merge", "a.xent", "--json", "--markdown"], "`--json` and `--markdown`"),
        (["merge", "a.xent", "--fail-above", "nan"], "--fail-above must be a number"),
        (["score", "0.parquet", "--quick", "--by", "town"], "`--quick` leaves out the analysis"),
        (["score", "0.parquet", "--quick", "--html", "a.html"], "`--quick` leaves out the analysis"),
        (["score", "0.parquet", "--save-state", "0.parquet"], "must not be written over"),
        (["score", "0.parquet", "--html", "./0.parquet"], "must not be written over"),
        (["score", "*.parquet", "--save-state", "2.parquet"], "must not be written over"),
        (["score", "bad.csv", "--html", "no/page.html"], "no/page.html: cannot be written"),
        (["score", "bad.csv", "--save-state", "."], ".: is a folder"),
        (["score", "bad.csv", "--by", ","], "`by` must be"),
        (["score", "0.parquet", "--slices", "nothing"], "`slices` names the column `nothing`"),
        (["score", "--probs", "p.npy", "--target", "t.npy", "--save-state", "p.npy"], "must not be written over"),
    ],
)
def test_bad_input_is_exit_code_two_and_one_message(xent, tmp_path, arguments, said):
    write("binary", tmp_path)
    (tmp_path / "bad.csv").write_text("label,p\n1,0.5\n0,1.5\n")
    (tmp_path / "p.npy").touch()
    xent("score", "0.parquet", "--quick", "--save-state", "a.xent")
    xent("score", "1.parquet", "--quick", "--compat", "torch", "--save-state", "b.xent")
    before = sorted(os.listdir(tmp_path))
    code, printed, error = xent(*arguments)
    assert code == 2 and printed == "" and said in " ".join(error.split()), error
    assert sorted(os.listdir(tmp_path)) == before

"""The benchmark runs from end to end on small arrays, and replaces nothing but its block."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import report

    return report


def test_a_quick_run_measures_every_row_and_writes_both_files(tmp_path):
    readme, results = tmp_path / "README.md", tmp_path / "RESULTS.md"
    readme.write_text(
        "before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\n<!-- faces:begin -->\nold\n<!-- faces:end -->\nafter\n"
    )
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--quick", "--results", results, "--readme", readme]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = readme.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "old" not in lines
    table = [line.split("|") for line in lines if line.startswith("| s") or line.startswith("| focal")]
    assert len(table) == 7 + 7
    for cells in table:
        assert cells[2].strip().endswith(" ms")  # xent itself was measured
    for part in (
        "## Inside",
        "## Times",
        "## Calls of 64 elements",
        "## Threads",
        "## Peak memory",
        "## Scoring",
        "## Import",
    ):
        assert part in results.read_text()


def test_a_block_without_both_marks_is_refused(report):
    begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
    for text in ("no marks", f"{end} then {begin}", begin * 2 + end):
        with pytest.raises(ValueError, match="once each"):
            report.replaced(text, "bench", "table")


def test_a_ratio_is_met_or_said_to_be_short(report):
    assert report._verdict(20.0, 18, "×") == "20.0× (≥ 18×: met)"
    assert report._verdict(17.9, 18, "×") == "17.9× (≥ 18×: **short**)"
    assert report._verdict(0.75, 0.75, "%") == "75% (≥ 75%: met)"

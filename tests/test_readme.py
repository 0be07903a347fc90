"""What the README shows is what happens: its Python runs, its numbers are right, its explanation is the printed one."""

import ast
import math
import re
from pathlib import Path

import pytest

from xent.explain import explain

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_examples_run_and_give_the_numbers_beside_them():
    page = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
    lines, names, numbers = page.splitlines(), {}, 0
    for statement in ast.parse(page).body:
        said = re.search(r"#\s*(-?\d+\.\d+)", lines[statement.end_lineno - 1])
        if isinstance(statement, ast.Expr):
            value = eval(compile(ast.Expression(statement.value), "README.md", "eval"), names)
            if said:
                assert float(value) == pytest.approx(float(said[1]), rel=1e-6)
                numbers += 1
        else:
            exec(compile(ast.Module([statement], []), "README.md", "exec"), names)
    assert numbers == 2
    xent, p, q = names["xent"], names["p"], names["q"]
    assert math.isclose(xent.cross_entropy(p, q), xent.entropy(p) + xent.kl_divergence(p, q), rel_tol=1e-14)


def test_the_explanation_is_the_printed_one():
    shown = re.search(r"\$ xent explain --logits 2.0 -1.0 0.5 --targets 1 0 1\n\n(.*?)```", README, flags=re.DOTALL)[1]
    page = explain([2.0, -1.0, 0.5], [1, 0, 1])
    parts = [part.strip("\n") for part in re.split(r"(?m)^…\n", shown) if part]
    assert len(parts) == 2
    assert all(part in page for part in parts)


def test_the_marks_of_the_written_blocks_stand_once():
    for mark in ("bench", "exactness", "faces"):
        assert README.count(f"<!-- {mark}:begin -->") == README.count(f"<!-- {mark}:end -->") == 1


def test_the_report_is_the_printed_one(tmp_path):
    for module in ("sklearn", "pyarrow", "typer"):
        pytest.importorskip(module)
    from xent import demo, score

    shown = re.search(r"\$ xent score xent-demo/digits-logistic.parquet\n\n(.*?)```", README, flags=re.DOTALL)[1]
    logistic = next(p for p in demo.PREDICTIONS if p.name == "digits-logistic")
    printed = str(score(demo.write(logistic, tmp_path)))

    def words(page):  # the last digits belong to the version of scikit-learn
        return [re.sub(r"[-+]?\d[\d.e+-]*", "#", line).split() for line in page.splitlines() if line]

    assert words(shown)[:3] == words(printed)[:3]
    assert [line for line in shown.splitlines() if line.startswith("!")] == [
        line for line in printed.splitlines() if line.startswith("!")
    ][: shown.count("\n!")]
    assert float(shown.split()[2]) == pytest.approx(score(demo.write(logistic, tmp_path)).log_loss, rel=0.02)

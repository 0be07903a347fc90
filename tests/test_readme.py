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


def words(page):
    """The words of every line; numbers and bars belong to the version of scikit-learn."""
    lines = (re.sub(r"[-+]?\d[\d.e+-]*|[█░]+", "#", line).split() for line in page.splitlines())
    return [" ".join(line) for line in lines if line]


@pytest.mark.parametrize("command", ["score", "calibrate", "compare"])
def test_what_the_commands_print_is_shown(command, tmp_path, capfd):
    for module in ("sklearn", "pyarrow", "typer"):
        pytest.importorskip(module)
    from xent import demo
    from xent.cli import app

    for prediction in demo.PREDICTIONS:
        demo.write(prediction, tmp_path)
    arguments, shown = re.search(rf"\$ xent ({command} .*?)\n\n(.*?)```", README, flags=re.DOTALL).groups()
    arguments = arguments.replace("xent-demo", str(tmp_path)).replace("calibrated.parquet", str(tmp_path / "c.parquet"))
    shown = shown.replace("xent-demo", str(tmp_path))
    with pytest.raises(SystemExit) as end:
        app(arguments.split())
    assert not end.value.code
    printed = iter(words(capfd.readouterr().out))
    for line in words(shown):
        assert line == "…" or line in printed, f"{line!r} is not printed after what stands above it"

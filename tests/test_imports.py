"""`import xent` is light, imports nobody's framework, and its rooms only look downwards."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import xent

FRAMEWORKS = ("torch", "jax", "tensorflow", "keras", "sklearn", "scipy", "pandas", "polars", "pyarrow", "rich", "typer")
HOME = Path(xent.__file__).parent

# each room and the rooms it may import, from the bottom up
ROOMS = {
    "_kernels": (),
    "laws": (),
    "reference": ("laws",),
    "objective": ("laws",),
    "backends": ("backends",),
    "tables": ("backends", "objective"),
    "rows": ("_kernels", "backends", "objective", "rows", "tables"),
    "passes": ("backends", "objective", "rows"),
    "portable": ("backends", "laws", "objective", "portable", "rows", "tables"),
    "losses": ("backends", "objective", "passes", "rows", "tables"),
    "forecasts": ("_kernels", "objective", "passes", "portable", "rows", "tables"),
    "probabilities": ("backends", "forecasts", "objective", "portable", "rows", "tables"),
    "information": ("_kernels", "backends", "objective", "portable", "probabilities", "rows", "tables"),
    "calibrate": ("backends", "information", "losses", "objective", "probabilities"),
    "wording": (),
    "backends/torch": ("_kernels", "backends", "losses", "objective", "passes", "portable", "rows", "tables"),
    "backends/jax": ("_kernels", "backends", "losses", "passes", "portable", "rows", "tables"),
    "torch": ("backends", "backends/torch", "losses", "objective", "wording"),
    "jax": ("backends", "backends/jax", "losses", "portable", "wording"),
    "keras": ("losses", "objective", "portable", "wording"),
    "patching": (),
}


def python(code, **env):
    """Runs the code in a fresh interpreter; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **env}
    )
    return done.stdout


FOREIGN = f"import sys; print(*[m for m in {FRAMEWORKS} if m in sys.modules])"


def test_no_framework_is_imported():
    assert (
        python(f"import xent, xent.reference; xent.softmax_cross_entropy([[0.0, 1.0]], [1]); {FOREIGN}").split() == []
    )


def test_that_the_test_above_can_fail():
    assert python(
        f"import sys, types; sys.modules['torch'] = types.ModuleType('torch'); import xent; {FOREIGN}"
    ).split() == ["torch"]


def test_score_is_imported_late():
    assert python("import sys, xent; print(any(m.startswith('xent.evaluate') for m in sys.modules))").strip() == "False"


def test_the_contents_page_is_complete():
    assert sorted(xent.__all__) == xent.__all__
    for name in xent.__all__:
        assert getattr(xent, name) is not None and name in dir(xent)
    tree = ast.parse((HOME / "__init__.py").read_text())
    shown = {a.asname or a.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names}
    assert shown - {"annotations", "Any", "TYPE_CHECKING", "import_module"} == set(xent.__all__)
    assert xent.__version__ == "0.1.0"
    with pytest.raises(AttributeError, match="no attribute 'sofmax'"):
        xent.sofmax  # noqa: B018


def test_everything_public_has_a_docstring_with_an_example():
    for name in xent.__all__:
        if name not in ("Score", "score"):  # these live in xent.evaluate
            assert ">>>" in getattr(xent, name).__doc__, name


def room_of(module):
    """The room a module of xent lies in."""
    parts = module.split(".")[1:]
    return next((room for room in ("/".join(parts[:2]), *parts[:1]) if room in ROOMS), None)


def imports(path):
    """The rooms of xent a file imports; a framework's own backend counts as `backends` where it is imported late."""
    tree = ast.parse(path.read_text())
    early = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "xent":
            modules = [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            modules = [a.name for a in node.names if a.name.startswith("xent.")]
        else:
            continue
        for room in map(room_of, modules):
            assert room, f"{path}: {modules} lie in no room"
            yield room if id(node) in early else room.split("/")[0]


@pytest.mark.parametrize("room", [r for r in ROOMS if r != "_kernels"])
def test_rooms_look_downwards(room):
    paths = list((HOME / room).glob("*.py")) or [HOME / f"{room}.py"]
    for path in paths:
        assert set(imports(path)) <= {*ROOMS[room], room}, path.name
    order = list(ROOMS)
    assert all(order.index(below) <= order.index(room) for below in ROOMS[room])


# the rooms of the profiler, from the bottom up; records are plain data that every room may speak of
LEVELS = (
    ("evaluate/analysis/records",),
    ("evaluate", "evaluate/state"),
    ("evaluate/analysis",),
    ("evaluate/report",),
    ("evaluate/compare", "evaluate/repair"),
    ("evaluate/page",),
    ("cli",),
)


def level_of(module):
    """The level of the profiler that a module lies on; None elsewhere."""
    parts = module.split(".")[1:4]
    rooms = ["/".join(parts[:n]) for n in (3, 2, 1)]
    return next((i for room in rooms for i, level in enumerate(LEVELS) if room in level), None)


def early_imports(path):
    """The modules of xent that a file imports when it is imported, relative names resolved."""
    package = ["xent", *path.relative_to(HOME).parts[:-1]]
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{a.name}" for a in node.names if module.split(".")[0] == "xent")


@pytest.mark.parametrize("room", [room for level in LEVELS for room in level])
def test_the_profiler_looks_downwards(room):
    paths = list((HOME / room).glob("*.py")) or [HOME / f"{room}.py"]
    for path in paths:
        module = ".".join(["xent", *path.relative_to(HOME).with_suffix("").parts])
        for below in early_imports(path):
            level = level_of(below)
            assert level is None or level <= level_of(module), f"{path}: {below}"


def test_import_time():
    """Within 60 ms of numpy's; the bound here is slack for a busy machine."""
    clock = "import time, numpy; t = time.perf_counter(); import xent; print(time.perf_counter() - t)"
    assert min(float(python(clock)) for _ in range(3)) < 0.25


@pytest.mark.parametrize("path", sorted(HOME.rglob("*.py")), ids=lambda p: str(p.relative_to(HOME)))
def test_files_stay_readable(path):
    assert len(path.read_text().splitlines()) <= 320

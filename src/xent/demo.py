"""`xent demo`: real predictions of real models, written to files and scored by the command a user would type."""

from __future__ import annotations

import importlib
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path("xent-demo")


@dataclass(frozen=True)
class Prediction:
    """Out-of-fold predictions of one model on one data set, and what is worth seeing in their score."""

    name: str
    data: str  # the loader in sklearn.datasets
    model: str  # "logistic" gives logits, "forest" probabilities
    story: str


PREDICTIONS = [
    Prediction(
        "breast-cancer-logistic",
        "load_breast_cancer",
        "logistic",
        "Breast cancer, benign or malignant: the logits of a logistic regression, not\n"
        "exponentiated before they are scored.",
    ),
    Prediction(
        "breast-cancer-forest",
        "load_breast_cancer",
        "forest",
        "The same tumours, the probabilities of a forest of 20 trees. A forest says 0 where\n"
        "none of its trees says yes, and means it: one such row costs infinitely much.",
    ),
    Prediction(
        "digits-logistic",
        "load_digits",
        "logistic",
        "Handwritten digits, ten classes: the logits of a multinomial logistic regression.",
    ),
    Prediction(
        "digits-forest",
        "load_digits",
        "forest",
        "The same digits, the probabilities of a forest of 20 trees. Votes of few trees are\n"
        "coarse and too modest: the loss the forest expects is far from the one it has.",
    ),
]
FLOORED = (
    "Other libraries hide a 0 on the truth: they raise it to the smallest step of float64\n"
    "and report a number that measures the step. xent does so when asked, and says it:"
)


def run(folder: Path | None = None) -> int:
    """Write the predictions of four models into ``folder`` (./xent-demo) and score each file; return the exit code.

    Needs scikit-learn and pyarrow; without them it says which command installs them and returns 2.
    """
    folder = FOLDER if folder is None else folder
    try:
        _late("sklearn"), _late("pyarrow.parquet"), _late("typer")
        folder.mkdir(parents=True, exist_ok=True)
        paths = [write(prediction, folder) for prediction in PREDICTIONS]
    except ImportError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"xent demo: {folder}: cannot be written to: {error.strerror or error}.", file=sys.stderr)
        return 2
    print(f"Out-of-fold predictions of four models on data that comes with scikit-learn, written to {folder}.")
    code = 0
    for prediction, path in zip(PREDICTIONS, paths, strict=True):
        code = max(code, _score(prediction.story, "score", str(path)))
    return max(code, _score(FLOORED, "score", str(paths[1]), "--compat", "sklearn", "--rows", "0"))


def write(prediction: Prediction, folder: Path) -> Path:
    """Compute the out-of-fold predictions and write them as Parquet: `target`, then `logit`/`prob` columns."""
    scores, targets = _out_of_fold(prediction)
    kind = "logit" if prediction.model == "logistic" else "prob"
    columns: dict[str, Any] = {"target": targets}
    if scores.ndim == 1:
        columns[kind] = scores
    else:
        columns |= {f"{kind}_{k}": scores[:, k] for k in range(scores.shape[1])}
    path = folder / f"{prediction.name}.parquet"
    _late("pyarrow.parquet").write_table(_late("pyarrow").table(columns), path)
    return path


def _out_of_fold(prediction: Prediction) -> tuple[Any, Any]:
    """Return scores and targets: every row is scored by a model that has not seen it (five folds)."""
    select, ensemble = _late("sklearn.model_selection"), _late("sklearn.ensemble")
    features, targets = getattr(_late("sklearn.datasets"), prediction.data)(return_X_y=True)
    folds = select.StratifiedKFold(5, shuffle=True, random_state=0)
    if prediction.model == "forest":
        forest = ensemble.RandomForestClassifier(20, random_state=0)
        probs = select.cross_val_predict(forest, features, targets, cv=folds, method="predict_proba")
        return (probs[:, 1] if probs.shape[1] == 2 else probs), targets
    logistic = _late("sklearn.pipeline").make_pipeline(
        _late("sklearn.preprocessing").StandardScaler(), _late("sklearn.linear_model").LogisticRegression(max_iter=1000)
    )
    return select.cross_val_predict(logistic, features, targets, cv=folds, method="decision_function"), targets


def _late(module: str) -> Any:
    """Import an optional package, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = {"sklearn": "scikit-learn"}.get(module.split(".")[0], module.split(".")[0])
        raise ImportError(
            f'`xent demo` needs {package}; install it with:  pip install "xent[demo]"', name=module
        ) from error


def _score(story: str, *command: str) -> int:
    """Print the story and the command, then run the command itself."""
    from xent.cli import app

    print(f"\n{story}\n\n$ xent {shlex.join(command)}\n", flush=True)
    try:
        app(list(command))
    except SystemExit as end:
        return int(end.code or 0)
    return 0

"""`xent demo`: real predictions of real models, scored, repaired and compared by the commands a user would type."""

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
    """Out-of-fold predictions of one model on one data set."""

    name: str
    data: str  # the loader in sklearn.datasets
    model: str  # "logistic" and "bayes" give logits, "forest" probabilities
    features: dict[str, int]  # columns to look for slices in, and which feature of the data they hold; -1: their mean


CANCER, INK = {"radius": 0, "texture": 1}, {"ink": -1}
PREDICTIONS = [
    Prediction("breast-cancer-logistic", "load_breast_cancer", "logistic", CANCER),
    Prediction("breast-cancer-forest", "load_breast_cancer", "forest", CANCER),
    Prediction("digits-logistic", "load_digits", "logistic", INK),
    Prediction("digits-forest", "load_digits", "forest", INK),
    Prediction("digits-bayes", "load_digits", "bayes", INK),
]


@dataclass(frozen=True)
class Scene:
    """A command and what is worth seeing in what it prints; {name} stands for a path in the demo's folder."""

    story: str
    command: str


SCENES = [
    Scene(
        "Breast cancer, benign or malignant: the logits of a logistic regression, not\n"
        "exponentiated before they are scored.",
        "score {breast-cancer-logistic.parquet}",
    ),
    Scene(
        "The same tumours, the probabilities of a forest of 20 trees. A forest says 0 where\n"
        "none of its trees says yes, and means it: one such row costs infinitely much.",
        "score {breast-cancer-forest.parquet}",
    ),
    Scene(
        "Other libraries hide a 0 on the truth: they raise it to the smallest step of float64\n"
        "and report a number that measures the step. xent does so when asked, and says it:",
        "score {breast-cancer-forest.parquet} --quick --compat sklearn --rows 0",
    ),
    Scene(
        "Handwritten digits, ten classes, by naive Bayes. It takes the 64 pixels for independent\n"
        "witnesses, and is far too sure. Where do the nats go, and what gets them back?",
        "score {digits-bayes.parquet} --html {digits-bayes.html}",
    ),
    Scene(
        "The repair, fitted by maximum likelihood, and what it gains on rows it was not fitted to:",
        "calibrate {digits-bayes.parquet} --method auto -o {digits-bayes-calibrated.parquet} --save {digits-map.json}",
    ),
    Scene(
        "All models of the digits on the same rows. Which one is better, by how much, and where?",
        "compare {digits-logistic.parquet} {digits-forest.parquet} {digits-bayes.parquet}"
        " {digits-bayes-calibrated.parquet} --html {digits-models.html}",
    ),
]
PAGES = {"digits-bayes.html": "one model, where its nats go", "digits-models.html": "the models, compared"}


def run(folder: Path | None = None) -> int:
    """Write predictions of real models into ``folder`` (./xent-demo), run the scenes, and return the exit code.

    Needs scikit-learn, pyarrow and the packages of the report; without them it says which command installs them and
    returns 2.
    """
    folder = FOLDER if folder is None else folder
    try:
        for module in ("sklearn", "pyarrow.parquet", "typer", "matplotlib", "jinja2"):
            _late(module)
        folder.mkdir(parents=True, exist_ok=True)
        for prediction in PREDICTIONS:
            write(prediction, folder)
    except ImportError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"xent demo: {folder}: cannot be written to: {error.strerror or error}.", file=sys.stderr)
        return 2
    print(f"Out-of-fold predictions of real models on data that comes with scikit-learn, written to {folder}.")
    code = max(_play(scene, folder) for scene in SCENES)
    print("\nThe reports, to open in a browser:")
    for page, what in PAGES.items():
        print(f"  {folder / page}  ({what})")
    return code


def write(prediction: Prediction, folder: Path) -> Path:
    """Compute the out-of-fold predictions and write them as Parquet: `target`, `logit`/`prob` columns, features."""
    scores, targets, features = _out_of_fold(prediction)
    kind = "prob" if prediction.model == "forest" else "logit"
    columns: dict[str, Any] = {"target": targets}
    if scores.ndim == 1:
        columns[kind] = scores
    else:
        columns |= {f"{kind}_{k}": scores[:, k] for k in range(scores.shape[1])}
    for name, at in prediction.features.items():
        columns[name] = features.mean(axis=1) if at < 0 else features[:, at]
    path = folder / f"{prediction.name}.parquet"
    _late("pyarrow.parquet").write_table(_late("pyarrow").table(columns), path)
    return path


def _out_of_fold(prediction: Prediction) -> tuple[Any, Any, Any]:
    """Return scores, targets and features: every row is scored by a model that has not seen it (five folds)."""
    select = _late("sklearn.model_selection")
    features, targets = getattr(_late("sklearn.datasets"), prediction.data)(return_X_y=True)
    folds = select.StratifiedKFold(5, shuffle=True, random_state=0)

    def predicted(model: Any, method: str) -> Any:
        return select.cross_val_predict(model, features, targets, cv=folds, method=method)

    if prediction.model == "forest":
        probs = predicted(_late("sklearn.ensemble").RandomForestClassifier(20, random_state=0), "predict_proba")
        return (probs[:, 1] if probs.shape[1] == 2 else probs), targets, features
    if prediction.model == "bayes":
        bayes = _late("sklearn.naive_bayes").GaussianNB(var_smoothing=5e-2)
        return predicted(bayes, "predict_log_proba"), targets, features
    scaled = _late("sklearn.preprocessing").StandardScaler()
    logistic = _late("sklearn.pipeline").make_pipeline(
        scaled, _late("sklearn.linear_model").LogisticRegression(max_iter=1000)
    )
    return predicted(logistic, "decision_function"), targets, features


def _late(module: str) -> Any:
    """Import an optional package, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = {"sklearn": "scikit-learn"}.get(module.split(".")[0], module.split(".")[0])
        raise ImportError(
            f'`xent demo` needs {package}; install it with:  pip install "xent[demo]"', name=module
        ) from error


def _play(scene: Scene, folder: Path) -> int:
    """Print the story and the command, then run the command itself."""
    from xent.cli import app

    arguments = [str(folder / a[1:-1]) if a.startswith("{") else a for a in scene.command.split()]
    print(f"\n{scene.story}\n\n$ xent {shlex.join(arguments)}\n", flush=True)
    try:
        app(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0

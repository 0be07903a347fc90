"""From the books to the comparison that is shown."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.records import Provenance
from ..provenance import Hash, listed
from .judging import Judge
from .pairs import Error, Method, error_of, judged, pair_of, slices_of
from .records import Comparison, Model, PairSlice
from .running import Outcome, Plan, ranked
from .sums import mean_of, nearest
from .verdicts import overall


def result(
    judges: Sequence[Judge], outcome: Outcome, plan: Plan, notes: Sequence[str], hashes: Sequence[Hash]
) -> Comparison:  # fmt: skip
    """The comparison: models best first, every pair judged, where the differences lie."""
    names = [judge.name for judge in judges]
    method = Method(plan.method, plan.cluster or plan.time, plan.confidence)
    tallies = [judge.state.tally for judge in judges]
    ledger = outcome.ledger
    pairs = judged([pair_of(book, names, tallies, method) for book in ledger.books], plan.confidence)
    slices = [s for book in ledger.books for s in slices_of(book, names, outcome.labels, outcome.ordered, method)]
    order = ranked(outcome.scores)
    first = outcome.scores[0]
    models = tuple(_model(judges[i], outcome, i, method, plan) for i in order)
    matched = outcome.matched
    return Comparison(
        rows=first.rows, weight=first.weight, kind=first.kind, classes=len(judges[0].plan.classes),
        confidence=plan.confidence, verdict=overall([names[i] for i in order], pairs, plan.confidence),
        models=models, pairs=pairs, slices=(*slices, *_labels(judges, outcome)), infinite=outcome.infinite,
        joined=plan.id,
        unmatched=() if matched is None else tuple((n, matched.unmatched(i)) for i, n in enumerate(names)),
        alerts=tuple(_alerts(judges, outcome)), notes=(*notes, *_notes(judges, outcome, plan)),
        provenance=_provenance(judges, plan, hashes),
    )  # fmt: skip


def _model(judge: Judge, outcome: Outcome, at: int, method: Method, plan: Plan) -> Model:
    score = outcome.scores[at]
    error, low, high = score.standard_error, score.low, score.high
    if outcome.ledger.alone:
        sums = outcome.ledger.alone[at]
        own = error_of(sums, method) if not score.infinite else Error(None, 0, None, 0)
        reach, mean = own.reach(plan.confidence), nearest(mean_of(sums))
        error = own.standard_error
        low, high = (None, None) if reach is None else (max(0.0, mean - reach), mean + reach)
    parts = _parts(judge, plan.seed)
    return Model(
        judge.name, judge.entrant.source, score.form, score.log_loss, error, low, high, score.finite_part,
        score.infinite, score.baseline, score.accuracy, score.entropy, *parts,
    )  # fmt: skip


def _parts(judge: Judge, seed: int) -> tuple[float | None, float | None, float | None]:
    """(uncertainty, discrimination, miscalibration) where the model answers one yes/no problem."""
    if judge.state.blocks is None:
        return None, None, None
    from ..analysis.decompose import decompositions

    found = decompositions(judge.state, seed)
    if len(found) != 1:
        return None, None, None
    return found[0].uncertainty, found[0].discrimination, found[0].miscalibration


def _labels(judges: Sequence[Judge], outcome: Outcome) -> list[PairSlice]:
    """Multi-label: the difference label by label; labels on which a model is infinite have none."""
    if not judges[0].multilabel:
        return []
    own = [{c.name: c for c in score.by_class} for score in outcome.scores]
    found = []
    for book in outcome.ledger.books:
        for name in judges[0].plan.classes:
            a, b = own[book.a].get(name), own[book.b].get(name)
            if a is None or b is None or a.infinite or b.infinite:
                continue
            difference = a.log_loss - b.log_loss
            found.append(PairSlice(
                judges[book.a].name, judges[book.b].name, "(label)", name, a.rows, a.weight, difference,
                difference / len(judges[0].plan.classes), None, None, None,
            ))  # fmt: skip
    return found


def _alerts(judges: Sequence[Judge], outcome: Outcome) -> list[str]:
    said = []
    for judge, score in zip(judges, outcome.scores, strict=True):
        if score.infinite:
            said.append(
                f"{judge.name} gives the truth probability 0 on {score.infinite} of {score.rows} rows: its log loss is"
                " infinite."
            )
    matched = outcome.matched
    if matched is not None:
        for i, judge in enumerate(judges):
            if matched.unmatched(i):
                rows = len(matched.place[i])
                said.append(f"{matched.unmatched(i)} of the {rows} rows of {judge.name} have no partner: left out.")
    return said


def _notes(judges: Sequence[Judge], outcome: Outcome, plan: Plan) -> list[str]:
    said = []
    for judge, score in zip(judges, outcome.scores, strict=True):
        told = [note for note in score.notes if note] or list(judge.plan.notes)
        said += [f"{judge.name}: {note}" for note in told]
    if plan.cluster:
        said.append(f"rows of one `{plan.cluster}` are taken as alike: delete-a-bucket jackknife, Student's t")
    elif plan.time:
        said.append(
            f"rows close in `{plan.time}` are taken as alike: Newey-West, Student's t; slices: independent rows"
        )
    else:
        said.append("rows are taken as independent, Student's t; --cluster or --time where they are not")
    for column in outcome.ledger.narrow:
        said.append(
            f"slices by `{column}`: too many values to reckon with clusters; their errors are of independent rows"
        )
    if any(book.sums.wild for book in outcome.ledger.books):
        said.append("rows differ by more than 2^45 nats: no error can be given")
    return said


def _provenance(judges: Sequence[Judge], plan: Plan, hashes: Sequence[Hash]) -> Provenance:
    from xent import __version__

    options = [(f"{judge.name}, {judge.plan.form}", listed(judge.plan.outputs)) for judge in judges]
    first = judges[0].plan
    options.append(("targets", listed(first.targets)))
    for name, value in (("weights", first.weight), ("id", plan.id), ("by", ", ".join(plan.by)),
                        ("cluster", plan.cluster), ("time", plan.time)):  # fmt: skip
        if value:
            options.append((name, value))
    options.append(("confidence", f"{plan.confidence:g}"))
    if judges[0].settings.rules.renormalize:
        options.append(("renormalize", "yes"))
    return Provenance(__version__, tuple(options), tuple(hashes), plan.seed)

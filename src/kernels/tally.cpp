// Python's door to rows of predictions: `tally` judges them and adds them up.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>

#include "batch.hpp"
#include "fixed.hpp"
#include "histograms.hpp"
#include "outside.hpp"

namespace xent::tally {
namespace {

// Two groups and one column: by the strip where nothing is out of the ordinary.
bool enter_binary(const Batch &in, int64_t from, const Block &b, Registers &to) {
    const double *weight = in.weight ? in.weight + from : nullptr, half = in.logits ? 0.0 : 0.5;
    if (!plain(b.rows, b.loss.data(), weight, in.options)) return false;
    int32_t right[BLOCK_ROWS];
    for (int64_t r = 0; r < b.rows; ++r) right[r] = (b.x[r] > half) == (b.target[r] != 0);
    enter_strip(to, 0, 1, {b.rows, b.loss.data(), b.entropy.data(), b.variance.data(), weight, b.target.data(), right, b.target.data()});
    std::copy_n(b.loss.begin(), b.rows, in.loss + from);
    return true;
}

void enter_rows(const Batch &in, int64_t from, Block &b, Registers &to) {
    if (b.classes == 1 && enter_binary(in, from, b, to)) return;
    const bool one = b.classes == 1, divided = !one && !in.logits;
    const bool logsums = divided && (in.options.renormalise || in.options.clamp_normalised);
    for (int64_t r = 0; r < b.rows; ++r) {
        in.loss[from + r] = b.loss[r];
        const double w = weight_of(in, from + r);
        if (w == 0.0) { in.loss[from + r] = -1.0; to.counts[OFF] += 1; continue; }
        const double x = b.x[r], half = in.logits ? 0.0 : 0.5;
        const bool right = one ? (x > half) == (b.target[r] != 0) : b.best[r] == b.target[r];
        const Row row{b.loss[r], b.entropy[r], b.variance[r], w, one ? 0.0 : b.top[r],
                      logsums ? natural_log(b.sum[r]) : 0.0, right, b.target[r] != 0, !one};
        enter(to, b.target[r], row, in.options);
    }
}

// Every label its own yes/no problem; the row costs the mean of its labels (group `columns` holds the rows).
void enter_labels(const Batch &in, int64_t from, Block &b, Registers &to) {
    std::vector<double> loss(b.rows, 0.0), entropy(b.rows, 0.0), variance(b.rows, 0.0);
    const double labels = double(b.classes), half = in.logits ? 0.0 : 0.5;
    std::vector<uint8_t> right(b.rows, 1);
    for (int64_t j = 0; j < b.classes; ++j) {
        const double *x = b.x.data() + j * b.width;
        for (int64_t r = 0; r < b.rows; ++r) b.target[r] = in.target[(from + r) * b.classes + j];
        judge_binary(b, x, in.logits);
        if (in.details.margin) for (int64_t r = 0; r < b.rows; ++r) in.details.margin[(from + r) * b.classes + j] = b.margin[r];
        for (int64_t r = 0; r < b.rows; ++r) {
            const double w = weight_of(in, from + r);
            loss[r] += b.loss[r]; entropy[r] += b.entropy[r]; variance[r] += b.variance[r];
            const bool hit = (x[r] > half) == (b.target[r] != 0);
            right[r] &= hit;
            if (w != 0.0) enter(to, j, {b.loss[r], b.entropy[r], b.variance[r], w, 0.0, 0.0, hit, b.target[r] != 0, false}, in.options);
        }
    }
    for (int64_t r = 0; r < b.rows; ++r) {
        const double w = weight_of(in, from + r);
        b.entropy[r] = entropy[r] / labels; b.variance[r] = variance[r] / (labels * labels);
        in.loss[from + r] = w == 0.0 ? -1.0 : loss[r] / labels;
        if (w == 0.0) { to.counts[b.classes * COUNTS + OFF] += 1; continue; }
        enter(to, b.classes, {loss[r] / labels, b.entropy[r], b.variance[r], w, 0.0, 0.0, right[r] != 0, false, false}, in.options);
    }
}

Verdict tally(const Batch &in, Registers &to) {
    Block b(in.x.columns);
    Verdict verdict;
    for (int64_t from = 0; from < in.x.rows; from += b.width) {
        if (!prepare(in, from, b, verdict)) return verdict;
        if (in.multilabel) {
            enter_labels(in, from, b, to);
        } else {
            std::copy_n(in.target + from, b.rows, b.target.begin());
            if (in.x.columns > 1) judge_classes(b, in.logits);
            else judge_binary(b, b.x.data(), in.logits);
            enter_rows(in, from, b, to);
        }
        tell(in, from, b);
    }
    return verdict;
}

// Every class of every row by what it costs, with its probability.
template <class Sum>
void expect(const Batch &in, Sum *sums) {
    Block b(in.x.columns);
    Verdict verdict;
    std::vector<double> most(b.width);
    std::vector<int32_t> bin(b.width);
    histograms::Chances<Sum> to(sums);
    double *x = b.x.data(), *nll = b.nll.data();
    for (int64_t from = 0; from < in.x.rows; from += b.width) {
        if (!prepare(in, from, b, verdict)) throw std::invalid_argument("expected_classes: a row cannot be judged");
        if (in.logits) histograms::class_costs(b.rows, b.classes, b.width, x, nll, most.data(), b.sum.data());
        else histograms::log_costs(int64_t(b.x.size()), x, nll);
        for (int64_t j = 0; j < b.classes; ++j) {
            const double *p = x + j * b.width;
            histograms::loss_bins(b.rows, nll + j * b.width, bin.data());
            if (in.weight) for (int64_t r = 0; r < b.rows; ++r) to.weigh(bin[r], in.weight[from + r] * p[r]);
            else to.add(b.rows, bin.data(), p);
        }
    }
}

Answer tally_rows(const Array &x, Out<const int32_t> target, const Weights &weight, bool logits, Out<int64_t, nb::ndim<3>> sums,
                  Out<int64_t, nb::ndim<2>> counts, Out<double, nb::ndim<1>> loss, const OptionTuple &o,
                  const std::optional<DetailTuple> &asked) {
    const bool multilabel = target.ndim() == 2;
    if (!readable(x, weight)) throw std::invalid_argument("tally: arrays do not fit together");
    const int64_t rows = int64_t(x.shape(0)), groups = int64_t(sums.shape(0)), columns = int64_t(x.shape(1));
    if (int64_t(target.shape(0)) != rows || int64_t(loss.shape(0)) != rows || int64_t(counts.shape(0)) != groups
        || sums.shape(2) != DIGITS || counts.shape(1) != COUNTS || int64_t(sums.shape(1)) != (weight ? WEIGHTED_SUMS : PLAIN_SUMS)
        || groups != (multilabel ? columns + 1 : std::max<int64_t>(columns, 2)))
        throw std::invalid_argument("tally: arrays do not fit together");
    for (int64_t i = 0, n = int64_t(target.size()), top = multilabel ? 2 : groups; i < n; ++i)
        if (target.data()[i] < 0 || target.data()[i] >= top) throw std::invalid_argument("tally: target out of range");
    const Batch in{Matrix(x), target.data(), weight ? weight->data() : nullptr, loss.data(), logits, multilabel, options(o),
                   details(asked, x.shape(0), x.shape(1), multilabel)};
    Outside outside;
    Registers registers(sums.data(), counts.data(), groups, int64_t(sums.shape(1)));
    const Verdict v = tally(in, registers);
    return {v.fault, v.row, v.column, v.deviation};
}

void expected_classes(Out<int64_t, nb::ndim<3>> sums, const Array &x, const Weights &weight, bool logits) {
    if (!readable(x, weight) || sums.shape(0) != histograms::LOSS_BINS || sums.shape(1) != 1 || sums.shape(2) != (weight ? 4 : 2))
        throw std::invalid_argument("expected_classes: arrays do not fit together");
    const Batch in{Matrix(x), nullptr, weight ? weight->data() : nullptr, nullptr, logits, false, {0.0, true, 0.0, 0.0, false, false}, {}};
    Outside outside;
    if (weight) expect(in, reinterpret_cast<fixed::Wide *>(sums.data()));
    else expect(in, reinterpret_cast<fixed::Narrow *>(sums.data()));
}

}  // namespace
}  // namespace xent::tally

void bind_tally(nanobind::module_ &m) {
    using namespace xent::tally;
    m.def("tally", &tally_rows, nb::arg("x"), nb::arg("target"), nb::arg("weight").none(), nb::arg("logits"),
          nb::arg("sums").noconvert(), nb::arg("counts").noconvert(), nb::arg("loss").noconvert(), nb::arg("options"),
          nb::arg("details").noconvert() = nb::none(),
          "Add rows of predictions to exact registers; returns (fault, row, column, deviation or offending value). details:"
          " None or (entropy, variance, margin, best or None), filled for every row.");
    m.def("expected_classes", &expected_classes, nb::arg("sums").noconvert(), nb::arg("x"), nb::arg("weight").none(), nb::arg("logits"),
          "By what classes cost: their probabilities.");
}

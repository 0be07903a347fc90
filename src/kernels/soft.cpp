// Rows whose truth is a distribution q over the classes (soft labels): a row of weight w is one case of weight w q_k of
// every class k with q_k > 0, in that class's group; one further group holds the rows, each costing the mean of its
// cases. Cross-entropy, q's own entropy and so their difference, the divergence of q from p, are exact sums of the same
// products: where p = q, that difference is exactly 0.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>

#include "batch.hpp"
#include "outside.hpp"

namespace xent::tally {
namespace {

struct Truth { const double *q; int64_t columns; const double *of(int64_t row) const { return q + row * columns; } };

double product(double share, double cost) { return share > 0.0 ? share * cost : 0.0; }

double held(double cost, double logsum, const Options &o) {
    return std::min(std::max(o.clamp_normalised ? cost + logsum : cost, o.least), o.most);
}

void put(Registers &to, int64_t g, int slot, double x) {
    xent::add(to.sums + (g * to.slots + slot) * DIGITS, x < LARGEST ? x : LARGEST);
}

// One row of a binary or multi-class problem: nll and q of every class, and what is known of the row.
struct Cases { const double *nll, *share, *own; int64_t classes, stride, best; double margin; };

// The cases of a row into their classes; returns the row, as it enters the group of rows.
Row enter_cases(const Cases &c, const Row &row, const Options &o, Registers &to) {
    double cost = 0.0, whole = 0.0, most = 0.0;
    const double wrong = c.margin + c.nll[c.best * c.stride];     // -log(1 - c): the margin is log c - log(1 - c)
    for (int64_t k = 0; k < c.classes; ++k) {
        const double share = c.share[k], nll = c.nll[k * c.stride];
        whole += share;
        if (share == 0.0) continue;
        const bool right = k == c.best;
        most = std::max(most, share);
        cost += share * nll;
        enter(to, k, {nll, row.entropy, row.variance, row.weight * share, right ? nll : std::min(wrong, nll), row.logsum, right, true,
                      row.split}, o);
        put(to, k, WH_LABEL, row.weight * share * c.own[k]);
    }
    return {cost / whole, row.entropy, row.variance, row.weight * whole, 0.0, row.logsum, false, most != whole, false};
}

void enter_block(const Batch &in, const Truth &truth, int64_t from, Block &b, Registers &to) {
    const bool one = b.classes == 1, divided = !one && !in.logits;
    const bool logsums = divided && (in.options.renormalise || in.options.clamp_normalised);
    const int64_t classes = one ? 2 : b.classes;
    std::vector<double> both(2 * b.width), share(classes), own(classes);
    for (int32_t yes = 0; one && yes < 2; ++yes) {
        std::fill(b.target.begin(), b.target.end(), yes);
        judge_binary(b, b.x.data(), in.logits);
        std::copy_n(b.loss.begin(), b.rows, both.begin() + yes * b.width);
    }
    if (!one) std::fill(b.target.begin(), b.target.end(), 0), judge_classes(b, in.logits);
    for (int64_t r = 0; r < b.rows; ++r) {
        const double w = weight_of(in, from + r), *q = truth.of(from + r);
        if (w == 0.0) { in.loss[from + r] = -1.0; to.counts[classes * COUNTS + OFF] += 1; continue; }
        for (int64_t k = 0; k < b.classes; ++k) { share[k] = q[k]; own[k] = q[k] > 0.0 ? -natural_log(q[k]) : 0.0; }
        if (one) {
            share = {1.0 - q[0], q[0]};
            own = {q[0] < 1.0 ? -natural_log1p(-q[0]) : 0.0, own[0]};
        }
        const int64_t best = one ? b.x[r] > (in.logits ? 0.0 : 0.5) : b.best[r];
        const Cases cases{(one ? both.data() : b.nll.data()) + r, share.data(), own.data(), classes, b.width, best, b.margin[r]};
        const Row row{0.0, b.entropy[r], b.variance[r], w, 0.0, logsums ? natural_log(b.sum[r]) : 0.0, false, false, !one};
        const Row whole = enter_cases(cases, row, in.options, to);
        enter(to, classes, whole, in.options);
        in.loss[from + r] = whole.loss;
    }
}

// One label of a block: yes and no cost what they cost, each by its share.
void enter_label(const Batch &in, const Truth &truth, int64_t from, int64_t j, Block &b, std::vector<double> &no, Registers &to) {
    const double *x = b.x.data() + j * b.width, half = in.logits ? 0.0 : 0.5;
    for (int32_t yes = 0; yes < 2; ++yes) {
        std::fill(b.target.begin(), b.target.end(), yes);
        judge_binary(b, x, in.logits);
        if (!yes) std::copy_n(b.loss.begin(), b.rows, no.begin());
    }
    Options unclamped = in.options;
    unclamped.clamp = false;
    for (int64_t r = 0; r < b.rows; ++r) {
        const double w = weight_of(in, from + r), q = truth.of(from + r)[j], not_q = 1.0 - q, yes = b.loss[r];
        b.loss[r] = product(q, yes) + product(not_q, no[r]);
        if (w == 0.0) continue;
        enter(to, j, {b.loss[r], b.entropy[r], b.variance[r], w, 0.0, 0.0, false, false, false}, unclamped);
        const bool claimed = x[r] > half;
        to.counts[j * COUNTS + POSITIVE] += q >= 0.5;
        to.counts[j * COUNTS + RIGHT] += claimed == (q >= 0.5);
        put(to, j, W_RIGHT, w * (claimed ? q : not_q));
        put(to, j, W_POSITIVE, w * q);
        put(to, j, WH_LABEL, w * (product(q, -natural_log(q)) + product(not_q, -natural_log1p(-q))));
        if (!in.options.clamp) continue;
        const double up = held(yes, 0.0, in.options), down = held(no[r], 0.0, in.options);
        to.counts[j * COUNTS + CHANGED] += (q > 0.0 && up != yes) || (not_q > 0.0 && down != no[r]);
        put(to, j, WCOMPAT, w * (product(q, up) + product(not_q, down)));
    }
}

// Multi-label: every label its own problem; the row costs the mean of its labels.
void enter_labels(const Batch &in, const Truth &truth, int64_t from, Block &b, Registers &to) {
    std::vector<double> loss(b.rows, 0.0), entropy(b.rows, 0.0), variance(b.rows, 0.0), no(b.width);
    const double labels = double(b.classes);
    for (int64_t j = 0; j < b.classes; ++j) {
        enter_label(in, truth, from, j, b, no, to);
        for (int64_t r = 0; r < b.rows; ++r) {
            loss[r] += b.loss[r]; entropy[r] += b.entropy[r]; variance[r] += b.variance[r];
            if (in.details.margin) in.details.margin[(from + r) * b.classes + j] = b.margin[r];
        }
    }
    for (int64_t r = 0; r < b.rows; ++r) {
        const double w = weight_of(in, from + r), *q = truth.of(from + r);
        b.entropy[r] = entropy[r] / labels; b.variance[r] = variance[r] / (labels * labels);
        in.loss[from + r] = w == 0.0 ? -1.0 : loss[r] / labels;
        if (w == 0.0) { to.counts[b.classes * COUNTS + OFF] += 1; continue; }
        const bool torn = std::any_of(q, q + b.classes, [](double share) { return share > 0.0 && share < 1.0; });
        enter(to, b.classes, {loss[r] / labels, b.entropy[r], b.variance[r], w, 0.0, 0.0, false, torn, false}, in.options);
    }
}

Verdict soft(const Batch &in, const Truth &truth, Registers &to) {
    Block b(in.x.columns);
    Verdict verdict;
    for (int64_t from = 0; from < in.x.rows; from += b.width) {
        if (!prepare(in, from, b, verdict)) return verdict;
        if (in.multilabel) enter_labels(in, truth, from, b, to);
        else enter_block(in, truth, from, b, to);
        tell(in, from, b);
    }
    return verdict;
}

Answer soft_rows(const Array &x, Out<const double, nb::ndim<2>> q, const Weights &weight, bool logits, bool multilabel,
                 Out<int64_t, nb::ndim<3>> sums, Out<int64_t, nb::ndim<2>> counts, Out<double, nb::ndim<1>> loss, const OptionTuple &o,
                 const std::optional<DetailTuple> &asked) {
    if (!readable(x, weight)) throw std::invalid_argument("soft: arrays do not fit together");
    const size_t rows = x.shape(0), columns = x.shape(1), groups = (multilabel ? columns : std::max<size_t>(columns, 2)) + 1;
    if (q.shape(0) != rows || q.shape(1) != columns || loss.shape(0) != rows || sums.shape(0) != groups || counts.shape(0) != groups
        || sums.shape(1) != SOFT_SUMS || sums.shape(2) != DIGITS || counts.shape(1) != COUNTS)
        throw std::invalid_argument("soft: arrays do not fit together");
    for (size_t i = 0; i < q.size(); ++i)
        if (!(q.data()[i] >= 0.0 && q.data()[i] <= 2.0)) throw std::invalid_argument("soft: share out of range");
    const Batch in{Matrix(x), nullptr, weight ? weight->data() : nullptr, loss.data(), logits, multilabel, options(o),
                   details(asked, rows, columns, multilabel)};
    Outside outside;
    Registers registers(sums.data(), counts.data(), int64_t(groups), int64_t(sums.shape(1)));
    const Verdict v = soft(in, {q.data(), int64_t(columns)}, registers);
    return {v.fault, v.row, v.column, v.deviation};
}

}  // namespace
}  // namespace xent::tally

void bind_soft(nanobind::module_ &m) {
    using namespace xent::tally;
    m.def("soft", &soft_rows, nb::arg("x"), nb::arg("q"), nb::arg("weight").none(), nb::arg("logits"), nb::arg("multilabel"),
          nb::arg("sums").noconvert(), nb::arg("counts").noconvert(), nb::arg("loss").noconvert(), nb::arg("options"),
          nb::arg("details").noconvert() = nb::none(),
          "`tally` for rows whose truth is a distribution: q [rows, columns] of finite shares, each row's sum above 0.");
}

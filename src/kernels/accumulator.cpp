// Python's door to the exact sums: `accumulate` for any float64 array, `tally` for rows of predictions.
#include "accumulator.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <optional>
#include <stdexcept>
#include <tuple>

#include "tally.hpp"

namespace nb = nanobind;

namespace xent::tally {
namespace {

using Array = nb::ndarray<nb::numpy, nb::ro>;
template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;

// A 2-D array of any strides, read as float64.
struct Matrix {
    const char *data; int64_t rows, columns, down, across; nb::dlpack::dtype dtype;
    explicit Matrix(const Array &a)
        : data(static_cast<const char *>(a.data())), rows(int64_t(a.shape(0))), columns(int64_t(a.shape(1))),
          down(a.stride(0)), across(a.stride(1)), dtype(a.dtype()) {}
    template <class T> void copy(int64_t from, int64_t n, int64_t width, double *to) const {
        const T *x = reinterpret_cast<const T *>(data);
        for (int64_t j = 0; j < columns; ++j)
            for (int64_t r = 0; r < n; ++r) to[j * width + r] = double(x[(from + r) * down + j * across]);
    }
    void read(int64_t from, int64_t n, int64_t width, double *to) const {
        if (dtype == nb::dtype<float>()) copy<float>(from, n, width, to);
        else copy<double>(from, n, width, to);
    }
};

struct Batch {
    Matrix x; const int32_t *target; const double *weight; double *loss; bool logits, multilabel; Options options;
};

double weight_of(const Batch &in, int64_t row) { return in.weight ? in.weight[row] : 1.0; }

// A row of weight 0 is not looked at: whatever it holds is replaced by an even row.
void blank(const Batch &in, int64_t from, Block &b) {
    if (!in.weight) return;
    for (int64_t r = 0; r < b.rows; ++r) {
        if (in.weight[from + r] != 0.0) continue;
        const double even = in.logits ? 0.0 : b.classes == 1 || in.multilabel ? 0.5 : 1.0 / double(b.classes);
        for (int64_t j = 0; j < b.classes; ++j) b.x[j * b.width + r] = even;
    }
}

// The largest probability let through: 1, or for one of several what the row's sum may be (float32 softmaxes hold 1.0000001).
double ceiling(const Batch &in) {
    if (in.x.columns == 1 || in.multilabel) return 1.0;
    return in.options.renormalise ? LARGEST : 1.0 + in.options.tolerance;
}

int fault_of(double x, bool logits, double most) {
    if (x != x) return NOT_A_NUMBER;
    if (logits) return FINE;
    return x < 0.0 ? NEGATIVE : x > most ? ABOVE_ONE : FINE;
}

// The first fault of the block, by row and then by column.
bool check_values(const Batch &in, int64_t from, const Block &b, Verdict &verdict) {
    bool bad = false;
    const double most = ceiling(in);
    for (int64_t j = 0; j < b.classes; ++j)
        for (int64_t r = 0; r < b.rows; ++r) {
            const double x = b.x[j * b.width + r];
            bad |= in.logits ? x != x : !((x >= 0.0) & (x <= most));
        }
    if (!bad) return true;
    for (int64_t r = 0; r < b.rows; ++r)
        for (int64_t j = 0; j < b.classes; ++j)
            if (const int fault = fault_of(b.x[j * b.width + r], in.logits, most)) {
                verdict = {fault, from + r, j, b.x[j * b.width + r]};
                return false;
            }
    return false;
}

// +inf on exactly one class: that class has p = 1. On several, or -inf everywhere: there is no distribution.
bool settle_infinities(int64_t from, Block &b, Verdict &verdict) {
    for (int64_t r = 0; r < b.rows; ++r) {
        int64_t up = 0, down = 0, where = 0;
        for (int64_t j = 0; j < b.classes; ++j) {
            const double z = b.x[j * b.width + r];
            if (z == INF) { ++up; where = j; }
            down += z == -INF;
        }
        if (up > 1 || down == b.classes) { verdict = {INFINITE_LOGITS, from + r, where, up > 1 ? INF : -INF}; return false; }
        if (up == 1) for (int64_t j = 0; j < b.classes; ++j) b.x[j * b.width + r] = j == where ? 0.0 : -INF;
    }
    return true;
}

// Row sums: refused beyond the tolerance; divided out where the caller asked for it.
bool check_sums(const Batch &in, int64_t from, Block &b, Verdict &verdict) {
    std::fill(b.sum.begin(), b.sum.end(), 0.0);
    for (int64_t j = 0; j < b.classes; ++j)
        for (int64_t r = 0; r < b.rows; ++r) b.sum[r] += b.x[j * b.width + r];
    for (int64_t r = 0; r < b.rows; ++r) {
        if (weight_of(in, from + r) == 0.0) continue;
        const double away = std::fabs(b.sum[r] - 1.0);
        if (in.options.renormalise ? b.sum[r] == 0.0 : away > in.options.tolerance) {
            verdict = {ROW_SUM, from + r, -1, b.sum[r]};
            return false;
        }
        verdict.deviation = std::max(verdict.deviation, away);
        if (in.options.renormalise)
            for (int64_t j = 0; j < b.classes; ++j) b.x[j * b.width + r] /= b.sum[r];
    }
    return true;
}

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
        (in.logits ? judge_binary_logits : judge_binary_probs)(b.rows, x, b.target.data(), b.loss.data(), b.entropy.data(), b.variance.data());
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
        in.loss[from + r] = w == 0.0 ? -1.0 : loss[r] / labels;
        if (w == 0.0) { to.counts[b.classes * COUNTS + OFF] += 1; continue; }
        enter(to, b.classes, {loss[r] / labels, entropy[r] / labels, variance[r] / (labels * labels), w, 0.0, 0.0, right[r] != 0, false, false},
              in.options);
    }
}

Verdict tally(const Batch &in, Registers &to) {
    Block b(in.x.columns);
    Verdict verdict;
    const bool classes = in.x.columns > 1 && !in.multilabel;
    for (int64_t from = 0; from < in.x.rows; from += b.width) {
        b.rows = std::min(b.width, in.x.rows - from);
        for (int64_t r = 0; in.weight && r < b.rows; ++r)
            if (const double w = in.weight[from + r]; w != 0.0 && !(w >= LEAST_WEIGHT && w <= MOST_WEIGHT))
                return {WEIGHT, from + r, -1, w};
        in.x.read(from, b.rows, b.width, b.x.data());
        blank(in, from, b);
        if (!check_values(in, from, b, verdict)) return verdict;
        if (in.multilabel) { enter_labels(in, from, b, to); continue; }
        std::copy_n(in.target + from, b.rows, b.target.begin());
        if (classes && in.logits && !settle_infinities(from, b, verdict)) return verdict;
        if (classes && !in.logits && !check_sums(in, from, b, verdict)) return verdict;
        if (classes) judge_classes(b, in.logits);
        else (in.logits ? judge_binary_logits : judge_binary_probs)(b.rows, b.x.data(), b.target.data(), b.loss.data(), b.entropy.data(), b.variance.data());
        enter_rows(in, from, b, to);
    }
    return verdict;
}

using Answer = std::tuple<int, int64_t, int64_t, double>;
using OptionTuple = std::tuple<double, bool, bool, bool, double, double>;

Answer tally_rows(const Array &x, Out<const int32_t> target, std::optional<Out<const double, nb::ndim<1>>> weight, bool logits,
                  Out<int64_t, nb::ndim<3>> sums, Out<int64_t, nb::ndim<2>> counts, Out<double, nb::ndim<1>> loss,
                  const OptionTuple &o) {
    const int64_t rows = int64_t(x.shape(0)), groups = int64_t(sums.shape(0)), columns = int64_t(x.shape(1));
    const bool multilabel = target.ndim() == 2;
    if (x.ndim() != 2 || (x.dtype() != nb::dtype<float>() && x.dtype() != nb::dtype<double>()) || columns < 1
        || int64_t(target.shape(0)) != rows || int64_t(loss.shape(0)) != rows || int64_t(counts.shape(0)) != groups
        || (weight && int64_t(weight->shape(0)) != rows) || sums.shape(2) != DIGITS || counts.shape(1) != COUNTS
        || int64_t(sums.shape(1)) != (weight ? WEIGHTED_SUMS : PLAIN_SUMS)
        || groups != (multilabel ? columns + 1 : std::max<int64_t>(columns, 2)))
        throw std::invalid_argument("tally: arrays do not fit together");
    for (int64_t i = 0, n = int64_t(target.size()), top = multilabel ? 2 : groups; i < n; ++i)
        if (target.data()[i] < 0 || target.data()[i] >= top) throw std::invalid_argument("tally: target out of range");
    const auto [tolerance, renormalise, clamp, normalised, least, most] = o;
    const Batch in{Matrix(x), target.data(), weight ? weight->data() : nullptr, loss.data(), logits, multilabel,
                   {tolerance, renormalise, least, most, clamp, normalised}};
    nb::gil_scoped_release released;
    Registers registers(sums.data(), counts.data(), groups, int64_t(sums.shape(1)));
    const Verdict v = tally(in, registers);
    return {v.fault, v.row, v.column, v.deviation};
}

void accumulate(Out<int64_t, nb::ndim<1>> digits, Out<const double, nb::ndim<1>> x) {
    if (digits.shape(0) != DIGITS) throw std::invalid_argument("accumulate: a register has 68 digits");
    int64_t *to = digits.data();
    const double *from = x.data();
    for (size_t i = 0; i < x.shape(0); ++i)
        if (!(std::fabs(from[i]) < INF)) throw std::invalid_argument("accumulate: only finite numbers have an exact sum");
    nb::gil_scoped_release released;
    for (size_t i = 0; i < x.shape(0); ++i) {
        add(to, from[i]);
        if (i % ADDITIONS == ADDITIONS - 1) carry(to);
    }
    carry(to);
}

void settle(Out<int64_t> digits) {
    for (size_t i = 0; i < digits.size(); i += DIGITS) carry(digits.data() + i);
}

double apply(int which, double x) { return which == 0 ? natural_log(x) : which == 1 ? natural_log1p(x) : exponential(x); }

}  // namespace
}  // namespace xent::tally

void bind_accumulator(nb::module_ &m) {
    using namespace xent::tally;
    m.def("accumulate", &accumulate, nb::arg("digits").noconvert(), nb::arg("x"), "digits += sum of x, exactly (int64[68], canonical).");
    m.def("settle", &settle, nb::arg("digits").noconvert(), "Bring registers (int64[..., 68]) into canonical form.");
    m.def("tally", &tally_rows, nb::arg("x"), nb::arg("target"), nb::arg("weight").none(), nb::arg("logits"),
          nb::arg("sums").noconvert(), nb::arg("counts").noconvert(), nb::arg("loss").noconvert(), nb::arg("options"),
          "Add rows of predictions to exact registers; returns (fault, row, column, deviation or offending value).");
    m.def("natural", &apply, nb::arg("which"), nb::arg("x"), "The tally's own log (0), log1p (1) or exp (2) of one number.");
}

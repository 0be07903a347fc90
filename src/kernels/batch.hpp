// A batch of predictions as Python hands it over: read block by block as float64, checked before anything is judged.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "tally.hpp"

namespace xent::tally {
namespace {

namespace nb = nanobind;
using Array = nb::ndarray<nb::numpy, nb::ro>;
template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;

// A 2-D array of any strides, read as float64.
struct Matrix {
    const char *data; int64_t rows, columns, down, across; nb::dlpack::dtype dtype;
    explicit Matrix(const Array &a)
        : data(static_cast<const char *>(a.data())), rows(int64_t(a.shape(0))), columns(int64_t(a.shape(1))),
          down(a.stride(0)), across(a.stride(1)), dtype(a.dtype()) {}
    // Rows that lie in one piece are turned 16 at a time: each line of memory is then read once.
    template <class T> void copy(int64_t from, int64_t n, int64_t width, double *to) const {
        const T *x = reinterpret_cast<const T *>(data);
        const int64_t step = std::abs(across) < std::abs(down) ? 16 : n;
        for (int64_t first = 0; first < n; first += step)
            for (int64_t j = 0; j < columns; ++j)
                for (int64_t r = first, last = std::min(n, first + step); r < last; ++r)
                    to[j * width + r] = double(x[(from + r) * down + j * across]);
    }
    void read(int64_t from, int64_t n, int64_t width, double *to) const {
        if (dtype == nb::dtype<float>()) copy<float>(from, n, width, to);
        else copy<double>(from, n, width, to);
    }
};

// What is told of every row beside its loss, where it is asked for (null: it is not).
struct Details { double *entropy = nullptr, *variance = nullptr, *margin = nullptr; int32_t *best = nullptr; };

struct Batch {
    Matrix x; const int32_t *target; const double *weight; double *loss; bool logits, multilabel; Options options;
    Details details;
};

inline double weight_of(const Batch &in, int64_t row) { return in.weight ? in.weight[row] : 1.0; }

// A row of weight 0 is not looked at: whatever it holds is replaced by an even row.
inline void blank(const Batch &in, int64_t from, Block &b) {
    if (!in.weight) return;
    for (int64_t r = 0; r < b.rows; ++r) {
        if (in.weight[from + r] != 0.0) continue;
        const double even = in.logits ? 0.0 : b.classes == 1 || in.multilabel ? 0.5 : 1.0 / double(b.classes);
        for (int64_t j = 0; j < b.classes; ++j) b.x[j * b.width + r] = even;
    }
}

// The largest probability let through: 1, or for one of several what the row's sum may be (float32 softmaxes hold 1.0000001).
inline double ceiling(const Batch &in) {
    if (in.x.columns == 1 || in.multilabel) return 1.0;
    return in.options.renormalise ? LARGEST : 1.0 + in.options.tolerance;
}

inline int fault_of(double x, bool logits, double most) {
    if (x != x) return NOT_A_NUMBER;
    if (logits) return FINE;
    return x < 0.0 ? NEGATIVE : x > most ? ABOVE_ONE : FINE;
}

// Whether every number of a block is one and lies in [least, most].
inline bool within(const Block &b, double least, double most) {
    for (int64_t j = 0; j < b.classes; ++j)
        if (misfits(b.rows, b.x.data() + j * b.width, least, most) != 0.0) return false;
    return true;
}

// The first fault of the block, by row and then by column.
inline bool check_values(const Batch &in, int64_t from, const Block &b, Verdict &verdict) {
    const double most = ceiling(in);
    if (within(b, in.logits ? -INF : 0.0, in.logits ? INF : most)) return true;
    for (int64_t r = 0; r < b.rows; ++r)
        for (int64_t j = 0; j < b.classes; ++j)
            if (const int fault = fault_of(b.x[j * b.width + r], in.logits, most)) {
                verdict = {fault, from + r, j, b.x[j * b.width + r]};
                return false;
            }
    return false;
}

// +inf on exactly one class: that class has p = 1. On several, or -inf everywhere: there is no distribution.
inline bool settle_infinities(int64_t from, Block &b, Verdict &verdict) {
    if (within(b, -LARGEST, LARGEST)) return true;
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
inline bool check_sums(const Batch &in, int64_t from, Block &b, Verdict &verdict) {
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

// Reads and checks the next block; false: the verdict says what is wrong.
inline bool prepare(const Batch &in, int64_t from, Block &b, Verdict &verdict) {
    const bool classes = in.x.columns > 1 && !in.multilabel;
    b.rows = std::min(b.width, in.x.rows - from);
    for (int64_t r = 0; in.weight && r < b.rows; ++r)
        if (const double w = in.weight[from + r]; w != 0.0 && !(w >= LEAST_WEIGHT && w <= MOST_WEIGHT)) {
            verdict = {WEIGHT, from + r, -1, w};
            return false;
        }
    in.x.read(from, b.rows, b.width, b.x.data());
    blank(in, from, b);
    if (!check_values(in, from, b, verdict)) return false;
    if (classes && in.logits) return settle_infinities(from, b, verdict);
    return !classes || check_sums(in, from, b, verdict);
}

// Yes/no problems, one column: from probabilities or from logits.
inline void judge_binary(Block &b, const double *x, bool logits) {
    (logits ? judge_binary_logits : judge_binary_probs)(b.rows, x, b.target.data(), b.loss.data(), b.entropy.data(), b.variance.data(),
                                                        b.margin.data());
}

// The rows of a block beside their losses, to whoever asked.
inline void tell(const Batch &in, int64_t from, const Block &b) {
    const Details &d = in.details;
    if (!d.entropy) return;
    std::copy_n(b.entropy.begin(), b.rows, d.entropy + from);
    std::copy_n(b.variance.begin(), b.rows, d.variance + from);
    if (!in.multilabel) std::copy_n(b.margin.begin(), b.rows, d.margin + from);
    if (d.best) std::copy_n(b.best.begin(), b.rows, d.best + from);
}

using Answer = std::tuple<int, int64_t, int64_t, double>;
using OptionTuple = std::tuple<double, bool, bool, bool, double, double>;
using Weights = std::optional<Out<const double, nb::ndim<1>>>;
using DetailTuple = std::tuple<Out<double, nb::ndim<1>>, Out<double, nb::ndim<1>>, Out<double>, std::optional<Out<int32_t, nb::ndim<1>>>>;

inline Options options(const OptionTuple &o) {
    const auto [tolerance, renormalise, clamp, normalised, least, most] = o;
    return {tolerance, renormalise, least, most, clamp, normalised};
}

inline bool readable(const Array &x, const Weights &weight) {
    return x.ndim() == 2 && (x.dtype() == nb::dtype<float>() || x.dtype() == nb::dtype<double>()) && x.shape(1) >= 1
        && (!weight || weight->shape(0) == x.shape(0));
}

inline Details details(const std::optional<DetailTuple> &asked, size_t rows, size_t columns, bool multilabel) {
    if (!asked) return {};
    const auto &[entropy, variance, margin, best] = *asked;
    if (entropy.shape(0) != rows || variance.shape(0) != rows || margin.size() != rows * (multilabel ? columns : 1)
        || (best && best->shape(0) != rows))
        throw std::invalid_argument("tally: details do not fit the rows");
    return {entropy.data(), variance.data(), margin.data(), best ? best->data() : nullptr};
}

}  // namespace
}  // namespace xent::tally

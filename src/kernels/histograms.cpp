// Python's door to histograms of losses, of claims and by bucket: counts exact, sums in fixed point.
#include "histograms.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <cmath>
#include <optional>
#include <stdexcept>

#include "fixed.hpp"
#include "outside.hpp"

namespace nb = nanobind;

namespace xent::histograms {
namespace {

using fixed::Narrow, fixed::Wide;
template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;
using Counts = Out<int64_t, nb::ndim<1>>;
using Table = Out<int64_t, nb::ndim<3>>;            // [slots, columns, words]
using Column = Out<const double, nb::ndim<1>>;
using Maybe = std::optional<Column>;

void require(bool good, const char *who) {
    if (!good) throw std::invalid_argument(std::string(who) + ": arrays do not fit together");
}
bool shaped(const Table &t, size_t slots, size_t columns, size_t words) {
    return t.shape(0) == slots && t.shape(1) == columns && t.shape(2) == words;
}
bool fits(const Maybe &weight, size_t rows) { return !weight || weight->shape(0) == rows; }
const double *data(const Maybe &x) { return x ? x->data() : nullptr; }
Wide *wide(const Table &t) { return reinterpret_cast<Wide *>(t.data()); }

// rows, nats and weights by what a row costs; returns how many cost infinitely much (they have no bin).
int64_t losses(const Counts &rows, const Table &sums, const Column &loss, const Maybe &weight) {
    const size_t n = loss.shape(0), columns = weight ? 2 : 1;
    require(rows.shape(0) == LOSS_BINS && shaped(sums, LOSS_BINS, columns, 4) && fits(weight, n), "losses");
    const double *l = loss.data(), *w = data(weight);
    Wide *to = wide(sums);
    int64_t infinite = 0, *count = rows.data();
    int32_t bin[STRIP];
    Outside outside;
    for (size_t from = 0; from < n; from += STRIP) {
        const int64_t m = std::min<int64_t>(STRIP, int64_t(n - from));
        loss_bins(m, l + from, bin);
        for (int64_t i = 0; i < m; ++i) {
            const double x = l[from + i];
            if (!(x < HUGE_VAL)) { ++infinite; continue; }
            ++count[bin[i]];
            if (w) { add(to[bin[i] * 2], w[from + i] * x); add(to[bin[i] * 2 + 1], w[from + i]); }
            else add(to[bin[i]], x);
        }
    }
    return infinite;
}

// What yes/no cells cost, from their logits and truths.
void cells(const Column &margin, const Out<const int32_t, nb::ndim<1>> &yes, const Out<double, nb::ndim<1>> &loss) {
    const int64_t n = int64_t(margin.shape(0));
    require(int64_t(yes.shape(0)) == n && int64_t(loss.shape(0)) == n, "cells");
    const double *z = margin.data();
    double near[STRIP], far[STRIP], unlikely[STRIP];
    Outside outside;
    for (int64_t from = 0; from < n; from += STRIP) {
        const int64_t m = std::min(STRIP, n - from);
        outcomes(m, z + from, near, far, unlikely);
        for (int64_t i = 0; i < m; ++i)
            loss.data()[from + i] = (z[from + i] > 0.0) == (yes.data()[from + i] != 0) ? near[i] : far[i];   // alike at 0
    }
}

template <class Sum>
void expect(Sum *sums, const double *z, const double *w, int64_t n, int64_t labels) {
    double cost[2][STRIP], p[2][STRIP];   // of the likelier outcome, of the other
    int32_t bin[STRIP];
    Chances<Sum> to(sums);
    for (int64_t from = 0; from < n; from += STRIP) {
        const int64_t m = std::min(STRIP, n - from);
        outcomes(m, z + from, cost[0], cost[1], p[1]);
        for (int64_t i = 0; i < m; ++i) p[0][i] = 1.0 - p[1][i];
        for (int side = 0; side < 2; ++side) {
            loss_bins(m, cost[side], bin);
            if (!w) to.add(m, bin, p[side]);
            else for (int64_t i = 0; i < m; ++i) to.weigh(bin[i], w[(from + i) / labels] * p[side][i]);
        }
    }
}

// Both outcomes of every yes/no cell (margin [n * labels]) by what they cost, each with its probability.
void expected(const Table &sums, const Column &margin, const Maybe &weight, int64_t labels) {
    const size_t n = margin.shape(0), words = sums.shape(2);
    require(labels > 0 && shaped(sums, LOSS_BINS, 1, words) && (words == 2 || words == 4) && (!weight || (words == 4 && weight->shape(0) * size_t(labels) == n)),
            "expected");
    Outside outside;
    if (words == 2) expect(reinterpret_cast<Narrow *>(sums.data()), margin.data(), data(weight), int64_t(n), labels);
    else expect(wide(sums), margin.data(), data(weight), int64_t(n), labels);
}

// By bucket: rows, infinite rows, and of the finite ones wl, w2l2, wh (weighted: also w, w2).
void buckets(const Counts &rows, const Counts &infinite, const Table &sums, const Out<const int32_t, nb::ndim<1>> &bucket,
             const Column &loss, const Column &entropy, const Maybe &weight) {
    const size_t n = loss.shape(0), slots = rows.shape(0), columns = weight ? 5 : 3;
    require(infinite.shape(0) == slots && shaped(sums, slots, columns, 4) && bucket.shape(0) == n && entropy.shape(0) == n && fits(weight, n),
            "buckets");
    const int32_t *at = bucket.data();
    for (size_t r = 0; r < n; ++r)
        if (at[r] < 0 || size_t(at[r]) >= slots) throw std::invalid_argument("buckets: bucket out of range");
    const double *l = loss.data(), *h = entropy.data(), *weights = data(weight);
    Outside outside;
    for (size_t r = 0; r < n; ++r) {
        rows.data()[at[r]] += 1;
        if (!(l[r] < HUGE_VAL)) { infinite.data()[at[r]] += 1; continue; }
        Wide *to = wide(sums) + size_t(at[r]) * columns;
        const double w = weights ? weights[r] : 1.0, wl = w * l[r];
        add(to[0], wl); add(to[1], wl * wl); add(to[2], w * h[r]);
        if (weights) { add(to[3], w); add(to[4], w * w); }
    }
}

struct Claimed { const double *margin, *loss, *entropy, *variance, *weight; const uint8_t *right; int64_t rows; };

// claims[bin] += w c, w H, w^2 V; costs[bin] += w l (weighted: also w, w where right, w where infinite).
template <class Sum>
void by_claim(const Claimed &in, int64_t *rows, int64_t *right, int64_t *infinite, Sum *claim, Wide *cost) {
    double c[STRIP];
    int32_t bin[STRIP];
    for (int64_t from = 0; from < in.rows; from += STRIP) {
        const int64_t m = std::min(STRIP, in.rows - from);
        margin_bins(m, in.margin + from, bin);
        claims(m, in.margin + from, c);
        for (int64_t i = 0; i < m; ++i) {
            const int64_t r = from + i, at = bin[i];
            const double w = in.weight ? in.weight[r] : 1.0;
            const bool finite = in.loss[r] < HUGE_VAL;
            rows[at] += 1; right[at] += in.right[r]; infinite[at] += !finite;
            add(claim[at * 3], w * c[i]);
            if (finite) { add(claim[at * 3 + 1], w * in.entropy[r]); add(claim[at * 3 + 2], w * w * in.variance[r]); }
            if (!in.weight) { if (finite) add(cost[at], in.loss[r]); continue; }
            if (finite) add(cost[at * 4], w * in.loss[r]);
            add(cost[at * 4 + 1], w);
            if (in.right[r]) add(cost[at * 4 + 2], w);
            if (!finite) add(cost[at * 4 + 3], w);
        }
    }
}

void confidences(const Out<int64_t, nb::ndim<2>> &counts, const Table &claims, const Table &costs, const Column &margin,
                 const Out<const uint8_t, nb::ndim<1>> &right, const Column &loss, const Column &entropy, const Column &variance, const Maybe &weight) {
    const size_t n = margin.shape(0), words = weight ? 4 : 2;
    require(counts.shape(0) == 3 && counts.shape(1) == MARGIN_BINS && shaped(claims, MARGIN_BINS, 3, words)
                && shaped(costs, MARGIN_BINS, weight ? 4 : 1, 4) && right.shape(0) == n && loss.shape(0) == n && entropy.shape(0) == n
                && variance.shape(0) == n && fits(weight, n), "confidences");
    const Claimed in{margin.data(), loss.data(), entropy.data(), variance.data(), data(weight), right.data(), int64_t(n)};
    int64_t *rows = counts.data();
    Outside outside;
    if (weight) by_claim(in, rows, rows + MARGIN_BINS, rows + 2 * MARGIN_BINS, wide(claims), wide(costs));
    else by_claim(in, rows, rows + MARGIN_BINS, rows + 2 * MARGIN_BINS, reinterpret_cast<Narrow *>(claims.data()), wide(costs));
}

// cells[index] += 1 and w l (where finite), weighted: also w.
void crosstab(const Counts &rows, const Table &sums, const Out<const int32_t, nb::ndim<1>> &index, const Column &loss, const Maybe &weight) {
    const size_t n = loss.shape(0), slots = rows.shape(0), columns = weight ? 2 : 1;
    require(shaped(sums, slots, columns, 4) && index.shape(0) == n && fits(weight, n), "crosstab");
    const int32_t *at = index.data();
    for (size_t r = 0; r < n; ++r)
        if (at[r] < 0 || size_t(at[r]) >= slots) throw std::invalid_argument("crosstab: index out of range");
    Outside outside;
    for (size_t r = 0; r < n; ++r) {
        const double w = weight ? weight->data()[r] : 1.0, l = loss.data()[r];
        Wide *to = wide(sums) + size_t(at[r]) * columns;
        rows.data()[at[r]] += 1;
        if (l < HUGE_VAL) add(to[0], w * l);
        if (weight) add(to[1], w);
    }
}

}  // namespace
}  // namespace xent::histograms

void bind_histograms(nb::module_ &m) {
    using namespace xent::histograms;
    m.attr("LOSS_BINS") = LOSS_BINS;
    m.attr("MARGIN_BINS") = MARGIN_BINS;
    m.def("losses", &losses, nb::arg("rows").noconvert(), nb::arg("sums").noconvert(), nb::arg("loss"), nb::arg("weight").none(),
          "By what rows cost: counts, nats and weights; returns how many rows cost infinitely much.");
    m.def("cells", &cells, nb::arg("margin"), nb::arg("yes"), nb::arg("loss").noconvert(), "What yes/no cells cost, from their logits.");
    m.def("expected", &expected, nb::arg("sums").noconvert(), nb::arg("margin"), nb::arg("weight").none(), nb::arg("labels"),
          "By what outcomes of yes/no cells cost: their probabilities.");
    m.def("buckets", &buckets, nb::arg("rows").noconvert(), nb::arg("infinite").noconvert(), nb::arg("sums").noconvert(), nb::arg("bucket"),
          nb::arg("loss"), nb::arg("entropy"), nb::arg("weight").none(), "By bucket: rows, infinite rows, sums of wl, w2l2, wh (and w, w2).");
    m.def("confidences", &confidences, nb::arg("counts").noconvert(), nb::arg("claims").noconvert(), nb::arg("costs").noconvert(), nb::arg("margin"),
          nb::arg("right"), nb::arg("loss"), nb::arg("entropy"), nb::arg("variance"), nb::arg("weight").none(), "By what the favourite's margin is.");
    m.def("crosstab", &crosstab, nb::arg("rows").noconvert(), nb::arg("sums").noconvert(), nb::arg("index"), nb::arg("loss"), nb::arg("weight").none(),
          "By cell: rows, nats and weights.");
}

// Python's door to isotonic fits: pool adjacent violators in one pass, comparing means without dividing.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "outside.hpp"
#include "pav.hpp"

namespace nb = nanobind;

namespace xent {
namespace {

template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;

// a * b, the exact product of two mantissas as a pair, and a power of two. Neither overflows nor underflows.
struct Product {
    double high, low; int exponent;
    Product(double a, double b) {
        int p = 0, q = 0;
        const double x = std::frexp(a, &p), y = std::frexp(b, &q);
        const double xh = head(x), xl = x - xh, yh = head(y), yl = y - yh;
        high = x * y;
        low = ((xh * yh - high) + xh * yl + xl * yh) + xl * yl;
        exponent = p + q;
        if (high != 0.0 && std::fabs(high) < 0.5) { high *= 2.0; low *= 2.0; --exponent; }   // |high| in [0.5, 1)
    }
    static double head(double x) { const double big = x * 134217729.0; return big - (big - x); }   // 2^27 + 1 (Dekker 1971)
    bool least(const Product &other) const {   // this >= other
        const double mine = high > 0.0 ? 1.0 : high < 0.0 ? -1.0 : 0.0, theirs = other.high > 0.0 ? 1.0 : other.high < 0.0 ? -1.0 : 0.0;
        if (mine != theirs) return mine > theirs;
        if (mine == 0.0) return true;
        if (exponent != other.exponent) return (exponent > other.exponent) == (mine > 0.0);
        return high > other.high || (high == other.high && low >= other.low);
    }
};

struct Run { int64_t start; double ones, weight; };

// Whether a's mean is at least b's.
struct Exact {
    bool operator()(const Run &a, const Run &b) const {
        const double p = a.ones * b.weight, q = b.ones * a.weight, gap = std::fabs(p - q);
        if (gap > 0x1p-50 * (std::fabs(p) + std::fabs(q)) && gap > 0x1p-960 && gap < 0x1p1000) return p > q;   // clear of rounding
        return Product(a.ones, b.weight).least(Product(b.ones, a.weight));
    }
};
struct Counted {   // whole numbers whose products are whole numbers in float64
    bool operator()(const Run &a, const Run &b) const { return a.ones * b.weight >= b.ones * a.weight; }
};

template <class AtLeast>
void pool(int64_t n, const double *ones, const double *weight, std::vector<Run> &runs, AtLeast at_least) {
    for (int64_t i = 0; i < n; ++i) {
        Run run{i, ones[i], weight[i]};
        while (!runs.empty() && at_least(runs.back(), run)) {
            run = {runs.back().start, runs.back().ones + run.ones, runs.back().weight + run.weight};
            runs.pop_back();
        }
        runs.push_back(run);
    }
}

nb::ndarray<nb::numpy, int64_t, nb::ndim<1>> pav(Out<const double, nb::ndim<1>> ones, Out<const double, nb::ndim<1>> weight) {
    const size_t n = ones.shape(0);
    if (weight.shape(0) != n) throw std::invalid_argument("pav: as many weights as ones are needed");
    double total = 0.0, size = 0.0;
    bool whole = true;
    for (size_t i = 0; i < n; ++i) {
        if (!(weight.data()[i] > 0.0)) throw std::invalid_argument("pav: weights must be above 0");
        total += weight.data()[i]; size += std::fabs(ones.data()[i]);
        whole &= (std::trunc(weight.data()[i]) == weight.data()[i]) & (std::trunc(ones.data()[i]) == ones.data()[i]);
    }
    if (!std::isfinite(total) || !std::isfinite(size)) throw std::invalid_argument("pav: only finite sums can be pooled");
    std::vector<Run> runs;
    {
        Outside outside;
        runs.reserve(std::min<size_t>(n, 65536));
        if (whole && total * std::max(total, size) < 0x1p53) pool(int64_t(n), ones.data(), weight.data(), runs, Counted());
        else pool(int64_t(n), ones.data(), weight.data(), runs, Exact());
    }
    int64_t *starts = new int64_t[runs.size() + 1];
    nb::capsule owner(starts, [](void *p) noexcept { delete[] static_cast<int64_t *>(p); });
    for (size_t i = 0; i < runs.size(); ++i) starts[i] = runs[i].start;
    return nb::ndarray<nb::numpy, int64_t, nb::ndim<1>>(starts, {runs.size()}, owner);
}

}  // namespace
}  // namespace xent

void bind_pav(nb::module_ &m) {
    m.def("pav", &xent::pav, nb::arg("ones"), nb::arg("weight"),
          "Where blocks start in the increasing fit of ones / weight (float64, in the order given; equal means are pooled).");
}

// Where rows go by what they cost and by what they claim. Bins are fixed, so that histograms of any rows can be added.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstdint>

#include "accumulator.hpp"
#include "fixed.hpp"
#include "logarithm.hpp"

namespace xent::histograms {
namespace {

inline constexpr int64_t STRIP = 256;   // rows at a time
inline constexpr double PER_NAT = 0x1.71547652b82fep+0;   // 1 / ln 2: bits in a nat, rounded to float64

// Losses in bits: 16 bins a bit below 64 bits, then 4 bits a bin up to 1100 (no float64 probability costs more than 1075),
// then one for what only a logit can cost.
inline constexpr double FINE_BITS = 64.0, MOST_BITS = 1100.0, FINE = 16.0, COARSE = 0.25;
inline constexpr int32_t FINE_BINS = 1024, LOSS_BINS = 1024 + 259 + 1;

// Margins of the favourite: 32 bins a logit from -12 (1,000,000 classes, all alike, are at -13.8) to 52, and what is beyond.
inline constexpr double LEAST_MARGIN = -12.0, PER_MARGIN = 32.0;
inline constexpr int32_t MARGIN_BINS = 64 * 32 + 2;

XENT_CLONES inline void loss_bins(int64_t n, const double *loss, int32_t *bin) {
    for (int64_t r = 0; r < n; ++r) {
        const double bits = loss[r] * PER_NAT, low = bits > 0.0 ? bits : 0.0, top = low < MOST_BITS ? low : MOST_BITS;
        const double place = top < FINE_BITS ? top * FINE : double(FINE_BINS) + (top - FINE_BITS) * COARSE;
        bin[r] = int32_t(place);
    }
}

XENT_CLONES inline void margin_bins(int64_t n, const double *margin, int32_t *bin) {
    for (int64_t r = 0; r < n; ++r) {
        const double place = (margin[r] - LEAST_MARGIN) * PER_MARGIN + 1.0, up = place > 0.0 ? place : 0.0;
        bin[r] = int32_t(up < double(MARGIN_BINS - 1) ? up : double(MARGIN_BINS - 1));
    }
}

// Of a yes/no problem with logit z: what the likelier and the other outcome cost, and the other's probability.
XENT_CLONES inline void outcomes(int64_t n, const double *z, double *near, double *far, double *unlikely) {
    for (int64_t r = 0; r < n; ++r) {
        const double a = z[r] < 0.0 ? -z[r] : z[r], e = exponential(-a);
        near[r] = natural_log1p(e);
        far[r] = a + near[r];
        unlikely[r] = e / (1.0 + e);
    }
}

// Probabilities by what they cost. Those of rows of weight 1 are gathered in integers, as multiples of 2^-50.
template <class Sum>
class Chances {
 public:
    explicit Chances(Sum *sums) : sums_(sums) {}
    ~Chances() { settle(); }
    void add(int64_t n, const int32_t *bin, const double *p) {
        for (int64_t i = 0; i < n; ++i) units_[bin[i]] += Unit::of(p[i]);
        if ((since_ += n) >= ADDITIONS) settle();
    }
    void weigh(int32_t bin, double weighted) { fixed::add(sums_[bin], weighted); }

 private:
    using Unit = fixed::Units<50>;
    static constexpr int64_t ADDITIONS = 4096;   // the room is 2^13, of which one call may take 256
    void settle() {
        for (int32_t b = 0; b < LOSS_BINS; ++b) if (units_[b]) { Unit::add(sums_[b], units_[b]); units_[b] = 0; }
        since_ = 0;
    }
    Sum *sums_;
    int64_t since_ = 0, units_[LOSS_BINS] = {};
};

// What every class of a block [classes][width] costs, and its probability in the place of its logit.
XENT_CLONES inline void class_costs(int64_t n, int64_t k, int64_t width, double *x, double *nll, double *most, double *total) {
    for (int64_t r = 0; r < n; ++r) { most[r] = x[r]; total[r] = 0.0; }
    for (int64_t j = 1; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) most[r] = x[j * width + r] > most[r] ? x[j * width + r] : most[r];
    for (int64_t j = 0; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) {
            const double below = most[r] - x[j * width + r], e = exponential(-below);
            nll[j * width + r] = below;
            x[j * width + r] = e;
            total[r] += e;
        }
    for (int64_t r = 0; r < n; ++r) { most[r] = natural_log(total[r]); total[r] = 1.0 / total[r]; }
    for (int64_t j = 0; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) { nll[j * width + r] += most[r]; x[j * width + r] *= total[r]; }
}

// The same of probabilities.
XENT_CLONES inline void log_costs(int64_t n, const double *p, double *nll) {
    for (int64_t i = 0; i < n; ++i) nll[i] = -natural_log(p[i]);
}

// The probability that belongs to a logit.
XENT_CLONES inline void claims(int64_t n, const double *z, double *p) {
    for (int64_t r = 0; r < n; ++r) {
        const double a = z[r] < 0.0 ? -z[r] : z[r], e = exponential(-a), likely = 1.0 / (1.0 + e);
        p[r] = z[r] < 0.0 ? e * likely : likely;
    }
}

}  // namespace
}  // namespace xent::histograms

void bind_histograms(nanobind::module_ &m);

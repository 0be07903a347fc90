// What a row costs when its logits are multiplied by beta, at 17 betas a factor sqrt 2 apart, with two derivatives.
//
// d_j = z_j - max z (from probabilities log p_j - max log p). The favourite, d = 0, stays out of the sums S_i = sum of
// d_j^i e^(beta d_j), so that nothing of a small loss is lost:
//   loss = log1p(S_0) - beta d_y,  slope = E - d_y with E = S_1 / (1 + S_0),  curvature = S_2 / (1 + S_0) - E^2.
// Two exponentials, e^(d/16) and e^(sqrt 2 d/16), give all 17: each power is the square of the one before (256 times
// the error of the first at the last: 1e-13).
#pragma once

#include <nanobind/nanobind.h>

#include <cstring>

#include "tally.hpp"

namespace xent::temperature {
namespace {

using tally::INF;

inline constexpr int BETAS = 17, CHAIN = 9, LANES = 8;
inline constexpr int64_t STRIP = 32;   // rows whose sums are made together: 14 kB
inline constexpr double FIRST = 0x1p-4, SECOND = 0x1.6a09e667f3bcdp-4;   // 2^-4 and 2^-3.5

// Rows in lanes: d and the first powers of every class but the favourite; classes that are not there (p = 0) add nothing.
XENT_CLONES inline void distances(int64_t n, int64_t k, int64_t width, double *x, const double *most, const int32_t *best,
                                  double *first, double *second) {
    for (int64_t j = 0; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) {
            const double away = x[j * width + r] - most[r];
            const bool counts = (away > -INF) & (best[r] != j);
            const double d = counts ? away : 0.0, one = exponential(d * FIRST), two = exponential(d * SECOND);
            x[j * width + r] = d;
            first[j * width + r] = counts ? one : 0.0;
            second[j * width + r] = counts ? two : 0.0;
        }
}

XENT_CLONES inline void largest(int64_t n, int64_t k, int64_t width, const double *x, double *most, int32_t *best) {
    for (int64_t j = 0; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) {
            const bool ahead = x[j * width + r] > most[r];
            most[r] = ahead ? x[j * width + r] : most[r];
            best[r] = ahead ? int32_t(j) : best[r];
        }
}

XENT_CLONES inline void logarithms(int64_t n, double *x) {
    for (int64_t i = 0; i < n; ++i) x[i] = natural_log(x[i]);
}

typedef double Lanes __attribute__((vector_size(LANES * sizeof(double))));

// S_0, S_1, S_2 of CHAIN betas, each twice the one before: sums[2 beta][i][row]. 27 sums stay in registers.
XENT_CLONES inline void powers(int64_t n, int64_t k, int64_t width, const double *d, const double *e, double *sums) {
    for (int64_t r = 0; r < n; r += LANES) {
        Lanes s[CHAIN][3] = {};
        for (int64_t j = 0; j < k; ++j) {
            Lanes away, power;
            std::memcpy(&away, d + j * width + r, sizeof away);
            std::memcpy(&power, e + j * width + r, sizeof power);
            for (int b = 0; b < CHAIN; ++b) {
                const Lanes slope = power * away;
                s[b][0] += power; s[b][1] += slope; s[b][2] += slope * away;
                power *= power;
            }
        }
        for (int b = 0; b < CHAIN; ++b)
            for (int i = 0; i < 3; ++i) std::memcpy(sums + (b * 6 + i) * STRIP + r, &s[b][i], sizeof(Lanes));
    }
}

// Sums become loss, slope and curvature. truth = d_y.
XENT_CLONES inline void finish(int64_t n, double beta, const double *truth, double *s0, double *s1, double *s2) {
    for (int64_t r = 0; r < n; ++r) {
        const double total = 1.0 + s0[r], mean = s1[r] / total, spread = s2[r] / total - mean * mean;
        s0[r] = natural_log1p(s0[r]) - beta * truth[r];
        s1[r] = mean - truth[r];
        s2[r] = spread > 0.0 ? spread : 0.0;
    }
}

XENT_CLONES inline void find_misfits(int64_t n, const double *x, double most, double *misfit) {
    for (int64_t r = 0; r < n; ++r) misfit[r] = (x[r] <= most) & (x[r] >= -most) ? misfit[r] : 1.0;
}

}  // namespace
}  // namespace xent::temperature

void bind_temperature(nanobind::module_ &m);

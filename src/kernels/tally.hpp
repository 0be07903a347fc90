// What rows of predictions cost, into exact registers. One block of rows at a time: widen to float64 (lanes hold rows),
// judge (loss, entropy, varentropy of every row), then add. Each row's numbers depend on that row only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "accumulator.hpp"
#include "blocksum.hpp"
#include "logarithm.hpp"

namespace xent::tally {

inline constexpr double INF = std::numeric_limits<double>::infinity();
inline constexpr double LARGEST = std::numeric_limits<double>::max();

// Weights whose cubes, times the cube of any loss a float64 probability can have (745), stay inside float64.
inline constexpr double LEAST_WEIGHT = 1e-90, MOST_WEIGHT = 1e90;

// Registers of a group (a class, a label, or all rows of a multi-label problem). Names as in evaluate/tally.py. l loss,
// H entropy, V varentropy, w weight. Sums up to LAST_PLAIN exist without weights too, where w = 1 everywhere.
enum Sum { WL, W2L2, W3L3, WH, W2V, WTOP, WCOMPAT, WLOGSUM, WH_INF, W2V_INF, PLAIN_SUMS,
           W = PLAIN_SUMS, W2, W3, W2L, W3L, W3L2, W_INF, W2_INF, W_RIGHT, W_POSITIVE, WEIGHTED_SUMS,
           WH_LABEL = WEIGHTED_SUMS, SOFT_SUMS };   // the last: of the truth's own entropy, where the truth is a distribution
enum Count { ROWS, INFINITE, RIGHT, POSITIVE, CHANGED, OFF, COUNTS };
enum Fault { FINE, NOT_A_NUMBER, NEGATIVE, ABOVE_ONE, ROW_SUM, WEIGHT, INFINITE_LOGITS };

struct Options { double tolerance; bool renormalise; double least, most; bool clamp, clamp_normalised; };
struct Verdict { int fault = FINE; int64_t row = -1, column = -1; double deviation = 0.0; };

// One block of rows: x and nll are [classes][width], the rest [width].
struct Block {
    int64_t classes, width, rows = 0;
    std::vector<double> x, nll, loss, entropy, variance, margin, top, sum;
    std::vector<int32_t> target, best;
    explicit Block(int64_t k) : classes(k), width(std::clamp<int64_t>(16384 / k / 8 * 8, 16, 256)) {
        x.resize(k * width); nll.resize(k * width);
        for (auto *v : {&loss, &entropy, &variance, &margin, &top, &sum}) v->resize(width);
        target.resize(width); best.resize(width);
    }
};

// How many numbers lie outside [least, most]; NaN does.
XENT_CLONES inline double misfits(int64_t n, const double *x, double least, double most) {
    double count = 0.0;
#pragma omp simd reduction(+ : count)
    for (int64_t r = 0; r < n; ++r) count += (x[r] >= least) & (x[r] <= most) ? 0.0 : 1.0;
    return count;
}

// One probability of "yes" a row. nll = -log p or -log(1-p); V = p(1-p)(log p - log(1-p))^2; margin log p - log(1-p).
XENT_CLONES inline void judge_binary_probs(int64_t n, const double *x, const int32_t *t, double *loss, double *entropy,
                                           double *variance, double *margin) {
    for (int64_t r = 0; r < n; ++r) {
        const double p = x[r], q = 1.0 - p;
        const double yes = -natural_log(p), no = -natural_log1p(-p);
        const double inner = (p > 0.0) & (q > 0.0) ? p * q * (yes - no) * (yes - no) : 0.0;
        entropy[r] = (p > 0.0 ? p * yes : 0.0) + (q > 0.0 ? q * no : 0.0);
        variance[r] = inner;
        margin[r] = no - yes;
        loss[r] = t[r] ? yes : no;
    }
}

// One logit of "yes" a row: with a = |z|, e = exp(-a): nll of the likelier side log1p(e), of the other a + log1p(e).
XENT_CLONES inline void judge_binary_logits(int64_t n, const double *x, const int32_t *t, double *loss, double *entropy,
                                            double *variance, double *margin) {
    for (int64_t r = 0; r < n; ++r) {
        const double z = x[r], a = z < 0.0 ? -z : z;
        const double e = exponential(-a), near = natural_log1p(e), far = a + near;
        const double p = 1.0 / (1.0 + e), q = e * p;
        entropy[r] = p * near + (q > 0.0 ? q * far : 0.0);
        variance[r] = q > 0.0 ? p * q * a * a : 0.0;
        margin[r] = z;
        loss[r] = (z > 0.0) == (t[r] != 0) || z == 0.0 ? near : far;
    }
}

// log p of every class, the entropy of the row, its first largest class, and what the others add up to.
XENT_CLONES inline void spread_probs(int64_t n, int64_t k, int64_t width, double *x, double *nll, double *entropy,
                                     double *most, double *others, int32_t *best) {
    for (int64_t j = 0; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) {
            const double p = x[j * width + r], cost = -natural_log(p), old = most[r];
            const bool ahead = p > old;
            nll[j * width + r] = cost;
            entropy[r] += p > 0.0 ? p * cost : 0.0;
            others[r] += j == 0 ? 0.0 : (ahead ? old : p);
            most[r] = ahead ? p : old;
            best[r] = ahead ? int32_t(j) : best[r];
        }
}

// From logits: x becomes p. m = max; S = sum of exp(z-m) without the first largest; nll_j = (m - z_j) + log1p(S).
XENT_CLONES inline void spread_logits(int64_t n, int64_t k, int64_t width, double *x, double *nll, double *entropy,
                                      double *most, double *others, int32_t *best) {
    for (int64_t j = 0; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) {
            const bool ahead = x[j * width + r] > most[r];
            most[r] = ahead ? x[j * width + r] : most[r];
            best[r] = ahead ? int32_t(j) : best[r];
        }
    for (int64_t j = 0; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) {
            const double below = most[r] - x[j * width + r], e = exponential(-below);
            nll[j * width + r] = below;
            x[j * width + r] = e;
            others[r] += best[r] == j ? 0.0 : e;
        }
    for (int64_t j = 0; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) {
            const double cost = nll[j * width + r] + natural_log1p(others[r]);
            const double p = x[j * width + r] / (1.0 + others[r]);
            nll[j * width + r] = cost;
            x[j * width + r] = p;
            entropy[r] += p > 0.0 ? p * cost : 0.0;
        }
}

XENT_CLONES inline void spread_variance(int64_t n, int64_t k, int64_t width, const double *x, const double *nll,
                                        const double *entropy, double *variance) {
    for (int64_t j = 0; j < k; ++j)
        for (int64_t r = 0; r < n; ++r) {
            const double p = x[j * width + r], away = nll[j * width + r] - entropy[r];
            variance[r] += p > 0.0 ? p * away * away : 0.0;
        }
}

// x becomes p: of every class p and -log p, and of every row the entropy, the favourite, and what the others add up to.
inline void spread(Block &b, bool logits, std::vector<double> &others) {
    std::vector<double> most(b.width, -INF);
    for (auto *v : {&b.entropy, &others}) std::fill(v->begin(), v->end(), 0.0);
    std::fill(b.best.begin(), b.best.end(), 0);
    (logits ? spread_logits : spread_probs)(b.rows, b.classes, b.width, b.x.data(), b.nll.data(), b.entropy.data(), most.data(), others.data(),
                                           b.best.data());
}

// All classes of a row. Top-1 part of the loss: right -log c; wrong -log(1-c), 1-c added up from the other classes.
// The margin is log c - log(1-c) likewise: from logits -log S, where S = (1-c)/c is the sum of the others' exponentials.
inline void judge_classes(Block &b, bool logits) {
    std::vector<double> others(b.width);
    spread(b, logits, others);
    std::fill(b.variance.begin(), b.variance.end(), 0.0);
    const double *nll = b.nll.data();
    spread_variance(b.rows, b.classes, b.width, b.x.data(), nll, b.entropy.data(), b.variance.data());
    for (int64_t r = 0; r < b.rows; ++r) {
        b.loss[r] = nll[b.target[r] * b.width + r];
        const double rest = natural_log(others[r]), wrong = logits ? natural_log1p(others[r]) - rest : -rest;
        b.margin[r] = logits ? -rest : -nll[b.best[r] * b.width + r] - rest;
        b.top[r] = b.best[r] == b.target[r] ? b.loss[r] : std::min(wrong, b.loss[r]);
    }
}

// The registers and counts of all groups, and how many additions each group has had since its last carry.
struct Registers {
    int64_t *sums, *counts; int64_t slots; bool weighted;
    std::vector<uint16_t> since;
    Registers(int64_t *s, int64_t *c, int64_t groups, int64_t slots_)
        : sums(s), counts(c), slots(slots_), weighted(slots_ >= WEIGHTED_SUMS), since(groups, 0) {}
    ~Registers() { for (size_t g = 0; g < since.size(); ++g) if (since[g]) settle(int64_t(g)); }
    void settle(int64_t g) {
        for (int64_t s = 0; s < slots; ++s) carry(sums + (g * slots + s) * DIGITS);
        since[g] = 0;
    }
    int64_t *open(int64_t g, int additions = 1) {
        if (since[g] + additions > ADDITIONS) settle(g);
        since[g] = uint16_t(since[g] + additions);
        return sums + g * slots * DIGITS;
    }
};

struct Row { double loss, entropy, variance, weight, top, logsum; bool right, positive, split; };

// Adds one row (or one cell of a multi-label row) to a group.
inline void enter(Registers &to, int64_t g, const Row &row, const Options &o) {
    int64_t *sums = to.open(g), *counts = to.counts + g * COUNTS;
    const double l = row.loss, w = row.weight, w2 = w * w, l2 = l * l;
    // A power beyond float64 (a loss above 1e102) is held at its largest number: the total stays exact, its error does not.
    const auto put = [sums](int slot, double x) { add(sums + slot * DIGITS, x < LARGEST ? x : LARGEST); };
    counts[ROWS] += 1; counts[RIGHT] += row.right; counts[POSITIVE] += row.positive;
    const bool finite = l < INF, weighted = to.weighted;
    put(finite ? WH : WH_INF, w * row.entropy);
    put(finite ? W2V : W2V_INF, w2 * row.variance);
    if (o.clamp) {
        const double normal = o.clamp_normalised ? l + row.logsum : l, held = std::min(std::max(normal, o.least), o.most);
        counts[CHANGED] += held != l;
        put(WCOMPAT, w * held);
    }
    if (o.renormalise) put(WLOGSUM, w * row.logsum);
    if (weighted) {
        if (row.right) put(W_RIGHT, w);
        if (row.positive) put(W_POSITIVE, w);
        put(finite ? W : W_INF, w); put(finite ? W2 : W2_INF, w2);
    }
    if (!finite) { counts[INFINITE] += 1; return; }
    put(WL, w * l); put(W2L2, w2 * l2); put(W3L3, w2 * w * (l2 * l));
    if (row.split) put(WTOP, w * row.top);
    if (weighted) { put(W3, w2 * w); put(W2L, w2 * l); put(W3L, w2 * w * l); put(W3L2, w2 * w * l2); }
}

// The same for a block of rows of two groups, second[r] != 0 choosing the other one: for rows with finite losses and
// positive weights, where no other convention is asked for. weight may be null. Equal to `enter` row by row, bit for bit.
struct Strip { int64_t rows; const double *loss, *entropy, *variance, *weight; const int32_t *second, *right, *positive; };

XENT_CLONES inline void enter_strip(Registers &to, int64_t first, int64_t other, const Strip &b) {
    double x[BLOCK_ROWS], all[GRIDS], some[GRIDS];
    to.open(first, GRIDS); to.open(other, GRIDS);   // a carry midway forgets at most these: the room allows for that
    const auto put = [&](int slot, auto term) {
        for (int64_t r = 0; r < b.rows; ++r) {
            const double value = term(b.weight ? b.weight[r] : 1.0, b.loss[r], r);
            x[r] = value < LARGEST ? value : LARGEST;
        }
        const int64_t misfits = sum_block(b.rows, x, b.second, all, some);
        int64_t *one = to.open(first, int(misfits)) + slot * DIGITS, *two = to.open(other, int(misfits)) + slot * DIGITS;
        for (int g = 0; g < GRIDS; ++g) { add(two, some[g]); add(one, all[g] - some[g]); }
        for (int64_t r = 0; misfits && r < b.rows; ++r)
            if (!fits(x[r])) add(b.second[r] ? two : one, x[r]);
    };
    put(WL, [](double w, double l, int64_t) { return w * l; });
    put(W2L2, [](double w, double l, int64_t) { return (w * w) * (l * l); });
    put(W3L3, [](double w, double l, int64_t) { return w * w * w * ((l * l) * l); });
    put(WH, [&b](double w, double, int64_t r) { return w * b.entropy[r]; });
    put(W2V, [&b](double w, double, int64_t r) { return (w * w) * b.variance[r]; });
    const auto tell = [&](Count name, auto holds) {
        int32_t both = 0, two = 0;
        for (int64_t r = 0; r < b.rows; ++r) { both += holds(r); two += holds(r) & (b.second[r] != 0); }
        to.counts[first * COUNTS + name] += both - two;
        to.counts[other * COUNTS + name] += two;
    };
    tell(ROWS, [](int64_t) { return 1; });
    tell(RIGHT, [&b](int64_t r) { return int(b.right[r] != 0); });
    tell(POSITIVE, [&b](int64_t r) { return int(b.positive[r] != 0); });
    if (!b.weight) return;
    put(W, [](double w, double, int64_t) { return w; });
    put(W2, [](double w, double, int64_t) { return w * w; });
    put(W3, [](double w, double, int64_t) { return w * w * w; });
    put(W2L, [](double w, double l, int64_t) { return w * w * l; });
    put(W3L, [](double w, double l, int64_t) { return w * w * w * l; });
    put(W3L2, [](double w, double l, int64_t) { return w * w * w * (l * l); });
    put(W_RIGHT, [&b](double w, double, int64_t r) { return b.right[r] ? w : 0.0; });
    put(W_POSITIVE, [&b](double w, double, int64_t r) { return b.positive[r] ? w : 0.0; });
}

// Whether every row of a block can go through `enter_strip`.
inline bool plain(int64_t n, const double *loss, const double *weight, const Options &o) {
    bool good = !o.clamp && !o.renormalise;
    for (int64_t r = 0; r < n; ++r) good &= (loss[r] < INF) & (!weight || weight[r] != 0.0);
    return good;
}

}  // namespace xent::tally

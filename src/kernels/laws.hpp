// What a negative log-likelihood costs: phi(nll) -> (cost, slope = phi', bend = q phi''), p = e^-nll, q = 1 - p.
// `bend` carries the factor q so that it stays finite as nll -> 0. The same laws as src/xent/laws.py; a test holds them equal.
#pragma once
#include "numerics.hpp"
#include "jobs.hpp"

namespace xent {
namespace {

struct Price {
  double cost, slope, bend;
};

enum LawKind { law_log = 0, law_focal = 1, law_poly = 2, law_generalised = 3 };

// e^x in double for x <= 0, one rounding (exp_tail's contract).
XENT_INLINE double exp_of(double x) { return exp_tail<double>(x); }

// Types: double. Range: nll >= 0 (+inf allowed), p and q = 1 - p each with full relative accuracy, nlq = -log q.
// Worst error: a few ulp times max(1, exponent * |log|), the conditioning of the power.
template <int Kind>
XENT_INLINE Price price(double a, double nll, double p, double q, double nlq) {
  if constexpr (Kind == law_focal) {
    double power = a == 0 ? 1.0 : exp_of(-a * nlq);          // q^gamma
    double ratio = q > 0 ? nll / q : 1.0;                    // nll / q -> 1
    ratio = nll > 1e300 ? 0.0 : ratio;                       // p * nll -> 0 as nll -> inf
    double pull = a * p * ratio;
    double bend = power * (a * 2 * p + pull * ((a - 1) * p - q));
    return {power * nll, power * (1 + pull), bend};  // nll = 0: power is finite; NaN stays
  } else if constexpr (Kind == law_poly) {
    return {nll + a * q, 1 + a * p, -a * p * q};
  } else if constexpr (Kind == law_generalised) {
    double x = a * nll, rest = exp_of(-x);                   // p^q
    // (1 - e^-x) / a: nll (1 - x/2 + ...) where 1 - e^-x would cancel, between pairs where it loses a few bits
    double series = nll * (1 - x * (0.5 - x * (1 / 6.0 - x * (1 / 24.0 - x * (1 / 120.0 - x * (1 / 720.0 - x * (1 / 5040.0 - x / 40320.0)))))));
    Exp<double> e = exp_pair(x > 1 ? -1.0 : -x);
    double short_of_one = x > 1 ? 1 - rest : (1 - e.hi * e.scale) - e.lo * e.scale;
    double cost = x < 0.04 ? series : short_of_one / a;
    return {cost, rest, -a * rest * q};
  } else {
    return {nll, 1.0, 0.0};
  }
}

inline Price price(const Law& law, bool positive, double nll, double p, double q, double nlq) {
  switch (law.kind) {
    case law_focal: return price<law_focal>(positive ? law.a : law.b, nll, p, q, nlq);
    case law_poly: return price<law_poly>(law.a, nll, p, q, nlq);
    case law_generalised: return price<law_generalised>(law.a, nll, p, q, nlq);
    default: return price<law_log>(0, nll, p, q, nlq);
  }
}

}  // namespace
}  // namespace xent

// The sigmoid family in double arithmetic: every law, soft targets, logit pipeline, Hessian diagonal. Also what float32
// logits with soft targets use, rounded once at the end.
//
// With big/small and e as in sigmoid_fast.hpp. Worst error, P = t, Q = 1 - t: float64 1.5 ulp (loss) and 1 ulp of the
// larger of the two terms (gradient); float32, rounded once, 0.8 ulp (loss) and 2 ulp (gradient), the latter also near
// its zero, where big - small e cancels: the difference is taken between pairs. Laws other than log: the conditioning of
// the power, a few ulp times max(1, gamma |log q|).
#pragma once
#include "laws.hpp"

namespace xent {
namespace {

constexpr int general_block = 256;

// Contiguous inputs and outputs of one block.
struct GeneralBlock {
  alignas(64) double z[general_block], d1[general_block], d2[general_block];  // logits after the pipe, dz'/dz, d2z'/dz2
  alignas(64) double P[general_block], Q[general_block], P_lo[general_block], Q_lo[general_block];
  alignas(64) double e[general_block], e_lo[general_block];
  alignas(64) double loss[general_block], slope[general_block], curve[general_block];
};

// tanh with full relative accuracy, and 1 - tanh^2: e = e^-2|x|, tanh = (1 - e)/(1 + e), Taylor near 0.
// Types: double. Range: all. Worst error: 2 ulp.
XENT_INLINE Pair<double> tanh_and_slope(double x) {
  double a = magnitude(x);
  Exp<double> ex = exp_pair(-2 * (a > 20 ? 20.0 : a));
  double e = ex.hi * ex.scale, el = ex.lo * ex.scale, d = 1 + e;
  double x2 = x * x;
  // below 0.02 the series x - x^3/3 + 2x^5/15 - 17x^7/315 + 62x^9/2835 errs by less than 2^-56
  double series = a * (1 - x2 * (1 / 3.0 - x2 * (2 / 15.0 - x2 * (17 / 315.0 - x2 * (62 / 2835.0)))));
  double th = a < 0.02 ? series : ((1 - e) - el) / d;
  th = a > 20 ? 1.0 : th;
  double slope = 4 * e / (d * d);
  slope = a > 20 ? 4 * exp_of(-2 * a) : slope;
  return {x < 0 ? -th : th, x != x ? x : slope};
}

inline void pipe_pass(GeneralBlock& b, const double* __restrict bias, double softcap, double temperature, int n) {
  const double inverse = 1 / temperature;
  if (softcap > 0) {
    for (int i = 0; i < n; ++i) {
      double x = (b.z[i] + bias[i]) / softcap;
      Pair<double> th = tanh_and_slope(x);
      b.z[i] = softcap * th.hi / temperature;
      b.d1[i] = th.lo * inverse;
      b.d2[i] = -2 * th.hi * th.lo / softcap * inverse;
    }
  } else {
    for (int i = 0; i < n; ++i) {
      b.z[i] = (b.z[i] + bias[i]) / temperature;
      b.d1[i] = inverse;
      b.d2[i] = 0;
    }
  }
}

inline void general_exp(GeneralBlock& b, int n) {
  for (int i = 0; i < n; ++i) {
    double a = magnitude(b.z[i]);
    a = a > Real<double>::rest_from ? Real<double>::rest_from : a;
    Exp<double> x = exp_pair(-a);
    b.e[i] = x.hi * x.scale;
    b.e_lo[i] = x.lo * x.scale;
  }
}

// log1p(e) for results that are rounded to float32: 2^-41 relative, no low parts.
XENT_INLINE double log1p_lite(double e) {
  bool upper = e > 0.5;
  double f = upper ? (e - 1) * 0.5 : e, f2 = f * f;
  double tail = mad(f2 * f, polynomial(coef::log1p_g12_f64, f), -0.5 * f2);
  return (upper ? coef::ln2_f64 : 0.0) + (f + tail);
}

// softplus(-z), softplus(z), sigma(z), sigma(-z), each with full relative accuracy.
struct Bernoulli {
  double nll_pos, nll_neg, p_pos, p_neg;
};

template <bool Tail>
XENT_INLINE Bernoulli bernoulli(double z, double e, double e_lo) {
  bool up = z >= 0;
  double a = magnitude(z), inverse = 1 / (1 + e);
  Pair<double> l = log1p_pair(e, e_lo, inverse);
  double less = l.hi + l.lo, more = a + less;
  double right = divide_by_one_plus(1.0, 0.0, e, e_lo, inverse), wrong = divide_by_one_plus(e, e_lo, e, e_lo, inverse);
  if (Tail) {
    bool tail = a > Real<double>::rest_from;
    double far = exp_tail(-a);
    less = tail ? far : less;
    more = tail ? a : more;
    right = tail ? 1.0 : right;
    wrong = tail ? far : wrong;
  }
  return {up ? less : more, up ? more : less, up ? right : wrong, up ? wrong : right};
}

// Single: the results are rounded to float32; only the difference big - small e needs its low parts there.
template <bool Single, bool Tail>
inline void general_log(GeneralBlock& b, int n) {
  for (int i = 0; i < n; ++i) {
    double z = b.z[i], e = b.e[i], el = b.e_lo[i], P = b.P[i], Q = b.Q[i], Pl = b.P_lo[i], Ql = b.Q_lo[i];
    bool up = z >= 0;
    double big = up ? Q : P, small = up ? P : Q, total = big + small;
    double a = magnitude(z), inverse = 1 / (1 + e), loss, g;
    double big_lo = up ? Ql : Pl, small_lo = up ? Pl : Ql;
    if (Single) {
      loss = mad(big, a, total * log1p_lite(e));
    } else {
      Pair<double> l = log1p_pair(e, el, inverse);
      double near_a = Tail && a > Real<double>::rest_from ? 0.0 : a;  // keeps infinities out of the error-free steps
      Pair<double> far = two_prod(big, near_a), near = two_prod(total, l.hi);
      Pair<double> sum = two_sum(far.hi, near.hi);
      loss = sum.hi + (sum.lo + mad(total, l.lo, near.lo + mad(big_lo, near_a, far.lo)));
    }
    Pair<double> prod = two_prod(small, e);
    Pair<double> diff = two_sum(big, -prod.hi);
    double nu_lo = diff.lo - prod.lo + big_lo - mad(small, el, small_lo * e);
    g = Single ? (diff.hi + nu_lo) * inverse : divide_by_one_plus(diff.hi, nu_lo, e, el, inverse);
    double h = total * e * inverse * inverse;
    if (Tail) {
      bool tail = a > Real<double>::rest_from;
      double rest = exp_tail_times(-a, total);
      double lost = big == 0 ? 0.0 : big * a;  // 0 * inf = 0
      h = tail ? rest : h;
      loss = tail ? lost + rest : loss;
      g = tail ? big - rest : g;
    }
    b.loss[i] = loss;
    b.slope[i] = up ? g : -g;
    b.curve[i] = h;
  }
}

template <int Kind, bool Tail>
inline void general_law(GeneralBlock& b, const Law& law, int n) {
  const double a_pos = law.a, a_neg = Kind == law_focal ? law.b : law.a;
  for (int i = 0; i < n; ++i) {
    double P = b.P[i], Q = b.Q[i];
    Bernoulli y = bernoulli<Tail>(b.z[i], b.e[i], b.e_lo[i]);
    Price pos = price<Kind>(a_pos, y.nll_pos, y.p_pos, y.p_neg, y.nll_neg);
    Price neg = price<Kind>(a_neg, y.nll_neg, y.p_neg, y.p_pos, y.nll_pos);
    double pq = y.p_pos * y.p_neg;
    double cost_pos = P == 0 ? 0.0 : P * pos.cost, cost_neg = Q == 0 ? 0.0 : Q * neg.cost;
    b.loss[i] = cost_pos + cost_neg;
    b.slope[i] = Q * (neg.slope * y.p_pos) - P * (pos.slope * y.p_neg);
    b.curve[i] = P * (y.p_neg * pos.bend + pos.slope * pq) + Q * (y.p_pos * neg.bend + neg.slope * pq);
  }
}

template <bool Tail>
inline void general_price(GeneralBlock& b, const Law& law, bool single, int n) {
  switch (law.kind) {
    case law_focal: return general_law<law_focal, Tail>(b, law, n);
    case law_poly: return general_law<law_poly, Tail>(b, law, n);
    case law_generalised: return general_law<law_generalised, Tail>(b, law, n);
    default: return single ? general_log<true, Tail>(b, n) : general_log<false, Tail>(b, n);
  }
}

// NaN says no: it flows through either branch.
inline bool general_tail(const double* __restrict z, int n) {
  int beyond = 0;
  for (int i = 0; i < n; ++i) beyond |= int(magnitude(z[i]) > Real<double>::rest_from);
  return beyond != 0;
}

// Loss, slope and curvature of the block with respect to the caller's logits.
inline void general_kernel(GeneralBlock& b, const Law& law, bool piped, bool single, int n) {
  general_exp(b, n);
  if (general_tail(b.z, n)) general_price<true>(b, law, single, n);
  else general_price<false>(b, law, single, n);
  if (piped) {
    for (int i = 0; i < n; ++i) {
      b.curve[i] = b.curve[i] * (b.d1[i] * b.d1[i]) + b.slope[i] * b.d2[i];
      b.slope[i] *= b.d1[i];
    }
  }
  for (int i = 0; i < n; ++i) {  // weight 0: exactly 0, whatever the logit holds
    bool off = b.P[i] == 0 && b.Q[i] == 0;
    b.loss[i] = off ? 0.0 : b.loss[i];
    b.slope[i] = off ? 0.0 : b.slope[i];
    b.curve[i] = off ? 0.0 : b.curve[i];
  }
}

}  // namespace
}  // namespace xent

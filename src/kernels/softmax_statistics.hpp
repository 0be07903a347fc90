// One softmax row in double: logits with what rounding took from them, e^{z-m}, and sums that leave the classes which
// matter out of the sum, so that 1 - p and -log p keep their digits.
#pragma once
#include "softmax_targets.hpp"

namespace xent {
namespace {

constexpr int lanes = 16;
constexpr i64 lane_chunk = 512;

// Sum of term(0) ... term(n-1) in 16 compensated lanes and a fixed tree. Types: double. Worst error: 1 ulp for terms of
// one sign, whatever n; the terms' own roundings come on top.
template <class F>
XENT_INLINE double lane_sum(i64 n, const F& term) {
  alignas(64) double x[lane_chunk], hi[lanes] = {}, lo[lanes] = {};
  for (i64 first = 0; first < n; first += lane_chunk) {
    int m = int(n - first < lane_chunk ? n - first : lane_chunk);
#pragma omp simd
    for (int j = 0; j < m; ++j) x[j] = term(first + j);
    int padded = (m + lanes - 1) / lanes * lanes;
    for (int j = m; j < padded; ++j) x[j] = 0;
    for (int j = 0; j < padded; j += lanes)
      for (int l = 0; l < lanes; ++l) {
        Pair<double> s = two_sum(hi[l], x[j + l]);
        hi[l] = s.hi;
        lo[l] += s.lo;
      }
  }
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int l = 0; l < width; ++l) {
      Pair<double> s = two_sum(hi[l], hi[l + width]);
      hi[l] = s.hi;
      lo[l] += lo[l + width] + s.lo;
    }
  double total = hi[0] + lo[0];
  return total == total ? total : hi[0];  // an infinite sum has no low part
}

XENT_INLINE double times(double a, double b) { return a == 0 ? 0.0 : a * b; }  // 0 * inf = 0
XENT_INLINE bool finite(double x) { return x - x == 0; }

// The arrays of one row, in one thread's scratch; those not needed are null.
struct RowArrays {
  double *z, *z_lo, *e, *u, *bend, *v, *first, *second, *g, *h;
};

struct Statistics {
  double m = 0, m_lo = 0;  // the top logit
  i64 top = 0;
  double rest = 0;         // sum of e over all classes but top and y
  double e_y = 1;
  double others = 0;       // ... but top: S = 1 + others
  double log_sum = 0;      // log1p(others) = lse - m
  bool lost = false;       // NaN, two +inf, or nothing but -inf: the row has no limit
};

// z' = softcap tanh((z + bias)/softcap)/temperature with its low part and both derivatives. Worst error of z' + z_lo:
// 2^-56 relative.
inline void pipe_row(const Pipe& pipe, i64 n, const RowArrays& a) {
  const double temperature = pipe.temperature, cap = pipe.softcap;
  const i64 step = pipe.bias_len > 1 ? 1 : 0;
  double *__restrict z = a.z, *__restrict z_lo = a.z_lo, *__restrict first = a.first, *__restrict second = a.second;
  static const double none = 0;
  const double* __restrict bias = pipe.bias ? pipe.bias : &none;
  const i64 bias_step = pipe.bias ? step : 0;
  for (i64 k = 0; k < n; ++k) {
    Pair<double> x = two_sum(z[k], bias[k * bias_step]);
    z[k] = x.hi;
    z_lo[k] = finite(x.hi) ? x.lo : 0.0;
    first[k] = 1 / temperature;
    second[k] = 0;
  }
  if (cap > 0) {
#pragma omp simd
    for (i64 k = 0; k < n; ++k) {
      double zk = z[k], u = zk / cap;
      Pair<double> back = two_prod(u, cap);
      double u_lo = finite(u) ? (((zk - back.hi) - back.lo) + z_lo[k]) / cap : 0.0;
      double a2 = -2 * magnitude(u), a2_lo = u < 0 ? 2 * u_lo : -2 * u_lo;
      bool far = a2 < -700;
      a2_lo = far ? 0.0 : a2_lo;
      a2 = far ? -700.0 : a2;
      Exp<double> e = exp_pair(a2);
      e.lo = mad(e.hi, a2_lo, e.lo);
      // tanh|u| = -expm1(a)/(2 + expm1(a)), a = -2|u|, numerator and denominator as pairs
      Pair<double> one = fast_two_sum(1.0, -e.hi * e.scale);
      Pair<double> num = fast_two_sum(one.hi, one.lo - e.lo * e.scale);
      Pair<double> den = fast_two_sum(2.0, -num.hi);
      double q = num.hi / den.hi;
      Pair<double> p = two_prod(q, den.hi);
      double q_lo = (((num.hi - p.hi) - p.lo) + num.lo - q * (den.lo - num.lo)) / den.hi;
      double ee = (e.hi + e.lo) * e.scale, sech2 = 4 * ee / (den.hi * den.hi);
      double sign = u < 0 ? -1.0 : 1.0;
      sech2 = far ? 0.0 : sech2;
      Pair<double> c = two_prod(cap, q);
      z[k] = u == u ? sign * c.hi : u;
      z_lo[k] = u == u ? sign * (c.lo + cap * q_lo) : 0.0;
      first[k] = sech2 / temperature;
      second[k] = -2 * sign * q * sech2 / (cap * temperature);
    }
  }
  if (temperature == 1) return;
  for (i64 k = 0; k < n; ++k) {
    double x = z[k], y = x / temperature;
    Pair<double> back = two_prod(y, temperature);
    double low = (((x - back.hi) - back.lo) + z_lo[k]) / temperature;
    z[k] = y;
    z_lo[k] = finite(y) ? low : 0.0;
  }
}

// What the row holds: its top, and whether it has a limit.
inline Statistics find_top(const double* __restrict z, const double* __restrict z_lo, i64 n) {
  Statistics s;
  double m = -__builtin_inf(), strange = 0, hot = 0;
#pragma omp simd reduction(max : m) reduction(+ : strange, hot)
  for (i64 k = 0; k < n; ++k) {
    double x = z[k];
    m = x > m ? x : m;
    strange += x != x ? 1.0 : 0.0;
    hot += x == __builtin_inf() ? 1.0 : 0.0;
  }
  double top = double(n);
#pragma omp simd reduction(min : top)
  for (i64 k = 0; k < n; ++k) {
    double at = z[k] == m ? double(k) : double(n);
    top = at < top ? at : top;
  }
  s.lost = strange > 0 || hot > 1 || m == -__builtin_inf();
  s.m = m;
  s.top = s.lost ? 0 : i64(top);
  s.m_lo = z_lo ? z_lo[s.top] : 0.0;
  return s;
}

// z - m as a pair; the top itself gives 0, which also settles inf - inf.
XENT_INLINE Pair<double> below_top(double z, double z_lo, double m, double m_lo) {
  Pair<double> d = two_sum(z, -m);
  bool usual = d.hi > -__builtin_inf();
  double hi = z == m ? 0.0 : d.hi, lo = d.lo + (z_lo - m_lo);
  lo = z == m ? z_lo - m_lo : lo;
  return {hi, usual && m < __builtin_inf() ? lo : 0.0};
}

// e^{x + x_lo}, x <= 0, |x_lo| <= 2^-43: the low part meets e^x as a factor 1 + x_lo. Worst error: 0.51 ulp.
XENT_INLINE double exp_below(double x, double x_lo) {
  using R = Real<double>;
  bool gone = x < R::exp_floor;
  double clamped = gone ? R::exp_floor : x, low = gone ? 0.0 : x_lo;
  Exp<double> e = exp_pair(clamped);
  return ((e.hi + mad(e.hi, low, e.lo)) * lifted_scale(clamped)) * R::drop;
}

// e_k = e^{z_k - m}, each within 0.51 ulp, and the sums without top and y (y < 0: without top).
inline void sum_row(const RowArrays& a, i64 n, i64 y, Statistics& s) {
  const double *__restrict z = a.z, *__restrict z_lo = a.z_lo;
  double* __restrict e = a.e;
  const double m = s.m, m_lo = s.m_lo;
  if (z_lo) {
#pragma omp simd
    for (i64 k = 0; k < n; ++k) {
      Pair<double> d = below_top(z[k], z_lo[k], m, m_lo);
      e[k] = exp_below(d.hi, d.lo);
    }
  } else {
#pragma omp simd
    for (i64 k = 0; k < n; ++k) {
      Pair<double> d = below_top(z[k], 0.0, m, 0.0);
      e[k] = exp_below(d.hi, d.lo);
    }
  }
  s.e_y = y >= 0 ? e[y] : 0.0;
  e[s.top] = 0;
  if (y >= 0) e[y] = 0;
  s.rest = lane_sum(n, [&](i64 k) { return e[k]; });
  e[s.top] = 1;
  if (y >= 0) e[y] = s.e_y;
  s.others = y >= 0 && y != s.top ? s.rest + s.e_y : s.rest;
  s.log_sum = __builtin_log1p(s.others);
}

}  // namespace
}  // namespace xent

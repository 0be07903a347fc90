// One softmax row in double, every option: any target, law and pipe, Hessian diagonal and product, masked and infinite
// logits. The fast path (softmax_tile.hpp) takes the usual rows; the formulas are derived in docs/derivations.md.
//
//   u_k = t'_k c_k phi'(nll_k)          gradient  = (sum u) p - u
//   bend_k = t'_k c_k q_k phi''(nll_k)  Hessian v = sum u (p.v - p<p,v>) + p sum_k g_k - g,  g_k = bend_k/q_k (<p,v> - v_k)
#pragma once
#include "laws.hpp"
#include "softmax_statistics.hpp"

namespace xent {
namespace {

// What a row's derivatives are made of. Of a hard row only y has u and bend, of a soft one the arrays hold them.
struct RowTerms {
  double loss = 0, p_top = 1, q_top = 0, inverse = 1;  // inverse = 1/S
  double u = 0, u_rest = 0, u_top = 0;                 // sum of u, the same without top, top's
  double steep = 0, bend_top = 0;                      // sum of bend_k/q_k without top; top's bend
  double z_slope = 0, z_lift = 0;                      // of the z-loss: 2 lambda W lse and 2 lambda W
};

struct RowTarget {
  double weight, effective, mass;  // weight and effective weight times scale
  i64 y;
};

// t'_k c_k weight into a.u, where the row is soft; a row that comes down to one class becomes hard.
inline void spread_target(const SoftmaxJob& job, i64 r, const RowArrays& a, RowTarget& t) {
  const i64 n = job.classes;
  const double eps = job.smoothing;
  if (t.y >= 0 && eps == 0) {
    t.mass *= t.weight * (job.class_loss ? job.class_loss[t.y] : 1.0);
    return;
  }
  double *__restrict u = a.u, *__restrict z = a.z;
  if (t.y < 0) fill_target(job, r, u);
  else {
    for (i64 k = 0; k < n; ++k) u[k] = 0;
    u[t.y] = t.mass;
  }
  if (eps != 0) {
    const double even = 1 / double(n);
    double there = 0, masked = 0;
    for (i64 k = 0; k < n; ++k) masked += z[k] == -__builtin_inf() && u[k] == 0 ? 1.0 : 0.0;
    there = masked == 0 ? 1.0 : lane_sum(n, [&](i64 k) {
      double at = job.prior ? job.prior[k] : even;
      return z[k] == -__builtin_inf() && u[k] == 0 ? 0.0 : at;
    });
    const double share = there > 0 ? eps / there : 0.0;
    for (i64 k = 0; k < n; ++k) {
      double at = z[k] == -__builtin_inf() && u[k] == 0 ? 0.0 : job.prior ? job.prior[k] : even;
      u[k] = (1 - eps) * u[k] + share * at;
    }
  }
  double nonzero = 0, last = 0;
  for (i64 k = 0; k < n; ++k) {
    u[k] = u[k] * (job.class_loss ? job.class_loss[k] : 1.0) * t.weight;
    nonzero += u[k] != 0 ? 1.0 : 0.0;
    last = u[k] != 0 ? double(k) : last;
  }
  t.y = nonzero > 1 ? -1 : i64(last);
  t.mass = nonzero > 1 ? 0.0 : u[i64(last)];
}

inline void hard_terms(const SoftmaxJob& job, const RowArrays& a, const Statistics& s, const RowTarget& t, RowTerms& x) {
  const bool on_top = t.y == s.top;
  Pair<double> d = below_top(a.z[t.y], a.z_lo ? a.z_lo[t.y] : 0.0, s.m, s.m_lo);
  const double nll = on_top ? s.log_sum : (s.log_sum - d.lo) - d.hi;
  const double p = on_top ? x.p_top : s.e_y * x.inverse, q = on_top ? x.q_top : (1 + s.rest) * x.inverse;
  const double nlq = job.law.kind != law_focal ? 0.0 : on_top ? __builtin_log1p(1 / s.others) : -__builtin_log1p(-p);
  Price price_y = price(job.law, true, nll, p, q, nlq);
  x.loss = times(t.mass, price_y.cost);
  x.u = t.mass * price_y.slope;
  const double bend = t.mass * price_y.bend;
  if (on_top) x.u_top = x.u, x.bend_top = bend;
  else x.u_rest = x.u, x.steep = bend / q;
}

template <int Kind>
inline void soft_prices(double exponent, const RowArrays& a, i64 n, const Statistics& s, const RowTerms& x, double* __restrict cost) {
  double *__restrict u = a.u, *__restrict bend = a.bend;
  const double* __restrict e = a.e;
  for (i64 k = 0; k < n; ++k) {
    if (u[k] == 0) { cost[k] = 0, bend[k] = 0; continue; }
    bool on_top = k == s.top;
    Pair<double> d = below_top(a.z[k], a.z_lo ? a.z_lo[k] : 0.0, s.m, s.m_lo);
    double nll = on_top ? s.log_sum : (s.log_sum - d.lo) - d.hi;
    double p = on_top ? x.p_top : e[k] * x.inverse, q = on_top ? x.q_top : 1 - p;
    double nlq = Kind != law_focal ? 0.0 : on_top ? __builtin_log1p(1 / s.others) : -__builtin_log1p(-p);
    Price here = price<Kind>(exponent, nll, p, q, nlq);
    cost[k] = times(u[k], here.cost);
    bend[k] = u[k] * here.bend;
    u[k] *= here.slope;
  }
}

inline void soft_terms(const SoftmaxJob& job, const RowArrays& a, const Statistics& s, RowTerms& x) {
  const i64 n = job.classes, top = s.top;
  const double *__restrict u = a.u, *__restrict z = a.z, *__restrict z_lo = a.z_lo;
  if (job.law.kind == law_log) {
    const double m = s.m, m_lo = s.m_lo, log_sum = s.log_sum;
    auto cost = [&](i64 k, double low) {
      Pair<double> d = below_top(z[k], low, m, m_lo);
      double nll = (log_sum - d.lo) - d.hi;
      return u[k] == 0 ? 0.0 : u[k] * nll;
    };
    x.loss = z_lo ? lane_sum(n, [&](i64 k) { return cost(k, z_lo[k]); }) : lane_sum(n, [&](i64 k) { return cost(k, 0.0); });
  } else {
    double* cost = a.g;
    if (job.law.kind == law_focal) soft_prices<law_focal>(job.law.a, a, n, s, x, cost);
    else if (job.law.kind == law_poly) soft_prices<law_poly>(job.law.a, a, n, s, x, cost);
    else soft_prices<law_generalised>(job.law.a, a, n, s, x, cost);
    x.loss = lane_sum(n, [&](i64 k) { return cost[k]; });
  }
  x.u_top = u[top];
  a.u[top] = 0;
  x.u_rest = lane_sum(n, [&](i64 k) { return u[k]; });
  a.u[top] = x.u_top;
  x.u = x.u_rest + x.u_top;
  if (job.law.kind == law_log) return;
  const double *__restrict bend = a.bend, *__restrict e = a.e, inverse = x.inverse;
  x.bend_top = bend[top];
  x.steep = lane_sum(n, [&](i64 k) { return k == top ? 0.0 : bend[k] / (1 - e[k] * inverse); });
}

inline void gradient_row(const RowArrays& a, i64 n, const Statistics& s, const RowTarget& t, const RowTerms& x) {
  double* __restrict g = a.g;
  const double* __restrict e = a.e;
  const double z_slope = s.m == __builtin_inf() ? 0.0 : x.z_slope;
  const double k = (x.u + z_slope) / (1 + s.others), sum = 1 + s.others;
  if (t.y >= 0) {
    for (i64 j = 0; j < n; ++j) g[j] = k * e[j];
    if (t.y != s.top) g[t.y] = z_slope * (s.e_y * x.inverse) - x.u * ((1 + s.rest) / sum);
    else g[t.y] = z_slope * x.p_top - x.u * (s.others / sum);
  } else {
    const double* __restrict u = a.u;
    for (i64 j = 0; j < n; ++j) g[j] = k * e[j] - u[j];
    g[s.top] = x.p_top * (x.u_rest + z_slope) - x.u_top * x.q_top;
  }
  if (s.m == __builtin_inf()) g[s.top] += x.z_slope;
}

// Entry j of the Hessian's diagonal, j not the top.
XENT_INLINE double curve(const RowTerms& x, double e, double bend, double others) {
  double p = e * x.inverse, q = 1 - p;
  return (x.u + x.z_slope) * p * q + p * p * (x.steep - bend / q + x.z_lift) + x.bend_top * p * (e / others) + bend * q;
}

inline void hessian_row(const RowArrays& a, i64 n, const Statistics& s, const RowTarget& t, RowTerms x) {
  double* __restrict h = a.h;
  const double* __restrict e = a.e;
  if (s.m == __builtin_inf()) x.z_slope = 0;
  const double others = s.others > 0 ? s.others : 1.0;
  if (t.y >= 0 || !a.bend) {
    for (i64 j = 0; j < n; ++j) h[j] = curve(x, e[j], 0.0, others);
    if (t.y >= 0 && t.y != s.top) h[t.y] = curve(x, e[t.y], x.steep * (1 - e[t.y] * x.inverse), others);
  } else {
    const double* __restrict bend = a.bend;
    for (i64 j = 0; j < n; ++j) h[j] = curve(x, e[j], bend[j], others);
  }
  h[s.top] = (x.u + x.z_slope) * x.p_top * x.q_top + x.p_top * x.p_top * (x.steep + x.z_lift) + x.bend_top * x.q_top;
}

inline void product_row(const RowArrays& a, i64 n, const Statistics& s, const RowTarget& t, RowTerms x) {
  double* __restrict h = a.h;
  const double *__restrict e = a.e, *__restrict v = a.v, *__restrict bend = t.y >= 0 ? nullptr : a.bend;
  if (s.m == __builtin_inf()) x.z_slope = 0;
  const double v_top = v[s.top], inverse = x.inverse;
  const double spread = lane_sum(n, [&](i64 k) { return e[k] * (v[k] - v_top); });  // without top by itself
  const double d_top = spread * inverse, mean = v_top + d_top;                      // <p,v> - v_top, <p,v>
  const double g_top = s.others > 0 ? x.bend_top * (spread / s.others) : 0.0;
  double g_rest = 0;
  if (bend) g_rest = lane_sum(n, [&](i64 k) { return k == s.top ? 0.0 : bend[k] / (1 - e[k] * inverse) * (mean - v[k]); });
  else if (t.y >= 0 && t.y != s.top) g_rest = x.steep * (mean - v[t.y]);
  const double slope = x.u + x.z_slope, all = g_rest + g_top + x.z_lift * mean;
  for (i64 j = 0; j < n; ++j) {
    double p = e[j] * inverse;
    h[j] = p * (slope * (v[j] - mean) + all);
  }
  if (bend) for (i64 j = 0; j < n; ++j) h[j] -= bend[j] / (1 - e[j] * inverse) * (mean - v[j]);
  else if (t.y >= 0 && t.y != s.top) h[t.y] -= x.steep * (mean - v[t.y]);
  h[s.top] = x.p_top * (g_rest + x.z_lift * mean - slope * d_top) - x.q_top * g_top;
}

// Derivatives in z' to derivatives in the caller's z.
inline void chain_row(const SoftmaxJob& job, const RowArrays& a) {
  const double *__restrict first = a.first, *__restrict second = a.second;  // of a product, second holds second * v
  double *__restrict g = a.g, *__restrict h = a.h;
  for (i64 k = 0; h && k < job.classes; ++k)
    h[k] = times(job.v ? first[k] : first[k] * first[k], h[k]) + times(second[k], g[k]);
  for (i64 k = 0; k < job.classes; ++k) g[k] = times(first[k], g[k]);
}

// Loss of the row, scale and weights included; derivatives into a.g and a.h, those that exist.
inline double general_row(const SoftmaxJob& job, i64 r, RowTarget t, const RowArrays& a) {
  const i64 n = job.classes;
  load(a.z, cube_row(job.z, r, job.inner), job.z.type, job.z.stride[1], n);
  if (a.v) load(a.v, cube_row(job.v, r, job.inner), job.v.type, job.v.stride[1], n);
  if (job.pipe.on) pipe_row(job.pipe, n, a);
  spread_target(job, r, a, t);
  Statistics s = find_top(a.z, a.z_lo, n);
  if (s.lost) {
    for (i64 k = 0; a.g && k < n; ++k) a.g[k] = __builtin_nan("");
    for (i64 k = 0; a.h && k < n; ++k) a.h[k] = __builtin_nan("");
    return __builtin_nan("");
  }
  sum_row(a, n, t.y, s);
  RowTerms x;
  x.inverse = 1 / (1 + s.others);
  x.p_top = x.inverse;
  x.q_top = s.others / (1 + s.others);
  if (t.y >= 0) hard_terms(job, a, s, t, x);
  else soft_terms(job, a, s, x);
  const double lse = s.m + (s.m_lo + s.log_sum), lambda = job.z_loss * t.effective;
  x.loss += times(lambda, lse * lse);
  x.z_slope = times(2 * lambda, lse);
  x.z_lift = 2 * lambda;
  if (!job.grad && !job.hess) return x.loss;
  gradient_row(a, n, s, t, x);
  for (i64 k = 0; job.v && job.pipe.on && k < n; ++k) {
    a.second[k] = times(a.second[k], a.v[k]);
    a.v[k] = times(a.first[k], a.v[k]);
  }
  if (job.v) product_row(a, n, s, t, x);
  else if (job.hess) hessian_row(a, n, s, t, x);
  if (job.pipe.on) chain_row(job, a);
  return x.loss;
}

}  // namespace
}  // namespace xent

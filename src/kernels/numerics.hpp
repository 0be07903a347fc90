// Elementary functions as unevaluated pairs (hi + lo): exp of a reduced argument, log1p on [0, 1], error-free steps.
// Scalar-looking on purpose: the compiler vectorises the loops that inline them. Compiled once per instruction-set
// level, so everything has internal linkage. Coefficients and their certificates: coefficients.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "coefficients.hpp"

#define XENT_INLINE inline __attribute__((always_inline))

namespace xent {
namespace {

template <class To, class From>
XENT_INLINE To bit_cast(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To out;
  __builtin_memcpy(&out, &value, sizeof(To));
  return out;
}

template <class T>
struct Real;

template <>
struct Real<float> {
  using Bits = std::uint32_t;
  static constexpr float round = 0x1.8p23f + 127.0f;  // adding it rounds to an integer and leaves the biased exponent in the low bits
  static constexpr int shift = 23;
  static constexpr Bits sign = 0x80000000u;
  static constexpr Bits head = 0xFFFFF000u;  // 12 leading significant bits: products of two heads are exact
  static constexpr float log2e = coef::log2e_f32, ln2 = coef::ln2_f32, ln2_tail = coef::ln2_tail_f32;
  static constexpr float rest_from = 20.0f;   // beyond it e^-|z| < 2^-28: log1p(e) = e, 1 + e = 1 in float32
  static constexpr float largest = 0x1.fffffep127f;
  static constexpr float exp_floor = -110.0f;  // e^-110 rounds to 0, subnormals included
  static constexpr float far_floor = -130.0f;  // the least x of exp_tail_times
  static constexpr float drop = 0x1p-64f;  // takes back lift_bits
  static constexpr int lift_bits = 64;
};

template <>
struct Real<double> {
  using Bits = std::uint64_t;
  static constexpr double round = 0x1.8p52 + 1023.0;
  static constexpr int shift = 52;
  static constexpr Bits sign = 0x8000000000000000u;
  static constexpr Bits head = 0xFFFFFFFFF8000000u;  // 26 leading significant bits
  static constexpr double log2e = coef::log2e_f64, ln2 = coef::ln2_f64, ln2_tail = coef::ln2_tail_f64;
  static constexpr double rest_from = 700.0;   // beyond it e^-|z| and its low part leave the normal range
  static constexpr double largest = 0x1.fffffffffffffp1023;
  static constexpr double exp_floor = -760.0;
  static constexpr double far_floor = -790.0;
  static constexpr double drop = 0x1p-128;
  static constexpr int lift_bits = 128;
};

template <class T>
XENT_INLINE T magnitude(T x) {
  return bit_cast<T>(bit_cast<typename Real<T>::Bits>(x) & ~Real<T>::sign);
}

template <class T>
XENT_INLINE T head_of(T x) {
  return bit_cast<T>(bit_cast<typename Real<T>::Bits>(x) & Real<T>::head);
}

// a*b + c, fused where the level has FMA (rounding then differs between levels, within the stated errors).
XENT_INLINE float mad(float a, float b, float c) {
#ifdef __FMA__
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
XENT_INLINE double mad(double a, double b, double c) {
#ifdef __FMA__
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

template <class T>
struct Pair {
  T hi, lo;
};

// a + b exactly, for |a| >= |b| or a == 0.
template <class T>
XENT_INLINE Pair<T> fast_two_sum(T a, T b) {
  T s = a + b;
  return {s, (a - s) + b};
}

// a + b exactly, any order (Knuth).
template <class T>
XENT_INLINE Pair<T> two_sum(T a, T b) {
  T s = a + b;
  T bb = s - a;
  return {s, (a - (s - bb)) + (b - bb)};
}

// a * b exactly (barring underflow): FMA residue, or products of 12/26-bit heads (Dekker).
template <class T>
XENT_INLINE Pair<T> two_prod(T a, T b) {
  T p = a * b;
#ifdef __FMA__
  return {p, mad(a, b, -p)};
#else
  T ah = head_of(a), al = a - ah, bh = head_of(b), bl = b - bh;
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
#endif
}

// The N coefficients at c in x, as `Ways` Horner chains in x^Ways side by side: two for short sets, four for long ones.
// A few multiplications more than Horner, a fraction of its latency; Estrin's scheme costs more of what these loops wait for.
template <int N, int Ways, class T>
XENT_INLINE T chain(const T* c, T power) {
  if constexpr (N <= Ways) return c[0];
  else return mad(chain<N - Ways, Ways>(c + Ways, power), power, c[0]);
}

template <class T, std::size_t N>
XENT_INLINE T polynomial(const T (&c)[N], T x) {
  constexpr int n = int(N);
  T x2 = x * x;
  if constexpr (n <= 10) {
    return mad(chain<n - 1, 2>(c + 1, x2), x, chain<n, 2>(c, x2));
  } else {
    T x4 = x2 * x2;
    T low = mad(chain<n - 1, 4>(c + 1, x4), x, chain<n, 4>(c, x4));
    T high = mad(chain<n - 3, 4>(c + 3, x4), x, chain<n - 2, 4>(c + 2, x4));
    return mad(high, x2, low);
  }
}

// e^x = (hi + lo) * scale, scale = 2^n.
// Types: float, double. Range: float |x| <= 87, double |x| <= 707 for a normal `scale`; the pair itself is right for
// |x| <= 1000, see exp_tail. NaN gives NaN. Worst error of the pair: 2^-27.4 (float), 2^-56 (double), relative.
template <class T>
struct Exp {
  T hi, lo, scale;
};

XENT_INLINE Pair<float> reduce(float x, float n) {
  float r0 = mad(n, -coef::ln2_l1_f32, x);  // exact: l1 has 9 significant bits
#ifdef __FMA__
  float r = mad(n, coef::ln2_l2_fma_f32, r0);
  return {r, mad(n, coef::ln2_l2_fma_f32, r0 - r)};
#else
  float r = r0 - n * coef::ln2_l2_f32;
  float rl = ((r0 - r) - n * coef::ln2_l2_f32) - n * coef::ln2_l3_f32;
  return {r, rl + rl * r};  // up to 4 ulp of r here: e^rl = 1 + rl meets e^r
#endif
}
XENT_INLINE Pair<double> reduce(double x, double n) {
  double r0 = mad(n, -coef::ln2_hi_f64, x);  // exact: hi has 33 significant bits
  double r = mad(n, -coef::ln2_lo_f64, r0);
  return {r, mad(n, -coef::ln2_lo_f64, r0 - r)};
}
XENT_INLINE float exp_q(float r) { return polynomial(coef::exp_q4_f32, r); }
XENT_INLINE double exp_q(double r) { return polynomial(coef::exp_q10_f64, r); }

template <class T>
XENT_INLINE Exp<T> exp_pair(T x) {
  using R = Real<T>;
  T t = mad(x, R::log2e, R::round);
  T n = t - R::round;
  T scale = bit_cast<T>(bit_cast<typename R::Bits>(t) << R::shift);
  Pair<T> r = reduce(x, n);
  T w = mad(exp_q(r.hi), r.hi * r.hi, r.lo);
  T h = 1 + r.hi;
  T l = ((1 - h) + r.hi) + w;
  T hi = h + l;
  return {hi, (h - hi) + l, scale};
}

// The `scale` of exp_pair(x) times 2^lift_bits: a normal number where `scale` is none. `drop` takes the factor back.
template <class T>
XENT_INLINE T lifted_scale(T x) {
  using R = Real<T>;
  return bit_cast<T>(bit_cast<typename R::Bits>(mad(x, R::log2e, R::round) + R::lift_bits) << R::shift);
}

// e^x rounded once, for x <= 0 down to -inf, subnormal results and 0 included. Worst error 0.51 ulp where the result is
// normal, 0.76 ulp where it is subnormal. NaN gives NaN.
template <class T>
XENT_INLINE T exp_tail(T x) {
  using R = Real<T>;
  T clamped = x < R::exp_floor ? R::exp_floor : x;
  Exp<T> e = exp_pair(clamped);
  T lifted = lifted_scale(clamped);
  return (e.hi * lifted) * R::drop;
}

// w e^x for x <= 0, w >= 0: a large w meets e^x before that leaves the normal range; 0 below far_floor. NaN gives NaN.
// Worst error 1.1 ulp.
template <class T>
XENT_INLINE T exp_tail_times(T x, T w) {
  using R = Real<T>;
  T clamped = x < R::far_floor ? R::far_floor : x;
  Exp<T> e = exp_pair(clamped);
  T lifted = lifted_scale(clamped);
  T high = e.hi * lifted;
  T product = w > 1 ? high * (w * R::drop) : (high * R::drop) * w;
  return x < R::far_floor ? T(0) : product;
}

XENT_INLINE float log1p_g(float f) { return polynomial(coef::log1p_g7_f32, f); }
XENT_INLINE double log1p_g(double f) { return polynomial(coef::log1p_g19_f64, f); }
// log1p(e + e_lo) as hi + lo for 0 <= e <= 1; inverse = 1/(1+e), any accuracy of a few ulp.
// Types: float, double. Worst error of hi + lo: 0.27 ulp (float), 0.3 ulp (double) of the result.
template <class T>
XENT_INLINE Pair<T> log1p_pair(T e, T e_lo, T inverse) {
  bool upper = e > T(0.5);  // a power of two: (e - 1)/2 is then exact
  T f = upper ? (e - 1) * T(0.5) : e;
  T c_hi = upper ? Real<T>::ln2 : T(0), c_lo = upper ? Real<T>::ln2_tail : T(0);
  // log1p(f) = f - f^2/2 + f^3 g(f); only the roundings of f^2 and of f^3 g survive
  T f2 = f * f;
  T half = T(0.5) * f2;
  Pair<T> a = fast_two_sum(f, -half);
  Pair<T> s = fast_two_sum(c_hi, a.hi);
  T rest = mad(f2 * f, log1p_g(f), c_lo);
  return {s.hi, (s.lo + a.lo) + mad(e_lo, inverse, rest)};
}

// (nu + nu_lo) / (1 + e + e_lo) rounded nearly correctly; inverse = 1/(1+e) rounded.
// Worst error 0.53 ulp given exact nu + nu_lo.
template <class T>
XENT_INLINE T divide_by_one_plus(T nu, T nu_lo, T e, T e_lo, T inverse) {
#ifdef __FMA__
  T q = nu * inverse;
  T rem = mad(-q, e_lo, mad(-q, e, nu - q) + nu_lo);
  return mad(rem, inverse, q);
#else
  T q = head_of(nu * inverse);
  T d = 1 + e, dh = head_of(d), dm = ((1 - dh) + e) + e_lo;
  T rem = ((nu - q * dh) - q * dm) + nu_lo;
  return q + rem * inverse;
#endif
}

// Natural logarithm. double; x in [0, inf], log(0) = -inf, NaN for x < 0. Worst error 0.8 ulp.
// x = 2^k (1 + f), 1 + f in [0.75, 1.5): k ln 2 + f - f^2/2 + f^3 g(f), the halves of ln 2 and of f - f^2/2 kept apart.
XENT_INLINE double log_of(double x) {
  const std::uint64_t lowest = 0x3fe8000000000000u;  // 0.75
  const bool tiny = x < 0x1p-1022;
  const std::uint64_t bits = bit_cast<std::uint64_t>(tiny ? x * 0x1p54 : x);
  const std::uint64_t offset = bits - lowest + (std::uint64_t(1024) << 52);
  const double k = bit_cast<double>((offset >> 52) + 0x4330000000000000u) - (0x1p52 + 1024.0) - (tiny ? 54.0 : 0.0);
  const double f = bit_cast<double>((offset & 0xfffffffffffffu) + lowest) - 1;
  const double square = f * f;
  const Pair<double> head = fast_two_sum(f, -0.5 * square), sum = two_sum(k * coef::ln2_hi_f64, head.hi);
  const double rest = mad(square * f, log1p_g(f), head.lo + k * coef::ln2_lo_f64);
  const double out = sum.hi + (sum.lo + rest);
  return x == 0 ? -__builtin_inf() : x < __builtin_inf() ? (x < 0 ? __builtin_nan("") : out) : x;
}

// log(1 + x). double; x in [-1, inf). Worst error 1.5 ulp. 1 + x rounds to u; what was lost comes back as (x - (u-1))/u.
XENT_INLINE double log1p_of(double x) {
  const double u = 1 + x;
  return log_of(u) + (u > 0 ? (x - (u - 1)) / u : 0.0);
}

}  // namespace
}  // namespace xent

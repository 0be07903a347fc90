// The sigmoid family in float32 arithmetic: hard targets, the plain law or focal with gamma = 2.
//
// With a = |z|, e = e^-a and D = 1 + e, let `big` weigh the side the logit speaks against (z >= 0: Q, else P) and `small`
// the other:  loss = big a + (big + small) log1p(e),  gradient = +-(big - small e) / D  (+ for z >= 0).
// Worst error, big, small in {0, 1}: 0.80 ulp (loss and gradient) with FMA, 0.90 without, for all 2^32
// logits; other weights: 3 ulp of the larger of the two terms. focal: 9 ulp (loss), 10 ulp (gradient).
// Two passes over a block that stays in the first-level cache: one loop over everything is bound by latency.
#pragma once
#include "numerics.hpp"

namespace xent {
namespace {

constexpr int fast_block = 512;

struct FastBlock {
  const float* z;
  const float* t;  // 0 or 1; used when P is null: P = t, Q = 1 - t
  const float* P;
  const float* Q;
  float* loss;
  float* grad;  // may be null
  float scale;  // multiplies the gradient
};

// Whether some |z| lies beyond `rest_from`; NaN says yes, and is right on either path.
inline bool has_tail(const float* __restrict z, int n) {
  const std::int32_t limit = bit_cast<std::int32_t>(Real<float>::rest_from);
  std::int32_t m = 0;
#pragma omp simd reduction(max : m)
  for (int i = 0; i < n; ++i) {
    std::int32_t bits = bit_cast<std::int32_t>(z[i]) & 0x7fffffff;
    m = bits > m ? bits : m;
  }
  return m > limit;
}

template <bool Tail>
inline void exp_pass(const float* __restrict z, float* __restrict e_out, float* __restrict el_out, int n) {
  for (int i = 0; i < n; ++i) {
    float a = magnitude(z[i]);
    if (Tail) a = a > Real<float>::rest_from ? Real<float>::rest_from : a;
    Exp<float> x = exp_pair(-a);
    e_out[i] = x.hi * x.scale;
    el_out[i] = x.lo * x.scale;
  }
}

struct Sides {
  float a, big, small, total;
  bool up;
};

template <bool Unit>
XENT_INLINE Sides sides_of(float z, float P, float Q) {
  bool up = z >= 0;
  float big = up ? Q : P, small = up ? P : Q;
  return {magnitude(z), big, small, Unit ? 1.0f : big + small, up};
}

// log1p(e) in one rounding or two, for sums, weighted losses and focal: 1.3 ulp.
XENT_INLINE float log1p_short(float e) { return e * polynomial(coef::log1p_h9_f32, e); }

// Each: every loss is wanted, and is nearly correctly rounded. Else only their sum in double is, whose own error is then
// that of the mean of many roundings: the short logarithm does.
template <bool Unit, bool Grad, bool Each>
inline void log_pass(const FastBlock& b, const float* __restrict e_in, const float* __restrict el_in, int n) {
  const float* __restrict z = b.z;
  const float* __restrict Pt = Unit ? b.t : b.P;
  const float* __restrict Qt = b.Q;
  float* __restrict loss = b.loss;
  float* __restrict grad = b.grad;
  const float scale = b.scale;
  for (int i = 0; i < n; ++i) {
    float e = e_in[i], el = el_in[i], x = z[i], P = Pt[i];
    float Q = Unit ? 1 - P : Qt[i];
    Sides s = sides_of<Unit>(x, P, Q);
    float inverse = 1 / (1 + e);
    if (Unit && Each) {
      Pair<float> l = log1p_pair(e, el, inverse);
      float w = s.big * s.a;  // 0 or |z|: exact
      float hi = w > l.hi ? w : l.hi, lo = w > l.hi ? l.hi : w;
      Pair<float> sum = fast_two_sum(hi, lo);
      loss[i] = sum.hi + (sum.lo + l.lo);
    } else {
      loss[i] = mad(s.big, s.a, s.total * log1p_short(e));
    }
    if (Grad) {
      float nu = mad(-s.small, e, s.big), lost = 0;
      if (Unit) nu = s.big == 0 ? -e : 1.0f, lost = s.big == 0 ? -el : 0.0f;
      float g = Unit ? divide_by_one_plus(nu, lost, e, el, inverse) : nu * inverse;
      grad[i] = (s.up ? g : -g) * scale;
    }
  }
}

// |z| > 20: log1p(e) = e and 1 + e = 1 to within 2^-28, so only e^-|z| itself matters, down to its last subnormal.
template <bool Unit, bool Grad>
inline void tail_pass(const FastBlock& b, int n) {
  const float* __restrict z = b.z;
  const float* __restrict Pt = Unit ? b.t : b.P;
  const float* __restrict Qt = b.Q;
  float* __restrict loss = b.loss;
  float* __restrict grad = b.grad;
  const float scale = b.scale;
  for (int i = 0; i < n; ++i) {
    float x = z[i], P = Pt[i];
    float Q = Unit ? 1 - P : Qt[i];
    Sides s = sides_of<Unit>(x, P, Q);
    float rest = Unit ? exp_tail(-s.a) : exp_tail_times(-s.a, s.total);
    float far = s.big * s.a;
    far = s.big == 0 ? 0.0f : far;  // 0 * inf = 0
    bool tail = s.a > Real<float>::rest_from;
    float near_loss = loss[i];
    loss[i] = tail ? far + rest : near_loss;
    if (Grad) {
      float g = s.big - rest;
      g = (s.up ? g : -g) * scale;
      float near_grad = grad[i];
      grad[i] = tail ? g : near_grad;
    }
  }
}

template <bool Tail, bool Grad>
inline void focal2_pass(const FastBlock& b, const float* __restrict e_in, int n) {
  const float* __restrict z = b.z;
  const float* __restrict Pt = b.P;
  const float* __restrict Qt = b.Q;
  float* __restrict loss = b.loss;
  float* __restrict grad = b.grad;
  const float scale = b.scale;
  for (int i = 0; i < n; ++i) {
    float e = e_in[i], x = z[i], P = Pt[i], Q = Qt[i];
    Sides s = sides_of<false>(x, P, Q);
    float inverse = 1 / (1 + e);
    float less = log1p_short(e), more = s.a + less;
    float right = inverse, wrong = e * inverse;
    if (Tail) {
      bool tail = s.a > Real<float>::rest_from;
      float far = exp_tail(-s.a);
      less = tail ? far : less;
      wrong = tail ? far : wrong;
      right = tail ? 1.0f : right;
      more = tail ? s.a : more;
    }
    float big = s.big * (right * right), small = s.small * (wrong * wrong);
    float cost = big * more;
    cost = s.big == 0 ? 0.0f : cost;
    loss[i] = cost + small * less;
    if (Grad) {
      float pull = 2 * wrong * more;
      if (Tail) pull = wrong == 0 ? 0.0f : pull;
      float g = big * (right + pull) - small * (wrong + 2 * right * less);
      grad[i] = (s.up ? g : -g) * scale;
    }
  }
}

template <bool Unit, bool Grad, bool Each>
inline void fast_log(const FastBlock& b, int n) {
  alignas(64) float e[fast_block], el[fast_block];
  if (!has_tail(b.z, n)) {
    exp_pass<false>(b.z, e, el, n);
    log_pass<Unit, Grad, Each>(b, e, el, n);
  } else {
    exp_pass<true>(b.z, e, el, n);
    log_pass<Unit, Grad, Each>(b, e, el, n);
    tail_pass<Unit, Grad>(b, n);
  }
}

template <bool Grad>
inline void fast_focal2(const FastBlock& b, int n) {
  alignas(64) float e[fast_block], el[fast_block];
  if (!has_tail(b.z, n)) {
    exp_pass<false>(b.z, e, el, n);
    focal2_pass<false, Grad>(b, e, n);
  } else {
    exp_pass<true>(b.z, e, el, n);
    focal2_pass<true, Grad>(b, e, n);
  }
}

}  // namespace
}  // namespace xent

// float32 passes over rows: e^z with the largest |z| seen, sums in double, the scaled copy that is the gradient.
//
// Nothing is subtracted before the exponential: e^{z - N ln2} with a whole N per row (0 for |z| <= 40) costs no more
// than e^z, and z itself carries no rounding. log p and p never ask for the maximum.
#pragma once
#include "parallel.hpp"

namespace xent {
namespace {

constexpr float plain_most = 40.0f;  // |z| up to it: N = 0; sums stay below 1e23, inverses normal in float32

// e^z 2^-N. Types: float. Range: |z| <= 700, -125 <= z log2(e) - N <= 126. Worst error: 1.2 ulp.
// shifted = Real<float>::round - N, so that the exponent falls out of one rounding.
XENT_INLINE float exp_shifted(float z, float shifted) {
  const float* c = coef::exp_q4_f32;
  float t = mad(z, Real<float>::log2e, shifted), n = (t - shifted);
  float scale = bit_cast<float>(bit_cast<std::uint32_t>(t) << 23);
  float r0 = mad(n, -coef::ln2_l1_f32, z);  // exact
#ifdef __FMA__
  float r = mad(n, coef::ln2_l2_fma_f32, r0);
#else
  float r = (r0 - n * coef::ln2_l2_f32) - n * coef::ln2_l3_f32;
#endif
  float r2 = r * r;
  float q = mad(mad(mad(c[4], r, c[3]), r2, mad(c[2], r, c[1])), r, c[0]);
  return mad(mad(q, r2, r), scale, scale);
}

// e[i] = e^z[i] 2^-N; returns the bits of the largest |z|, those of a NaN where there is one.
inline std::uint32_t exp_pass(const float* __restrict z, float* __restrict e, i64 n, float shifted) {
  std::uint32_t most = 0;
  for (i64 i = 0; i < n; ++i) {
    float x = z[i];
    std::uint32_t bits = bit_cast<std::uint32_t>(x) & 0x7fffffffu;
    most = bits > most ? bits : most;
    e[i] = exp_shifted(x, shifted);
  }
  return most;
}

// The same with masked classes: e = 0 where z = -inf. Returns 0.
inline std::uint32_t exp_masked(const float* __restrict z, float* __restrict e, i64 n, float shifted) {
  for (i64 i = 0; i < n; ++i) {
    float x = z[i], value = exp_shifted(x, shifted);
    e[i] = x == -__builtin_inff() ? 0.0f : value;
  }
  return 0;
}

// Sum of n floats in 16 lanes of double and a fixed tree.
XENT_INLINE double sum_pass(const float* x, i64 n) {
  double acc[16] = {};
  i64 whole = n & ~i64(15);
  for (i64 i = 0; i < whole; i += 16)
    for (int l = 0; l < 16; ++l) acc[l] += double(x[i + l]);
  if (whole < n) {
    alignas(64) float tail[16] = {};
    for (i64 i = whole; i < n; ++i) tail[i - whole] = x[i];
    for (int l = 0; l < 16; ++l) acc[l] += double(tail[l]);
  }
  for (int l = 0; l < 8; ++l) acc[l] += acc[l + 8];
  for (int l = 0; l < 4; ++l) acc[l] += acc[l + 4];
  return (acc[0] + acc[2]) + (acc[1] + acc[3]);
}

// <tilt, x> in double, chunk by chunk.
inline double dot_pass(const float* __restrict x, const double* __restrict tilt, i64 n) {
  double acc[8] = {};
  i64 whole = n & ~i64(7);
  for (i64 i = 0; i < whole; i += 8)
    for (int l = 0; l < 8; ++l) acc[l] += double(x[i + l]) * tilt[i + l];
  for (i64 i = whole; i < n; ++i) acc[i - whole] += double(x[i]) * tilt[i];
  return ((acc[0] + acc[4]) + (acc[2] + acc[6])) + ((acc[1] + acc[5]) + (acc[3] + acc[7]));
}

// out[i] = e[i] k - c[i] s (c null: no such term); out may be e.
inline void scale_pass(const float* e, float* out, i64 n, float k, const float* c, float s) {
  if (c) {
#pragma omp simd
    for (i64 i = 0; i < n; ++i) out[i] = mad(e[i], k, -(c[i] * s));
    return;
  }
  alignas(64) float tail[16] = {};
  i64 whole = n & ~i64(15);
  const bool overlap = whole > 0 && whole < n;
  if (overlap)
    for (int l = 0; l < 16; ++l) tail[l] = e[n - 16 + l] * k;
#pragma omp simd
  for (i64 i = 0; i < whole; ++i) out[i] = e[i] * k;
  if (overlap)
    for (int l = 0; l < 16; ++l) out[n - 16 + l] = tail[l];
  else
    for (i64 i = whole; i < n; ++i) out[i] = e[i] * k;
}

// out[8 i + b] = in[i + b n/8]: three bits of the index go from its top to its bottom. n a multiple of 8.
inline void interleave(const float* __restrict in, float* __restrict out, i64 n) {
  const i64 m = n / 8;
  for (i64 i = 0; i < m; ++i)
    for (int b = 0; b < 8; ++b) out[8 * i + b] = in[i + b * m];
}

// Sums of the 64 rows of a (64, classes) tile, rows in lanes: row 8 r1 + r0, class j comes to 8 (r0 classes + j) + r1.
inline void sum_rows_64(const float* __restrict x, i64 classes, float* __restrict lanes_first, double* __restrict sums) {
  interleave(x, lanes_first, 64 * classes);
  alignas(64) double by_rest[64];
  for (int r0 = 0; r0 < 8; ++r0) {
    const float* part = lanes_first + r0 * classes * 8;
    double acc[8] = {}, odd[8] = {};
    i64 j = 0;
    for (; j + 2 <= classes; j += 2) {
      for (int l = 0; l < 8; ++l) acc[l] += double(part[8 * j + l]);
      for (int l = 0; l < 8; ++l) odd[l] += double(part[8 * j + 8 + l]);
    }
    if (j < classes)
      for (int l = 0; l < 8; ++l) acc[l] += double(part[8 * j + l]);
    for (int l = 0; l < 8; ++l) by_rest[8 * r0 + l] = acc[l] + odd[l];
  }
  for (int r0 = 0; r0 < 8; ++r0)
    for (int r1 = 0; r1 < 8; ++r1) sums[8 * r1 + r0] = by_rest[8 * r0 + r1];
}

// Rows of fewer than 16 classes: whole vectors are written and what runs over is overwritten by the next row.
// x and out are different memory, x with 16 floats to spare.
template <int Width>
inline void scale_short_rows(const float* __restrict e, float* __restrict out, i64 classes, int rows, const float* __restrict k) {
  int safe = rows - int((Width + classes - 1) / classes);
  int i = 0;
  for (; i < safe; ++i)
    for (int l = 0; l < Width; ++l) out[i * classes + l] = e[i * classes + l] * k[i];
  for (; i < rows; ++i)
    for (i64 l = 0; l < classes; ++l) out[i * classes + l] = e[i * classes + l] * k[i];
}

// log(1 + x), x >= 0. Types: double. Worst error: 2^-41 relative.
XENT_INLINE double log_one_plus(double x) {
  double u = 1 + x;
  std::uint64_t raised = bit_cast<std::uint64_t>(u) - 0x3fe8000000000000u;  // mantissa into [0.75, 1.5)
  std::uint64_t exponent = raised >> 52;
  double n = bit_cast<double>(exponent | 0x4330000000000000u) - 0x1p52;
  double reduced = bit_cast<double>(bit_cast<std::uint64_t>(u) - (exponent << 52)) - 1;
  double f = exponent == 0 ? x : reduced;
  double f2 = f * f;
  return mad(n, coef::ln2_f64, mad(f2 * f, polynomial(coef::log1p_g12_f64, f), mad(-0.5, f2, f)));
}

// 1/x from a float32 division and one Newton step. x normal in float32. Worst error: 2^-46 relative.
XENT_INLINE double inverse_of(double x) {
  double r = double(1.0f / float(x));
  return r * mad(-x, r, 2.0);
}

}  // namespace
}  // namespace xent

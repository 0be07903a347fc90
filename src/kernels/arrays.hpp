// Between the caller's arrays and contiguous blocks: strided, dtype-converting loads and stores.
// Half formats are converted by integer arithmetic, which vectorises at every level; stores round once, to nearest even.
#pragma once
#include <cstdint>

#include "jobs.hpp"
#include "numerics.hpp"

namespace xent {
namespace {

using i64 = std::int64_t;

XENT_INLINE i64 item_size(Type type) {
  switch (type) {
    case Type::b8: case Type::i8: case Type::u8: return 1;
    case Type::f16: case Type::bf16: case Type::i16: case Type::u16: return 2;
    case Type::f32: case Type::i32: case Type::u32: return 4;
    default: return 8;
  }
}

struct Half { std::uint16_t bits; };
struct Brain { std::uint16_t bits; };

XENT_INLINE float widen(Half h) {
  std::uint32_t body = std::uint32_t(h.bits & 0x7fffu) << 13;
  float value = bit_cast<float>(body) * 0x1p112f;  // exact, subnormals included
  std::uint32_t special = bit_cast<std::uint32_t>(value) | 0x7f800000u;
  std::uint32_t bits = body >= (0x1fu << 23) ? special : bit_cast<std::uint32_t>(value);
  return bit_cast<float>(bits | std::uint32_t(h.bits & 0x8000u) << 16);
}
XENT_INLINE float widen(Brain b) { return bit_cast<float>(std::uint32_t(b.bits) << 16); }

XENT_INLINE Half narrow_half(float x) {
  std::uint32_t bits = bit_cast<std::uint32_t>(x), sign = bits & 0x80000000u, body = bits ^ sign;
  std::uint32_t normal = (body - (112u << 23) + 0xfffu + ((body >> 13) & 1u)) >> 13;
  // below 2^-14 the sum 0.5 + |x| rounds |x| to a multiple of 2^-24
  std::uint32_t tiny = bit_cast<std::uint32_t>(bit_cast<float>(body) + 0.5f) - 0x3f000000u;
  std::uint32_t out = body < (113u << 23) ? tiny : normal;
  out = body >= 0x477ff000u ? 0x7c00u : out;  // 65520 and above round to infinity
  out = body > 0x7f800000u ? 0x7e00u : out;
  return {std::uint16_t(out | sign >> 16)};
}
XENT_INLINE Brain narrow_brain(float x) {
  std::uint32_t bits = bit_cast<std::uint32_t>(x);
  std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return {std::uint16_t((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40u : rounded)};
}

// double -> half in one rounding: to odd in float32 first (sticky last bit), then to nearest.
XENT_INLINE float to_odd(double x) {
  float y = float(x);
  double back = double(y);
  std::uint32_t bits = bit_cast<std::uint32_t>(y);
  bool inexact = back != x && x == x;
  bool away = magnitude(back) > magnitude(x);
  std::uint32_t truncated = bits - std::uint32_t(inexact && away);
  return bit_cast<float>(truncated | std::uint32_t(inexact));
}

template <class T, class S>
XENT_INLINE T as(S s) { return T(s); }
template <> XENT_INLINE float as<float, Half>(Half h) { return widen(h); }
template <> XENT_INLINE float as<float, Brain>(Brain b) { return widen(b); }
template <> XENT_INLINE double as<double, Half>(Half h) { return double(widen(h)); }
template <> XENT_INLINE double as<double, Brain>(Brain b) { return double(widen(b)); }
template <> XENT_INLINE i64 as<i64, Half>(Half h) { return i64(widen(h)); }
template <> XENT_INLINE i64 as<i64, Brain>(Brain b) { return i64(widen(b)); }
template <> XENT_INLINE Half as<Half, float>(float x) { return narrow_half(x); }
template <> XENT_INLINE Half as<Half, double>(double x) { return narrow_half(to_odd(x)); }
template <> XENT_INLINE Brain as<Brain, float>(float x) { return narrow_brain(x); }
template <> XENT_INLINE Brain as<Brain, double>(double x) { return narrow_brain(to_odd(x)); }

template <class S, class D>
void copy_strided(const char* src, i64 src_stride, char* dst, i64 dst_stride, i64 n) {
  if (src_stride == i64(sizeof(S)) && dst_stride == i64(sizeof(D))) {
    const S* __restrict s = reinterpret_cast<const S*>(src);
    D* __restrict d = reinterpret_cast<D*>(dst);
    for (i64 i = 0; i < n; ++i) d[i] = as<D>(s[i]);
  } else {
    for (i64 i = 0; i < n; ++i) {
      S s;
      __builtin_memcpy(&s, src + i * src_stride, sizeof(S));
      D d = as<D>(s);
      __builtin_memcpy(dst + i * dst_stride, &d, sizeof(D));
    }
  }
}

// n elements at `src`, `stride` bytes apart, of the stated type, into contiguous T (float, double or int64).
template <class T>
void load(T* dst, const char* src, Type type, i64 stride, i64 n) {
  char* out = reinterpret_cast<char*>(dst);
  const i64 step = sizeof(T);
  switch (type) {
    case Type::f32: return copy_strided<float, T>(src, stride, out, step, n);
    case Type::f64: return copy_strided<double, T>(src, stride, out, step, n);
    case Type::f16: return copy_strided<Half, T>(src, stride, out, step, n);
    case Type::bf16: return copy_strided<Brain, T>(src, stride, out, step, n);
    case Type::b8: case Type::u8: return copy_strided<std::uint8_t, T>(src, stride, out, step, n);
    case Type::i8: return copy_strided<std::int8_t, T>(src, stride, out, step, n);
    case Type::i16: return copy_strided<std::int16_t, T>(src, stride, out, step, n);
    case Type::u16: return copy_strided<std::uint16_t, T>(src, stride, out, step, n);
    case Type::i32: return copy_strided<std::int32_t, T>(src, stride, out, step, n);
    case Type::u32: return copy_strided<std::uint32_t, T>(src, stride, out, step, n);
    case Type::i64: return copy_strided<std::int64_t, T>(src, stride, out, step, n);
    case Type::u64: return copy_strided<std::uint64_t, T>(src, stride, out, step, n);
    case Type::none: return;
  }
}

// n contiguous T (float or double) to `dst`, `stride` bytes apart, rounded once to a floating type.
template <class T>
void store(const T* src, char* dst, Type type, i64 stride, i64 n) {
  const char* in = reinterpret_cast<const char*>(src);
  const i64 step = sizeof(T);
  switch (type) {
    case Type::f32: return copy_strided<T, float>(in, step, dst, stride, n);
    case Type::f64: return copy_strided<T, double>(in, step, dst, stride, n);
    case Type::f16: return copy_strided<T, Half>(in, step, dst, stride, n);
    case Type::bf16: return copy_strided<T, Brain>(in, step, dst, stride, n);
    default: return;
  }
}

}  // namespace
}  // namespace xent

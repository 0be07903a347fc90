// Written by scripts/coefficients.py, which finds every number here again (and `--check` proves the stated errors).
// The file is compiled once per instruction-set level, so nothing in it has external linkage.
// A stated 2^-x is the worst relative error of the *result* (e^r, log1p) in exact arithmetic with the rounded set.
#pragma once

namespace {
namespace coef {

// log2(e)
constexpr float log2e_f32 = 0x1.715476p+0f;

// 9 bits of ln2: n*ln2_l1 and x - n*ln2_l1 are exact for x near n*ln2, |n| <= 256
constexpr float ln2_l1_f32 = 0x1.63p-1f;

// 16 bits of ln2 - ln2_l1: n*ln2_l2 is exact for |n| <= 256
constexpr float ln2_l2_f32 = -0x1.bd02p-13f;

// ln2 - ln2_l1 - ln2_l2
constexpr float ln2_l3_f32 = 0x1.f473dep-30f;

// ln2_l1 - ln2 in full, where an FMA takes the product exactly
constexpr float ln2_l2_fma_f32 = 0x1.bd0106p-13f;

// ln2
constexpr float ln2_f32 = 0x1.62e43p-1f;

// ln2 - ln2_f32
constexpr float ln2_tail_f32 = -0x1.05c61p-29f;

// log2(e)
constexpr double log2e_f64 = 0x1.71547652b82fep+0;

// 33 bits of ln2: n*ln2_hi and x - n*ln2_hi are exact for x near n*ln2, |n| <= 2^20
constexpr double ln2_hi_f64 = 0x1.62e42ffp-1;

// ln2 - ln2_hi; n*ln2_lo errs by less than 2^-78 for |n| <= 1100
constexpr double ln2_lo_f64 = -0x1.718432a1b0e26p-35;

// ln2
constexpr double ln2_f64 = 0x1.62e42fefa39efp-1;

// ln2 - ln2_f64
constexpr double ln2_tail_f64 = 0x1.abc9e3b39803fp-56;

// q of e^r = 1 + r + r^2 q(r), |r| <= 0.3485; weight r^2/e^r; float; 2^-28.15
constexpr float exp_q4_f32[] = {0x1.fffffcp-2f, 0x1.555486p-3f, 0x1.555838p-5f, 0x1.124244p-7f, 0x1.6af48ap-10f};

// g of log1p(f) = f - f^2/2 + f^3 g(f), f in [-0.25, 0.5]; weight f^3/(log1p(f) + (f < 0 ? ln2 : 0)); float; 2^-27.85
constexpr float log1p_g7_f32[] = {0x1.555588p-2f, -0x1.fffeb4p-3f, 0x1.996deap-3f, -0x1.553026p-3f, 0x1.28d466p-3f, -0x1.0b960ep-3f, 0x1.a0d16ap-4f, -0x1.5ef2cep-5f};

// h of log1p(e) = e h(e), e in [0, 1]; weight e/log1p(e); float; 2^-27.49
constexpr float log1p_h9_f32[] = {0x1p+0f, -0x1.ffffd2p-2f, 0x1.554ddp-2f, -0x1.ff23e6p-3f, 0x1.934b54p-3f, -0x1.3a435ep-3f, 0x1.b4ae08p-4f, -0x1.d6b08cp-5f, 0x1.4917cep-6f, -0x1.af49cep-9f};

// g of log1p(f) = f - f^2/2 + f^3 g(f), f in [-0.25, 0.5]; weight f^3/(log1p(f) + (f < 0 ? ln2 : 0)); double; 2^-41.35
constexpr double log1p_g12_f64[] = {0x1.555555568044dp-2, -0x1.ffffffb17fecep-3, 0x1.999995067d225p-3, -0x1.5555687b1e2fcp-3, 0x1.2493b775f2d56p-3, -0x1.00007a0178cf8p-3, 0x1.c6c9d92e791fep-4, -0x1.98c9714f0ee8p-4, 0x1.777d836e4015p-4, -0x1.653709c72cf17p-4, 0x1.442ac1d398477p-4, -0x1.b76d4a9966c4fp-5, 0x1.2671cd058ddcbp-6};

// q of e^r = 1 + r + r^2 q(r), |r| <= 0.3485; weight r^2/e^r; double; 2^-63.10
constexpr double exp_q10_f64[] = {0x1p-1, 0x1.555555555555ep-3, 0x1.5555555555571p-5, 0x1.111111110e033p-7, 0x1.6c16c16c068a2p-10, 0x1.a01a01b812a97p-13, 0x1.a01a0204d6b5fp-16, 0x1.71dde50655b1ep-19, 0x1.27e3f76ae7b7cp-22, 0x1.af7ea9419d869p-26, 0x1.20f4619233851p-29};

// g of log1p(f) = f - f^2/2 + f^3 g(f), f in [-0.25, 0.5]; weight f^3/(log1p(f) + (f < 0 ? ln2 : 0)); double; 2^-59.96
constexpr double log1p_g19_f64[] = {0x1.5555555555575p-2, -0x1.0000000000356p-2, 0x1.9999999997f96p-3, -0x1.55555554f6378p-3, 0x1.24924923d910cp-3, -0x1.0000001ea27c2p-3, 0x1.c71c72d484ccap-4, -0x1.999990c24b613p-4, 0x1.745cda910c25p-4, -0x1.5555cb2bacba2p-4, 0x1.3b1a3b8bda6f3p-4, -0x1.24980d5fe4f9ap-4, 0x1.10bb856de195dp-4, -0x1.fe06ca41dd3e6p-5, 0x1.e42da229004fdp-5, -0x1.db5ba9e107d59p-5, 0x1.cc43d377a2948p-5, -0x1.768441b4bc006p-5, 0x1.995741a1339acp-6, -0x1.a7ac902553579p-8};

}  // namespace coef
}  // namespace

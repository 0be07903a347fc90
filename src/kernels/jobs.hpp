// What travels from the binding to a kernel: plain records of numbers and strided arrays, no option names.
// Compiled into every instruction-set level and into the binding; nothing here has code of its own.
#pragma once
#include <cstdint>

namespace xent {

enum class Type : int { none, f16, bf16, f32, f64, b8, i8, u8, i16, u16, i32, u32, i64, u64 };

// A strided array; the job holds its shape. Strides are in bytes, 0 repeats an element.
struct Array {
  char* data = nullptr;
  Type type = Type::none;
  std::int64_t stride[3] = {0, 0, 0};
  explicit operator bool() const { return data != nullptr; }
};

// phi(nll): 0 log, 1 focal (a for positives, b for negatives), 2 poly-1 (epsilon a), 3 generalised (q = a).
struct Law {
  int kind = 0;
  double a = 0, b = 0;
};

// z' = softcap * tanh((z + bias) / softcap) / temperature, applied to the caller's logits when `on`.
struct Pipe {
  bool on = false;
  const double* bias = nullptr;
  std::int64_t bias_len = 0;  // 1 or one per class / label
  double softcap = 0, temperature = 1;
};

struct Ignore {
  const double* values = nullptr;  // class ids are exact in double up to 2^53
  int count = 0;
};

// `table` holds six rows P0 P1 Q0 Q1 W0 W1 of `table_len` (1 or labels) numbers: for a target t,
// loss = w * W(t) * scale * (P(t) phi+(softplus(-z)) + Q(t) phi-(softplus(z))), X(t) = (1-t) X0 + t X1.
struct SigmoidJob {
  std::int64_t rows = 0, labels = 0;
  Array z, t, w, where;  // (rows, labels); t absent: t = 0
  Ignore ignore;
  const double* table = nullptr;
  std::int64_t table_len = 1;
  Law law;
  Pipe pipe;
  double scale = 1;
  Array loss, grad, hess, v;  // v: the vector of a Hessian-vector product, which then lands in hess
  int threads = 1;
};

enum class Targets : int { ids, dense, sparse };

// loss row = scale * w * (sum_k t'_k class_loss_k phi(nll_k) + z_loss * W(t) * lse^2), W(t) = sum_k t_k class_weight_k
struct SoftmaxJob {
  std::int64_t outer = 0, classes = 0, inner = 0;
  Array z;  // (outer, classes, inner)
  Targets kind = Targets::ids;
  Array t;             // ids (outer, inner) as stride[0], stride[1]; dense (outer, classes, inner)
  Array sparse_ids;    // (outer, sparse_len, inner), probabilities of the same shape in t
  std::int64_t sparse_len = 0;
  Array w, where;      // (outer, inner)
  Ignore ignore;
  const double* class_loss = nullptr;
  const double* class_weight = nullptr;
  double smoothing = 0;
  const double* prior = nullptr;
  double z_loss = 0;
  Law law;
  Pipe pipe;
  double scale = 1;
  Array loss;              // (outer, inner)
  Array grad, hess, v;     // (outer, classes, inner)
  int threads = 1;
};

enum class Activation : int { softmax, log_softmax, logsumexp, sigmoid, log_sigmoid };

struct ActivationJob {
  Activation kind = Activation::softmax;
  std::int64_t outer = 0, classes = 0, inner = 0;
  Array z, out;  // out: (outer, classes, inner), or (outer, inner) for logsumexp
  int threads = 1;
};

struct Result {
  double total = 0;
  std::int64_t bad = -1;         // flat index of the first target that breaks the rule, or -1
  std::int64_t bad_weight = -1;  // likewise of the first sample weight
  bool starved = false;          // memory ran out
};

struct Forecast {
  double total = 0;
  std::int64_t bad_target = -1, bad_probability = -1;
  bool starved = false;
};

struct Weighed {
  double weight = 0, count = 0, positives = 0;
  std::int64_t bad = -1, bad_weight = -1;
  bool starved = false;
};

// One per instruction-set level; dispatch.cpp picks at load time.
struct Kernels {
  const char* name;
  Result (*sigmoid)(const SigmoidJob&);
  Result (*softmax)(const SoftmaxJob&);
  void (*activation)(const ActivationJob&);
  Weighed (*weigh_sigmoid)(const SigmoidJob&);
  Weighed (*weigh_softmax)(const SoftmaxJob&);
  Forecast (*log_loss)(const SigmoidJob&);  // z holds probabilities
};

}  // namespace xent

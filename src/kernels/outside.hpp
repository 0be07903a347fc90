// Around a kernel: the interpreter's lock is free, and floating-point flags raised on the way (an inf - inf that a select
// throws away) do not reach NumPy, which would warn of them in its next operation.
#pragma once

#include <nanobind/nanobind.h>

#include <cfenv>

namespace xent {

class Outside {
 public:
  Outside() { std::feholdexcept(&flags_); }
  ~Outside() { std::fesetenv(&flags_); }

 private:
  nanobind::gil_scoped_release release_;
  std::fenv_t flags_;
};

}  // namespace xent

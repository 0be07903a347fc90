// Kernels under XLA, where its headers were there to build against.
#pragma once
#include <nanobind/nanobind.h>

namespace xent {

void bind_xla(nanobind::module_& m);

}  // namespace xent

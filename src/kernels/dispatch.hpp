// Which instruction-set level runs: the best one this processor has, or the one XENT_ISA names.
#pragma once
#include "jobs.hpp"

namespace xent {

const Kernels& kernels();                       // the level in use
int level_count();                              // levels built in and runnable here, worst first
const Kernels& level_at(int index);
bool pick_level(const char* name);              // false: not built, or not runnable here

int max_threads();                              // OpenMP's setting now; 1 in a forked child, where a pool cannot be used

}  // namespace xent

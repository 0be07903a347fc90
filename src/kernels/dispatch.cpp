// Starts from the baseline and overwrites upwards, so that a fallback needs no code.
#include "dispatch.hpp"

#include <omp.h>
#include <pthread.h>

#include <cstdlib>
#include <cstring>

namespace xent {

extern const Kernels baseline;
#ifdef XENT_X86
extern const Kernels v3;
extern const Kernels v4;
#endif

namespace {

struct Levels {
  const Kernels* runnable[3];
  int count = 0;
  const Kernels* chosen;
  Levels() {
    runnable[count++] = &baseline;
#ifdef XENT_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("bmi")) {
      runnable[count++] = &v3;
      if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        runnable[count++] = &v4;
    }
#endif
    chosen = runnable[count - 1];
  }
};

Levels& levels() {
  static Levels all;
  return all;
}

// libgomp's pool does not survive fork: a child that waits for it hangs forever.
bool forked = false;
const int watching = pthread_atfork(nullptr, nullptr, [] { forked = true; });

}  // namespace

const Kernels& kernels() { return *levels().chosen; }
int level_count() { return levels().count; }
const Kernels& level_at(int index) { return *levels().runnable[index]; }

bool pick_level(const char* name) {
  for (int i = 0; i < levels().count; ++i) {
    if (std::strcmp(levels().runnable[i]->name, name) == 0) {
      levels().chosen = levels().runnable[i];
      return true;
    }
  }
  return false;
}

int max_threads() { return forked && watching == 0 ? 1 : omp_get_max_threads(); }

}  // namespace xent

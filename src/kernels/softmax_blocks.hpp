// How softmax jobs are cut over threads: fixed blocks of rows, a scratch per thread.
#pragma once
#include "softmax_targets.hpp"

namespace xent {
namespace {

// f(block, scratch) for every block; scratch is `bytes` of the thread's own. False where memory ran out.
template <class F>
bool softmax_blocks(i64 blocks, int threads, i64 bytes, const F& f) {
  int failed = 0;
  if (threads > blocks) threads = int(blocks);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    Scratch scratch(bytes);
    if (!scratch.data) __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
    else {
#pragma omp for schedule(dynamic) nowait
      for (i64 b = 0; b < blocks; ++b) f(b, scratch);
    }
  }
  return failed == 0;
}

// How a job is cut: whole rows, about `block_elements` logits a block, the same cut for any number of threads.
constexpr i64 block_elements = 32768;
struct Cut {
  i64 rows, per_block, blocks;
  int threads;
  explicit Cut(i64 outer, i64 inner, i64 classes, int wanted) {
    rows = outer * inner;
    per_block = block_elements / (classes > 0 ? classes : 1) / rows_most * rows_most;
    if (per_block < 1) per_block = block_elements / (classes > 0 ? classes : 1);
    if (per_block < 1) per_block = 1;
    if (per_block > 4096) per_block = 4096;
    blocks = (rows + per_block - 1) / per_block;
    threads = rows * classes < 2 * block_elements ? 1 : wanted;
  }
  i64 first(i64 block) const { return block * per_block; }
  i64 end(i64 block) const { return (block + 1) * per_block < rows ? (block + 1) * per_block : rows; }
};

}  // namespace
}  // namespace xent

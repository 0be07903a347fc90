// Compiled once per instruction-set level (XENT_LEVEL names it); everything but the table has internal linkage, so that
// no level can borrow a function from another. tests/test_isa.py looks for weak symbols.
#include "log_loss.hpp"
#include "sigmoid.hpp"
#include "sigmoid_weigh.hpp"
#include "softmax.hpp"

namespace xent {

extern const Kernels XENT_LEVEL;  // baseline, v3, v4

#define XENT_TEXT_OF(x) #x
#define XENT_TEXT(x) XENT_TEXT_OF(x)
const Kernels XENT_LEVEL = {XENT_TEXT(XENT_LEVEL), sigmoid, softmax, activation, weigh_sigmoid, weigh_softmax, log_loss};

}  // namespace xent

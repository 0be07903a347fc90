// Python's door to scores: their slots, their cells, and rows counted by cell, fold and outcome.
#include "lookup.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <optional>
#include <stdexcept>
#include <utility>

#include "fixed.hpp"
#include "histograms.hpp"
#include "outside.hpp"

namespace nb = nanobind;

namespace xent::lookup {
namespace {

template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;
inline constexpr size_t AHEAD = 16;   // rows between asking for a line of memory and using it

template <class T> using Row = Out<T, nb::ndim<1>>;
template <class T> using Strided = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::device::cpu>;

// Slots of x, new ones opened as they come. Returns (slots in use, how many of x have one: all, unless room ran out).
std::pair<int64_t, int64_t> lookup(const Row<double> &scores, int64_t count, const Row<int32_t> &places, const Strided<double> &x,
                                   const Row<int32_t> &slot) {
    const int64_t size = int64_t(places.shape(0)), room = int64_t(scores.shape(0)), n = int64_t(x.shape(0));
    if (size < 2 * room || (size & (size - 1)) || count < 0 || count > room || int64_t(slot.shape(0)) != n)
        throw std::invalid_argument("lookup: arrays do not fit together");
    Slots slots{scores.data(), room, count, places.data(), uint64_t(size - 1)};
    const double *from = x.data();
    const int64_t step = x.stride(0);
    Outside outside;
    for (int64_t i = 0; i < n; ++i) {
        const int64_t at = slots.find(from[i * step]);
        if (at < 0) return {slots.count, i};
        slot.data()[i] = int32_t(at);
    }
    return {slots.count, n};
}

// Cells of logits on the grid of `fine` cells.
void grid(const Strided<double> &z, int64_t fine, const Row<int32_t> &out) {
    const int64_t n = int64_t(z.shape(0)), step = z.stride(0);
    if (fine < 1 || (fine & (fine - 1)) || fine > 1 << 24 || int64_t(out.shape(0)) != n) throw std::invalid_argument("grid: arrays do not fit together");
    const double per_logit = double(fine) / 64.0;
    Outside outside;
    for (int64_t i = 0; i < n; ++i) out.data()[i] = int32_t(cell(z.data()[i * step], fine, per_logit));
}

// rows[cell, fold, outcome] += 1, fold = bucket mod 5; weighted: sums[cell, fold, outcome] += (w, w^2).
void enter(const Out<int64_t, nb::ndim<3>> &rows, const std::optional<Out<int64_t, nb::ndim<5>>> &sums, const Row<const int32_t> &at,
           const Row<const int32_t> &bucket, const Strided<int32_t> &yes, const std::optional<Row<const double>> &weight) {
    const size_t cells = rows.shape(0), folds = rows.shape(1), n = at.shape(0);
    if (rows.shape(2) != 2 || bucket.shape(0) != n || yes.shape(0) != n || bool(sums) != bool(weight) || (weight && weight->shape(0) != n)
        || (sums && (sums->shape(0) != cells || sums->shape(1) != folds || sums->shape(2) != 2 || sums->shape(3) != 2 || sums->shape(4) != 4)))
        throw std::invalid_argument("enter: arrays do not fit together");
    const int64_t step = yes.stride(0);
    bool good = true;
    for (size_t i = 0; i < n; ++i) good &= (at.data()[i] >= 0) & (size_t(at.data()[i]) < cells) & (bucket.data()[i] >= 0);
    if (!good) throw std::invalid_argument("enter: cell out of range");
    Outside outside;
    const auto place_of = [&](size_t i) {
        const size_t fold = size_t(uint32_t(bucket.data()[i]) % uint32_t(folds));
        return (size_t(at.data()[i]) * folds + fold) * 2 + (yes.data()[int64_t(i) * step] != 0);
    };
    for (size_t i = 0; i < n; ++i) {
        if (i + AHEAD < n) {   // the tables are larger than the caches
            const size_t next = place_of(i + AHEAD);
            __builtin_prefetch(rows.data() + next, 1);
            if (sums) { __builtin_prefetch(sums->data() + next * 8, 1); __builtin_prefetch(sums->data() + next * 8 + 7, 1); }
        }
        const size_t place = place_of(i);
        rows.data()[place] += 1;
        if (!weight) continue;
        fixed::Wide *to = reinterpret_cast<fixed::Wide *>(sums->data()) + place * 2;
        const double w = weight->data()[i];
        add(to[0], w); add(to[1], w * w);
    }
}

// What belongs to what: the logits of probabilities, or the probabilities of logits.
void convert(const Row<const double> &x, bool logits, const Row<double> &out) {
    if (out.shape(0) != x.shape(0)) throw std::invalid_argument("convert: arrays do not fit together");
    const int64_t n = int64_t(x.shape(0));
    const double *from = x.data();
    Outside outside;
    if (logits) { histograms::claims(n, from, out.data()); return; }
    for (int64_t i = 0; i < n; ++i) out.data()[i] = natural_log(from[i]) - natural_log1p(-from[i]);
}

}  // namespace
}  // namespace xent::lookup

void bind_lookup(nb::module_ &m) {
    using namespace xent::lookup;
    m.attr("GRID_BEYOND") = BEYOND;
    m.def("lookup", &lookup, nb::arg("scores").noconvert(), nb::arg("count"), nb::arg("places").noconvert(), nb::arg("x").noconvert(),
          nb::arg("slot").noconvert(), "Slots of scores; returns (slots in use, scores that found one).");
    m.def("grid", &grid, nb::arg("z").noconvert(), nb::arg("fine"), nb::arg("out").noconvert(), "Cells of logits on the fixed grid.");
    m.def("enter", &enter, nb::arg("rows").noconvert(), nb::arg("sums").noconvert().none(), nb::arg("at"), nb::arg("bucket"), nb::arg("yes").noconvert(),
          nb::arg("weight").none(), "Count rows (and weights) by cell, fold and outcome.");
    m.def("convert", &convert, nb::arg("x"), nb::arg("logits"), nb::arg("out").noconvert(), "Probabilities of logits, or logits of probabilities.");
}

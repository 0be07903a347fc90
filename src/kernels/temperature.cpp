// Python's door to losses under scaled logits, by bucket.
#include "temperature.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <stdexcept>
#include <vector>

#include "batch.hpp"
#include "fixed.hpp"
#include "outside.hpp"

namespace nb = nanobind;

namespace xent::temperature {
namespace {

using fixed::Wide;
using tally::Array, tally::Batch, tally::Block;
template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;
template <class T> using Row = Out<T, nb::ndim<1>>;
struct Room {
    std::vector<double> first, second, most, truth, sums;
    explicit Room(const Block &b) : first(b.x.size()), second(b.x.size()), most(b.width), truth(b.width), sums(2 * CHAIN * 3 * b.width) {}
};

double beta_of(int i) { return (i % 2 ? SECOND : FIRST) * double(1 << i / 2); }

// One block: loss, slope and curvature of beta i lie in room.sums, rows first; returns where.
double *at(Room &room, const Block &b, int i) { return room.sums.data() + ((i % 2) * CHAIN + i / 2) * 3 * b.width; }

void judge(Block &b, Room &room, bool logits) {
    double *x = b.x.data();
    if (!logits) logarithms(int64_t(b.x.size()), x);
    std::fill(room.most.begin(), room.most.end(), -INF);
    std::fill(b.best.begin(), b.best.end(), 0);
    largest(b.rows, b.classes, b.width, x, room.most.data(), b.best.data());
    for (int64_t r = 0; r < b.rows; ++r) room.truth[r] = x[b.target[r] * b.width + r] - room.most[r];
    distances(b.rows, b.classes, b.width, x, room.most.data(), b.best.data(), room.first.data(), room.second.data());
    powers(b.rows, b.classes, b.width, x, room.first.data(), room.sums.data());
    powers(b.rows, b.classes, b.width, x, room.second.data(), room.sums.data() + CHAIN * 3 * b.width);
    for (int i = 0; i < BETAS; ++i) {
        double *s = at(room, b, i);
        finish(b.rows, beta_of(i), room.truth.data(), s, s + b.width, s + 2 * b.width);
    }
}

void enter(const Block &b, Room &room, const int32_t *bucket, const double *weight, int64_t *rows, Wide *weights, Wide *sums) {
    for (int64_t r = 0; r < b.rows; ++r) {
        if (!(room.truth[r] > -INF)) continue;   // the truth is not there at any beta
        const double w = weight ? weight[r] : 1.0;
        rows[bucket[r]] += 1;
        if (weight) add(weights[bucket[r]], w);
        Wide *to = sums + int64_t(bucket[r]) * BETAS * 3;
        for (int i = 0; i < BETAS; ++i) {
            const double *s = at(room, b, i) + r;
            for (int c = 0; c < 3; ++c) add(to[i * 3 + c], w * s[c * b.width]);
        }
    }
}

void temperatures(const Array &x, bool logits, const Row<const int32_t> &target, const Row<const int32_t> &bucket,
                  const std::optional<Row<const double>> &weight, const Row<int64_t> &rows, const Out<int64_t, nb::ndim<2>> &weights,
                  const Out<int64_t, nb::ndim<4>> &sums) {
    const size_t n = target.shape(0), slots = rows.shape(0);
    bool good = x.ndim() == 2 && x.shape(0) == n && x.shape(1) > 1 && (x.dtype() == nb::dtype<float>() || x.dtype() == nb::dtype<double>())
        && bucket.shape(0) == n && (!weight || weight->shape(0) == n) && weights.shape(0) == slots && weights.shape(1) == 4
        && sums.shape(0) == slots && sums.shape(1) == BETAS && sums.shape(2) == 3 && sums.shape(3) == 4;
    for (size_t r = 0; good && r < n; ++r)
        good = target.data()[r] >= 0 && size_t(target.data()[r]) < x.shape(1) && bucket.data()[r] >= 0 && size_t(bucket.data()[r]) < slots;
    if (!good) throw std::invalid_argument("temperatures: arrays do not fit together");
    const double *w = weight ? weight->data() : nullptr;
    const Batch in{tally::Matrix(x), target.data(), nullptr, nullptr, logits, false, {0.0, true, 0.0, 0.0, false, false}, {}};
    Outside outside;
    Block b(in.x.columns);
    Room room(b);
    tally::Verdict verdict;
    for (int64_t from = 0; from < in.x.rows; from += b.width) {
        if (!prepare(in, from, b, verdict)) break;
        std::copy_n(in.target + from, b.rows, b.target.begin());
        judge(b, room, logits);
        enter(b, room, bucket.data() + from, w ? w + from : nullptr, rows.data(), reinterpret_cast<Wide *>(weights.data()),
              reinterpret_cast<Wide *>(sums.data()));
    }
    if (verdict.fault) throw std::invalid_argument("temperatures: a row cannot be judged");
}

}  // namespace
}  // namespace xent::temperature

void bind_temperature(nb::module_ &m) {
    m.def("temperatures", &xent::temperature::temperatures, nb::arg("x"), nb::arg("logits"), nb::arg("target"), nb::arg("bucket"),
          nb::arg("weight").none(), nb::arg("rows").noconvert(), nb::arg("weights").noconvert(), nb::arg("sums").noconvert(),
          "By bucket and inverse temperature: sums of loss, slope and curvature of rows whose truth has a probability.");
}

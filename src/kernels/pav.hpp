// Pool adjacent violators: where the blocks of the likeliest increasing fit start.
#pragma once

#include <nanobind/nanobind.h>

void bind_pav(nanobind::module_ &m);

// A processor with one function: zs = x + ys. Run usage_guide against it.

#include "serve.hpp"

#include <cstdint>

namespace {

void simple_fn(std::int64_t x, sdp_dal::tensor_view<const std::int64_t, 1> ys,
               sdp_dal::output<std::int64_t, 1> zs) {
    auto out = zs.create(ys.shape());
    for (std::int64_t i = 0; i < ys.shape(0); i++) out(i) = x + ys(i);
}

void offer(sdp_dal::processor &processor) {
    processor.add<simple_fn>("simple_fn", {"x", "ys[i]", "zs[i]"});
}

} // namespace

int main(int argc, char **argv) {
    return serve(argc, argv, "SimpleProcessor",
                 "Offers simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i]): zs = x + ys.", offer);
}

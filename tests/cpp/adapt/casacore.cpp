// casacore's Arrays and the store's tensors, one as the other. argv[1]: the store's path.
#include <casacore/casa/Arrays/ArrayMath.h>
#include <casacore/casa/Arrays/ArrayPartMath.h>
#include <casacore/casa/Arrays/Cube.h>
#include <casacore/casa/Arrays/Matrix.h>

#include <sdp_dal/adapt/casacore.hpp>

#include "../check.hpp"

using casacore::Array;
using casacore::IPosition;
using casacore::Slice;
using sdp_dal::as_casacore;
using sdp_dal::tensor_view;
using vis = std::complex<float>;

// The mean over channels of vis[row,chan,pol], by casacore: its axes are pol, chan, row.
static void average(tensor_view<const vis, 3> in, sdp_dal::output<vis, 2> out) {
    casacore::Array<vis> to = as_casacore(out.create({in.shape(0), in.shape(2)}));
    to = casacore::partialMeans(as_casacore(in), IPosition(1, 1));
}

static void views() {
    vis values[24];
    for (int i = 0; i < 24; i++) values[i] = vis(float(i), 1);
    const tensor_view<vis, 3> view(values, {2, 3, 4});
    Array<vis> array = as_casacore(view);
    CHECK(array.data() == values && array.shape() == IPosition(3, 4, 3, 2));
    for (int row = 0; row < 2; row++)
        for (int chan = 0; chan < 3; chan++)
            for (int pol = 0; pol < 4; pol++)
                CHECK(&array(IPosition(3, pol, chan, row)) == &view(row, chan, pol));
    array = vis(5);
    CHECK(values[23] == vis(5));
    auto constant = as_casacore(tensor_view<const vis, 3>(view).dense());
    CHECK(constant.data() == values);
    static_assert(std::is_const_v<decltype(as_casacore(tensor_view<const vis, 3>()))>);
    THROWS(sdp_dal::invalid_argument, "not in C order",
           as_casacore(tensor_view<vis, 2>(values, {2, 3}, {8, 16})));

    // The other way.
    casacore::Cube<double> cube(4, 3, 2);
    casacore::indgen(cube);
    auto of_cube = sdp_dal::view(cube);
    static_assert(std::is_same_v<decltype(of_cube), tensor_view<const double, 3>>);
    CHECK(of_cube.first() == cube.data() && of_cube.is_c_contiguous());
    CHECK(of_cube(1, 2, 3) == cube(3, 2, 1) && of_cube.shape(0) == 2);
    const Array<double> part = cube(Slice(0, 2, 2), Slice(1, 2), Slice(0, 2));
    auto of_part = sdp_dal::view<3>(part);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            for (int k = 0; k < 2; k++) CHECK(of_part(i, j, k) == part(IPosition(3, k, j, i)));
    CHECK(!of_part.is_c_contiguous());
    THROWS(sdp_dal::invalid_argument, "has 3 axes, 2 were requested", sdp_dal::view<2>(part));
    casacore::Matrix<float> matrix(2, 3, 1.5f);
    CHECK(sdp_dal::view(matrix).shape(0) == 3 && sdp_dal::view(matrix)(2, 1) == 1.5f);
    casacore::Vector<bool> flags(3, true);
    CHECK(sdp_dal::view(flags).shape(0) == 3 && sdp_dal::view(flags)(2));
    const casacore::Vector<float> row = matrix.row(1);
    CHECK(sdp_dal::view(row).stride(0) == 8);
}

static void stored(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "casacore");
    processor.add<average>("average", {"in[row,chan,pol]", "out[row,pol]"});
    processor.start();
    sdp_dal::caller caller(store,
                           {"average(in: complex64[row,chan,pol]) -> (out: complex64[row,pol])"});
    casacore::Cube<vis> data(4, 3, 2);
    for (std::size_t row = 0; row < 2; row++)
        for (std::size_t chan = 0; chan < 3; chan++)
            for (std::size_t pol = 0; pol < 4; pol++)
                data(pol, chan, row) = vis(float(row), float(chan * pol));
    // Filled in place, as a column of a table is read.
    auto writer = store.create<vis, 3>({2, 3, 4}, {"row", "chan", "pol"});
    as_casacore(writer.view()).assign_conforming(data);
    auto results = caller.call("average", writer.seal());
    CHECK(processor.process());
    auto out = results["out"].get<vis, 2>();
    CHECK(out(1, 3) == vis(1, 3));
    CHECK(as_casacore(out.view())(IPosition(2, 3, 1)) == vis(1, 3));
    results = caller.call("average", {{"in", sdp_dal::view(data)}});
    CHECK(processor.process());
    CHECK((results["out"].get<vis, 2>().to_vector() == out.to_vector()));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    sdp_dal::store_options options;
    options.size = 16 << 20;
    sdp_dal::store store(argv[1], options);
    views();
    stored(store);
    return 0;
}

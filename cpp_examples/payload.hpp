// What a receiver and its processors agree on: the function, and how visibilities are checked.
#pragma once

#include <sdp_dal.hpp>

#include <complex>
#include <cstdint>
#include <cstring>
#include <string>

using visibility = std::complex<float>;

// Metadata are small tables. The tag says that a processor has done what it had to do with a
// payload.
inline const std::string read_payload_signature =
    "read_payload(scan: table{number: int64, checksum: uint64}, "
    "antennas: table{name: utf8, diameter: float64}, "
    "baselines: table{antenna1: int32, antenna2: int32}, "
    "spectral_window: table{frequency: float64, width: float64}, "
    "polarization: table{name: utf8}, "
    "field: table{name: utf8, right_ascension: float64, declination: float64}, "
    "time_index: int64[time], times: float64[time], intervals: float64[time], "
    "exposures: float64[time], uvw: float64[time,baseline,uvw=3], "
    "vis: complex64[time,baseline,channel,pol]) -> (tag: int64[])";

/// Where a value stands counts too.
inline std::uint64_t checksum(sdp_dal::dense_view<const visibility, 4> vis) {
    const char *bytes = reinterpret_cast<const char *>(vis.data());
    const std::size_t size = vis.size() * sizeof(visibility);
    std::uint64_t sum = 0, place = 0;
    for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes + at, sizeof word);
        sum += word ^ place;
        place += 0x9e3779b97f4a7c15u;
    }
    return sum;
}

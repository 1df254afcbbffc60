/* SPDX-License-Identifier: BSD-3-Clause */
/* Which elements of a tensor a reference to a part means. */

#ifndef SDP_DAL_PART_HPP
#define SDP_DAL_PART_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sdp_dal {

/// Elements along one dimension, as in Python: an index, or a slice from begin up to, but not
/// including, end. Negative ones are counted from the end. std::nullopt: from or to the end.
class slice {
public:
    /// The element with this index. The part does not have this dimension.
    slice(std::int64_t index) : text_(std::to_string(index)) {}
    /// A slice leaves out what does not exist. step: from one element to the next, not 0.
    slice(std::optional<std::int64_t> begin, std::optional<std::int64_t> end, std::int64_t step = 1)
        : text_((begin ? std::to_string(*begin) : "") + ":" + (end ? std::to_string(*end) : "")) {
        if (step != 1) text_ += ":" + std::to_string(step);
    }
    /// A whole dimension, ":" in Python.
    static slice all() { return {std::nullopt, std::nullopt}; }
    /// As many whole dimensions as the others leave, "..." in Python.
    static slice rest() {
        slice one = all();
        one.text_ = "...";
        return one;
    }
    const std::string &text() const { return text_; }

private:
    std::string text_;
};

namespace detail {
inline std::string part_text(const std::vector<slice> &slices) {
    std::string text = "[";
    for (const slice &one : slices) text += (text.size() > 1 ? ", " : "") + one.text();
    return text + "]";
}
} // namespace detail

} // namespace sdp_dal

#endif

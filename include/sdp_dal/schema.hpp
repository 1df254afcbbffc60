/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions' names and parameters. */

#ifndef SDP_DAL_SCHEMA_HPP
#define SDP_DAL_SCHEMA_HPP

#include <map>
#include <string>
#include <vector>

#include "arrow.hpp"
#include "view.hpp"

namespace sdp_dal {

/// Throws an error about a signature: the column, what was found and what was expected.
inline void check_signature(const std::string &signature) {
    sdp_dal_schema *handle = nullptr;
    detail::check(sdp_dal_schema_parse(detail::text(signature), &handle));
    sdp_dal_schema_free(handle);
}

/// One parameter of a function.
struct schema_param {
    std::string name;
    /// Its type as in a signature: "int64", "float64[row,uvw=3] C", "table{a: utf8}".
    std::string type;
    bool is_output;
    /// May be null or left out.
    bool nullable;
    /// One of sdp_dal_param_kind.
    std::int32_t kind;
    /// For a tensor: its element type, one of sdp_dal_dtype. Otherwise 0.
    std::int32_t dtype;
    /// For a tensor: its number of dimensions. Otherwise 0.
    std::int32_t ndim;
    /// For a tensor: its order in the signature, one of sdp_dal_order. Otherwise 0.
    std::int32_t order;
    /// The dimensions of a tensor: names ("" for none), and sizes (-1: not fixed).
    std::vector<std::pair<std::string, std::int64_t>> dims;
    /// Its metadata.
    std::map<std::string, std::string> metadata;
};

namespace detail {

template <class = void>
std::map<std::string, std::string> said(const char *const *keys, const char *const *values,
                                        std::size_t count) {
    std::map<std::string, std::string> all;
    for (std::size_t i = 0; i < count; i++) all[keys[i]] = values[i];
    return all;
}

inline sdp_dal_schema_info info_of(const sdp_dal_schema *schema) {
    auto info = sized<sdp_dal_schema_info>();
    check(sdp_dal_schema_get_info(schema, &info));
    return info;
}

inline sdp_dal_param_info param_of(const sdp_dal_schema *schema, std::size_t index) {
    auto info = sized<sdp_dal_param_info>();
    check(sdp_dal_schema_get_param(schema, index, &info));
    return info;
}

inline std::size_t index_of(const sdp_dal_schema *schema, const std::string &name) {
    std::size_t index = 0;
    check(sdp_dal_schema_get_index(schema, text(name), &index));
    return index;
}

/// The schema of the called function, valid until the last handle of the call is freed.
inline const sdp_dal_schema *schema_of(const sdp_dal_call *call) {
    const sdp_dal_schema *schema = nullptr;
    check(sdp_dal_call_get_schema(call, &schema));
    return schema;
}

inline std::string format(const sdp_dal_schema *schema) {
    return checked_text([&](char *buffer, std::size_t *length) {
        return sdp_dal_schema_format(schema, buffer, length);
    });
}

/// The dimensions of a tensor as in a signature, from names, with "=" and a size if that is fixed.
template <class = void> std::string dims_text(const std::vector<std::string> &dims) {
    std::string all;
    for (const std::string &dim : dims) {
        std::size_t end = dim.rfind('=');
        bool sized = end != std::string::npos && end + 1 < dim.size() &&
                     dim.find_first_not_of("0123456789", end + 1) == std::string::npos;
        std::string name = sized ? dim.substr(0, end) : dim, size = sized ? dim.substr(end) : "";
        std::string quoted;
        for (char c : name) {
            if (c == '"' || c == '\\') quoted += '\\';
            quoted += c == '\n' ? std::string("\\n") : std::string(1, c);
        }
        if (!all.empty()) all += ",";
        if (!name.empty())
            all += "\"" + quoted + "\"" + size;
        else
            all += sized ? size.substr(1) : "*";
    }
    return all;
}

} // namespace detail

/// The name and the parameters of a function, with metadata that the library does not interpret.
/// Add parameters one by one: schema("f").add_value("x", "int64").
class schema {
public:
    /// Creates the schema of a function without parameters.
    explicit schema(const std::string &name) : schema(nullptr) {
        sdp_dal_schema *handle = nullptr;
        detail::check(sdp_dal_schema_create(detail::text(name), &handle));
        handle_.reset(handle);
    }

    /// Takes over the C handle.
    explicit schema(sdp_dal_schema *handle) : handle_(handle) {}

    /// Parses a signature in one line: "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
    static schema parse(const std::string &signature) {
        sdp_dal_schema *handle = nullptr;
        detail::check(sdp_dal_schema_parse(detail::text(signature), &handle));
        return schema(handle);
    }

    /// Converts an Arrow schema, with metadata as in docs/wire-format.md, and takes it over.
    static schema from_arrow(ArrowSchema *from) {
        sdp_dal_schema *handle = nullptr;
        detail::check(sdp_dal_schema_from_arrow(from, &handle));
        return schema(handle);
    }

    schema(schema &&) noexcept = default;
    schema &operator=(schema &&) noexcept = default;
    schema(const schema &other) : schema(nullptr) {
        sdp_dal_schema *handle = nullptr;
        detail::check(sdp_dal_schema_clone(other.raw(), &handle));
        handle_.reset(handle);
    }
    schema &operator=(const schema &other) {
        *this = schema(other);
        return *this;
    }

    /// Returns the signature in one line.
    std::string text() const { return detail::format(raw()); }
    std::string name() const { return detail::info_of(raw()).name; }
    arrow_schema to_arrow() const {
        arrow_schema out;
        detail::check(sdp_dal_schema_to_arrow(raw(), out.raw()));
        return out;
    }

    std::size_t num_params() const { return detail::info_of(raw()).num_params; }
    std::size_t index(const std::string &name) const { return detail::index_of(raw(), name); }
    template <class Param = schema_param> Param param(std::size_t index) const {
        sdp_dal_param_info info = detail::param_of(raw(), index);
        decltype(Param::dims) dims;
        for (std::int32_t dim = 0; dim < info.ndim; dim++)
            dims.emplace_back(info.dim_names[dim], info.dim_sizes[dim]);
        return {info.name,
                info.type_text,
                info.direction == SDP_DAL_OUT,
                (info.flags & SDP_DAL_PARAM_NULLABLE) != 0,
                info.kind,
                info.dtype,
                info.ndim,
                info.order,
                std::move(dims),
                detail::said(info.metadata_keys, info.metadata_values, info.num_metadata)};
    }
    /// Returns the type of a value parameter as an Arrow field with its name, or the columns of a
    /// table parameter as an Arrow schema.
    arrow_schema arrow_type(std::size_t index) const {
        arrow_schema out;
        detail::check(sdp_dal_schema_get_arrow(raw(), index, out.raw()));
        return out;
    }
    template <class Param = schema_param> std::vector<Param> params() const {
        std::vector<Param> all;
        for (std::size_t i = 0; i < num_params(); i++) all.push_back(param<Param>(i));
        return all;
    }

    /// Returns the differences that prevent a caller that expects this from calling a function with
    /// another schema. It is empty if they are compatible.
    std::string mismatches(const schema &actual) const {
        std::size_t count = 0;
        return detail::checked_text([&](char *buffer, std::size_t *length) {
            return sdp_dal_schema_mismatches(raw(), actual.raw(), &count, buffer, length);
        });
    }

    /// Appends a value, with its type as in a signature.
    schema &add_value(const std::string &name, const std::string &type, bool nullable = false) {
        return add(false, name, detail::text(type), nullptr, nullable);
    }
    /// Appends a value of any Arrow type, whose struct is taken over.
    schema &add_value(const std::string &name, ArrowSchema *type, bool nullable = false) {
        return add(false, name, nullptr, type, nullable);
    }
    /// Appends a tensor with elements of type T. dims: names, with "=" and a size if that is fixed.
    /// order: its order in the signature, one of sdp_dal_order.
    template <class T>
    schema &add_tensor(const std::string &name, const std::vector<std::string> &dims,
                       bool is_output = false, bool nullable = false,
                       std::int32_t order = SDP_DAL_ORDER_ANY) {
        std::string type = sdp_dal_dtype_name(detail::dtype_of<T>());
        type += "[" + detail::dims_text(dims) + "]";
        if (order != SDP_DAL_ORDER_ANY) type += order == SDP_DAL_ORDER_C ? " C" : " F";
        return add(is_output, name, detail::text(type), nullptr, nullable);
    }
    /// Appends a table with any columns.
    schema &add_table(const std::string &name, bool is_output = false, bool nullable = false) {
        return add(is_output, name, "table", nullptr, nullable);
    }
    /// Appends a table with these columns, a struct that is taken over.
    schema &add_table(const std::string &name, ArrowSchema *columns, bool is_output = false,
                      bool nullable = false) {
        return add(is_output, name, "table", columns, nullable);
    }
    /// Appends an object of any kind. An input is waited for, an output is created.
    schema &add_oid(const std::string &name, bool is_output = false, bool nullable = false) {
        return add(is_output, name, "oid", nullptr, nullable);
    }
    /// Appends the ID of an object, which is only passed on.
    schema &add_id(const std::string &name, bool nullable = false) {
        return add(false, name, "id", nullptr, nullable);
    }

    /// Sets metadata of the function.
    schema &set_metadata(const std::string &key, const std::string &value) {
        detail::check(
            sdp_dal_schema_set_metadata(raw(), nullptr, detail::text(key), detail::text(value)));
        return *this;
    }
    /// Sets metadata of a parameter.
    schema &set_param_metadata(const std::string &param, const std::string &key,
                               const std::string &value) {
        detail::check(sdp_dal_schema_set_metadata(raw(), detail::text(param), detail::text(key),
                                                  detail::text(value)));
        return *this;
    }
    /// The metadata of the function.
    template <class = void> std::map<std::string, std::string> metadata() const {
        sdp_dal_schema_info info = detail::info_of(raw());
        return detail::said(info.metadata_keys, info.metadata_values, info.num_metadata);
    }

    sdp_dal_schema *raw() const { return handle_.get(); }

private:
    schema &add(bool is_output, const std::string &name, const char *type, ArrowSchema *arrow,
                bool nullable) {
        std::int32_t direction = is_output ? SDP_DAL_OUT : SDP_DAL_IN;
        detail::check(
            sdp_dal_schema_add(raw(), direction, detail::text(name), type, arrow, nullable));
        return *this;
    }

    detail::owned<sdp_dal_schema, sdp_dal_schema_free> handle_;
};

} // namespace sdp_dal

#endif

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

/// Throws what is wrong with a signature: the column, what was found and what was expected.
inline void check_signature(const std::string &signature) {
    detail::check(sdp_dal_signature_check(detail::text(signature)));
}

/// One parameter of a function.
struct schema_param {
    std::string name;
    /// As a signature writes it: "int64", "float64[row,uvw=3] C", "table{a: utf8}".
    std::string type;
    bool is_output;
    /// May be left out.
    bool nullable;
    /// One of sdp_dal_param_kind.
    std::int32_t kind;
    /// Element type of a tensor, one of sdp_dal_dtype; else 0.
    std::int32_t dtype;
    /// Number of dimensions of a tensor; else 0.
    std::int32_t ndim;
    /// In which order a tensor is wanted or made, one of sdp_dal_order; else 0.
    std::int32_t order;
};

/// A function's name and its parameters, with metadata that are for people and programs and not for
/// the library. Built by parameters: schema("f").add_value("x", "int64").
class schema {
public:
    /// A function without parameters.
    explicit schema(const std::string &name) : schema(nullptr) {
        sdp_dal_schema *handle = nullptr;
        detail::check(sdp_dal_schema_create(detail::text(name), &handle));
        handle_.reset(handle);
    }

    /// Takes the C handle over.
    explicit schema(sdp_dal_schema *handle) : handle_(handle) {}

    /// Reads a signature in one line: "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
    static schema parse(const std::string &signature) {
        sdp_dal_schema *handle = nullptr;
        detail::check(sdp_dal_schema_parse(detail::text(signature), &handle));
        return schema(handle);
    }

    /// Reads an Arrow schema with the metadata of docs/wire-format.md, and takes it over.
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

    /// The signature in one line.
    std::string text() const {
        return detail::checked_text([&](char *buffer, std::size_t *length) {
            return sdp_dal_schema_format(raw(), buffer, length);
        });
    }
    std::string name() const {
        return detail::checked_text([&](char *buffer, std::size_t *length) {
            return sdp_dal_schema_name(raw(), buffer, length);
        });
    }
    arrow_schema to_arrow() const {
        arrow_schema out;
        detail::check(sdp_dal_schema_to_arrow(raw(), out.raw()));
        return out;
    }

    std::size_t num_params() const { return sdp_dal_schema_num_params(raw()); }
    std::size_t index(const std::string &name) const {
        std::size_t index = 0;
        detail::check(sdp_dal_schema_param_index(raw(), detail::text(name), &index));
        return index;
    }
    schema_param param(std::size_t index) const {
        auto info = detail::sized<sdp_dal_param_info>();
        detail::check(sdp_dal_schema_param_info(raw(), index, &info));
        std::string name = detail::checked_text([&](char *buffer, std::size_t *length) {
            return sdp_dal_schema_param_name(raw(), index, buffer, length);
        });
        std::string type = detail::checked_text([&](char *buffer, std::size_t *length) {
            return sdp_dal_schema_param_type(raw(), index, buffer, length);
        });
        return {std::move(name),
                std::move(type),
                info.direction == SDP_DAL_OUT,
                (info.flags & SDP_DAL_PARAM_NULLABLE) != 0,
                info.kind,
                info.dtype,
                info.ndim,
                info.order};
    }
    /// The dimensions of a tensor parameter: names ("" for none), and sizes (-1: not fixed).
    std::vector<std::pair<std::string, std::int64_t>> dims(std::size_t index) const {
        std::vector<std::pair<std::string, std::int64_t>> all;
        auto count = static_cast<std::size_t>(param(index).ndim);
        for (std::size_t dim = 0; dim < count; dim++) {
            std::int64_t size = -1;
            std::string name = detail::checked_text([&](char *buffer, std::size_t *length) {
                return sdp_dal_schema_param_dim(raw(), index, dim, &size, buffer, length);
            });
            all.emplace_back(std::move(name), size);
        }
        return all;
    }
    /// The type of a value parameter, as an Arrow field of its name.
    arrow_schema arrow_type(std::size_t index) const {
        arrow_schema out;
        detail::check(sdp_dal_schema_param_arrow(raw(), index, out.raw()));
        return out;
    }
    /// The columns of a table parameter, as an Arrow schema.
    arrow_schema columns(std::size_t index) const {
        arrow_schema out;
        detail::check(sdp_dal_schema_param_columns(raw(), index, out.raw()));
        return out;
    }
    std::vector<schema_param> params() const {
        std::vector<schema_param> all;
        for (std::size_t i = 0; i < num_params(); i++) all.push_back(param(i));
        return all;
    }

    /// What keeps a caller that expects this from calling a function of another schema; empty if
    /// nothing does.
    std::string mismatches(const schema &actual) const {
        std::size_t count = 0;
        return detail::checked_text([&](char *buffer, std::size_t *length) {
            return sdp_dal_schema_mismatches(raw(), actual.raw(), &count, buffer, length);
        });
    }

    /// Appends a value, with its type as a signature writes it.
    schema &add_value(const std::string &name, const std::string &type, bool nullable = false) {
        detail::check(
            sdp_dal_schema_add_value(raw(), detail::text(name), detail::text(type), nullable));
        return *this;
    }
    /// Appends a value of any Arrow type, a struct that is taken over.
    schema &add_value(const std::string &name, ArrowSchema *type, bool nullable = false) {
        detail::check(sdp_dal_schema_add_value_arrow(raw(), detail::text(name), type, nullable));
        return *this;
    }
    /// Appends a tensor of elements T. dims: names, with "=" and a size where that is fixed.
    template <class T>
    schema &add_tensor(const std::string &name, const std::vector<std::string> &dims,
                       bool is_output = false, bool nullable = false) {
        std::vector<const char *> names;
        for (const std::string &dim : dims) names.push_back(detail::text(dim));
        detail::check(sdp_dal_schema_add_tensor(
            raw(), direction(is_output), detail::text(name), detail::dtype_of<T>(),
            static_cast<std::int32_t>(dims.size()), names.data(), nullable));
        return *this;
    }
    /// Says in which order a tensor is wanted or made, one of sdp_dal_order.
    schema &set_order(const std::string &name, std::int32_t order) {
        detail::check(sdp_dal_schema_set_order(raw(), detail::text(name), order));
        return *this;
    }
    /// Appends a table of any columns.
    schema &add_table(const std::string &name, bool is_output = false, bool nullable = false) {
        detail::check(sdp_dal_schema_add_table(raw(), direction(is_output), detail::text(name),
                                               nullptr, nullable));
        return *this;
    }
    /// Appends a table of these columns, a struct that is taken over.
    schema &add_table(const std::string &name, ArrowSchema *columns, bool is_output = false,
                      bool nullable = false) {
        detail::check(sdp_dal_schema_add_table(raw(), direction(is_output), detail::text(name),
                                               columns, nullable));
        return *this;
    }
    /// Appends an object of any kind: waited for if it is an input, made if it is an output.
    schema &add_oid(const std::string &name, bool is_output = false, bool nullable = false) {
        detail::check(
            sdp_dal_schema_add_oid(raw(), direction(is_output), detail::text(name), nullable));
        return *this;
    }
    /// Appends an object's ID, which is only passed.
    schema &add_id(const std::string &name, bool nullable = false) {
        detail::check(sdp_dal_schema_add_id(raw(), detail::text(name), nullable));
        return *this;
    }

    /// Says something about the function.
    schema &set_metadata(const std::string &key, const std::string &value) {
        detail::check(
            sdp_dal_schema_set_metadata(raw(), nullptr, detail::text(key), detail::text(value)));
        return *this;
    }
    /// Says something about a parameter.
    schema &set_param_metadata(const std::string &param, const std::string &key,
                               const std::string &value) {
        detail::check(sdp_dal_schema_set_metadata(raw(), detail::text(param), detail::text(key),
                                                  detail::text(value)));
        return *this;
    }
    /// What is said about the function.
    std::map<std::string, std::string> metadata() const { return said_about(nullptr); }
    /// What is said about a parameter.
    std::map<std::string, std::string> param_metadata(const std::string &param) const {
        return said_about(detail::text(param));
    }

    sdp_dal_schema *raw() const { return handle_.get(); }

private:
    static std::int32_t direction(bool is_output) { return is_output ? SDP_DAL_OUT : SDP_DAL_IN; }

    std::map<std::string, std::string> said_about(const char *param) const {
        std::map<std::string, std::string> said;
        std::size_t count = 0;
        detail::check(sdp_dal_schema_num_metadata(raw(), param, &count));
        for (std::size_t i = 0; i < count; i++) {
            std::string key = detail::checked_text([&](char *buffer, std::size_t *length) {
                return sdp_dal_schema_metadata_key(raw(), param, i, buffer, length);
            });
            said[key] = detail::checked_text([&](char *buffer, std::size_t *length) {
                return sdp_dal_schema_metadata(raw(), param, detail::text(key), buffer, length);
            });
        }
        return said;
    }

    detail::owned<sdp_dal_schema, sdp_dal_schema_free> handle_;
};

} // namespace sdp_dal

#endif

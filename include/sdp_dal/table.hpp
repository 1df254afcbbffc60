/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables: read by column, built from vectors, and given to and taken from Arrow libraries. */

#ifndef SDP_DAL_TABLE_HPP
#define SDP_DAL_TABLE_HPP

#include <limits>
#include <optional>
#include <string_view>

#include "arrow.hpp"
#include "view.hpp"

namespace sdp_dal {

namespace detail {

/// The Arrow format of a column whose elements are stored as T.
template <class T> constexpr const char *format_of() {
    constexpr std::int32_t dtype = dtype_of<T>();
    static_assert(dtype != SDP_DAL_COMPLEX64 && dtype != SDP_DAL_COMPLEX128,
                  "Arrow has no complex numbers: make two columns");
    switch (dtype) {
    case SDP_DAL_BOOL:
        return "b";
    case SDP_DAL_INT8:
        return "c";
    case SDP_DAL_UINT8:
        return "C";
    case SDP_DAL_INT16:
        return "s";
    case SDP_DAL_UINT16:
        return "S";
    case SDP_DAL_INT32:
        return "i";
    case SDP_DAL_UINT32:
        return "I";
    case SDP_DAL_INT64:
        return "l";
    case SDP_DAL_UINT64:
        return "L";
    case SDP_DAL_FLOAT32:
        return "f";
    default:
        return "g";
    }
}

inline bool bit_at(const void *bits, std::int64_t i) {
    return (static_cast<const std::uint8_t *>(bits)[i / 8] >> (i % 8) & 1) != 0;
}

/// The part of a column in one record batch: elements of an array from an offset on.
struct piece {
    const ArrowArray *array = nullptr;
    std::int64_t offset = 0;
    std::int64_t length = 0;

    const void *buffer(int index) const { return array->buffers[index]; }
};

/// The record batches of a table, and their type.
struct table_batches {
    arrow_schema schema;
    std::vector<arrow_array> batches;
};

} // namespace detail

/// The texts of a column, valid as long as the table.
class text_column {
public:
    text_column(const detail::piece &piece, bool large) : piece_(piece), large_(large) {}
    std::size_t size() const { return static_cast<std::size_t>(piece_.length); }
    /// The index is not checked.
    std::string_view operator[](std::size_t i) const {
        std::int64_t at = piece_.offset + static_cast<std::int64_t>(i);
        std::int64_t begin = offset(at), end = offset(at + 1);
        return {static_cast<const char *>(piece_.buffer(2)) + begin,
                static_cast<std::size_t>(end - begin)};
    }

private:
    std::int64_t offset(std::int64_t at) const {
        if (large_) return static_cast<const std::int64_t *>(piece_.buffer(1))[at];
        return static_cast<const std::int32_t *>(piece_.buffer(1))[at];
    }

    detail::piece piece_;
    bool large_;
};

/// A table. Its columns are valid as long as this, or a copy of it, which shares them.
///
/// It has one or more record batches (or none), and each contains a part of every column. Elements
/// that are null have no defined value: check them with is_null().
class table {
public:
    /// A table without columns.
    template <class = void> table() : held_(std::make_shared<detail::table_batches>()) {
        ArrowSchema type = detail::make_type("", "+s", false);
        held_->schema = arrow_schema(&type);
    }

    /// Reads an Arrow stream to its end, and releases it. Nothing is copied.
    template <class = void> explicit table(ArrowArrayStream *stream) : table() {
        arrow_stream from(stream);
        auto stream_check = [&](int code) {
            if (code == 0) return;
            const char *text = from->get_last_error(from.raw());
            detail::wrong(std::string("the stream of record batches failed: ") +
                          (text != nullptr ? text : std::strerror(code)));
        };
        arrow_schema type;
        stream_check(from->get_schema(from.raw(), type.raw()));
        held_->schema = std::move(type);
        while (true) {
            arrow_array batch;
            stream_check(from->get_next(from.raw(), batch.raw()));
            if (batch->release == nullptr) break;
            held_->batches.push_back(std::move(batch));
        }
    }

    /// Takes over the types of the columns and one record batch.
    template <class = void> table(ArrowSchema *schema, ArrowArray *batch) : table() {
        held_->schema = arrow_schema(schema);
        held_->batches.emplace_back(batch);
    }

    std::size_t num_columns() const { return static_cast<std::size_t>(held_->schema->n_children); }
    std::size_t num_batches() const { return held_->batches.size(); }
    std::size_t num_rows() const {
        std::size_t rows = 0;
        for (std::size_t batch = 0; batch < num_batches(); batch++) rows += num_rows(batch);
        return rows;
    }
    std::size_t num_rows(std::size_t batch) const {
        return static_cast<std::size_t>(held_->batches.at(batch)->length);
    }
    std::vector<std::string> column_names() const {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < num_columns(); i++) names.push_back(type_at(i).name);
        return names;
    }
    /// The Arrow format of a column: "g" for double, "u" for texts.
    std::string format(const std::string &name) const { return type_at(index_of(name)).format; }

    /// The elements of a column of a table with one record batch. A table without record batches
    /// has no elements. Valid as long as the table: store the table in a variable.
    template <class T> tensor_view<const T, 1> column(const std::string &name) const & {
        std::size_t index = typed<T>(name);
        return one_batch() ? elements<T>(index, 0) : tensor_view<const T, 1>();
    }
    /// The part of a column in a record batch.
    template <class T>
    tensor_view<const T, 1> column(const std::string &name, std::size_t batch) const & {
        return elements<T>(typed<T>(name), batch);
    }
    template <class T> tensor_view<const T, 1> column(const std::string &name) const && = delete;
    template <class T>
    tensor_view<const T, 1> column(const std::string &name, std::size_t batch) const && = delete;

    /// The texts of a column of a table with one record batch.
    text_column texts(const std::string &name) const & {
        bool large = text_type(name);
        return one_batch() ? texts(name, 0) : text_column({}, large);
    }
    text_column texts(const std::string &name, std::size_t batch) const & {
        bool large = text_type(name);
        return text_column(piece_of(index_of(name), batch), large);
    }
    text_column texts(const std::string &name) const && = delete;
    text_column texts(const std::string &name, std::size_t batch) const && = delete;

    /// The bools of a column, of all record batches. They are stored as bits, so they are copied.
    template <class Bool = bool> std::vector<Bool> bools(const std::string &name) const {
        std::size_t index = index_of(name);
        expect(name, "b", "bool");
        std::vector<Bool> values;
        for (std::size_t batch = 0; batch < num_batches(); batch++) {
            detail::piece piece = piece_of(index, batch);
            for (std::int64_t i = 0; i < piece.length; i++)
                values.push_back(detail::bit_at(piece.buffer(1), piece.offset + i));
        }
        return values;
    }

    /// Whether an element of a column is null.
    bool is_null(const std::string &name, std::size_t row, std::size_t batch = 0) const {
        detail::piece piece = piece_of(index_of(name), batch);
        if (row >= static_cast<std::size_t>(piece.length))
            detail::wrong("column '" + name + "' has " + std::to_string(piece.length) +
                          " rows, but the index is " + std::to_string(row));
        if (piece.array->n_buffers == 0) return true;
        return piece.array->null_count != 0 && piece.buffer(0) != nullptr &&
               !detail::bit_at(piece.buffer(0), piece.offset + static_cast<std::int64_t>(row));
    }

    /// The types of the columns, as a struct, valid as long as the table.
    const ArrowSchema *schema() const & { return held_->schema.raw(); }
    const ArrowSchema *schema() const && = delete;
    /// A record batch, as a struct, valid as long as the table.
    const ArrowArray *batch(std::size_t index) const & { return held_->batches.at(index).raw(); }
    const ArrowArray *batch(std::size_t index) const && = delete;

    /// Returns the table as a stream, for an Arrow library. Nothing is copied, and the table may be
    /// destroyed before the stream.
    template <class = void> arrow_stream stream() const {
        ArrowArrayStream out{};
        out.get_schema = [](ArrowArrayStream *self, ArrowSchema *schema) noexcept {
            return attempt(
                [&](exporting &from) { detail::share(*from.held->schema, from.held, schema); },
                self);
        };
        out.get_next = [](ArrowArrayStream *self, ArrowArray *batch) noexcept {
            *batch = ArrowArray{};
            return attempt(
                [&](exporting &from) {
                    if (from.next == from.held->batches.size()) return;
                    detail::share(*from.held->batches[from.next], from.held, batch);
                    from.next++;
                },
                self);
        };
        out.get_last_error = [](ArrowArrayStream *) noexcept -> const char * { return nullptr; };
        out.release = [](ArrowArrayStream *self) noexcept {
            delete static_cast<exporting *>(self->private_data);
            self->release = nullptr;
        };
        out.private_data = new exporting{held_, 0};
        return arrow_stream(&out);
    }

private:
    struct exporting {
        std::shared_ptr<const detail::table_batches> held;
        std::size_t next;
    };

    template <class F> static int attempt(F &&fn, ArrowArrayStream *self) noexcept {
        try {
            fn(*static_cast<exporting *>(self->private_data));
            return 0;
        } catch (...) {
            return ENOMEM;
        }
    }

    const ArrowSchema &type_at(std::size_t index) const { return *held_->schema->children[index]; }

    std::size_t index_of(const std::string &name) const {
        std::string known;
        for (std::size_t i = 0; i < num_columns(); i++) {
            if (name == type_at(i).name) return i;
            known += (i == 0 ? "" : ", ") + std::string(type_at(i).name);
        }
        detail::wrong("the table has no column '" + name + "', but " +
                      (known.empty() ? "none at all" : known));
    }

    detail::piece piece_of(std::size_t index, std::size_t batch) const {
        if (batch >= num_batches())
            detail::wrong("the table has " + std::to_string(num_batches()) +
                          " record batches, but the index is " + std::to_string(batch));
        const ArrowArray &all = *held_->batches[batch];
        const ArrowArray *array = all.children[index];
        return {array, all.offset + array->offset, all.length};
    }

    void expect(const std::string &name, const char *format, const std::string &wanted) const {
        const ArrowSchema &type = type_at(index_of(name));
        if (std::strcmp(type.format, format) == 0 && type.dictionary == nullptr) return;
        detail::wrong("column '" + name + "' is of Arrow's format '" + type.format +
                      (type.dictionary != nullptr ? "' with a dictionary, " : "', ") + wanted +
                      " ('" + format + "') was requested");
    }

    /// The index of a column whose elements are of type T.
    template <class T> std::size_t typed(const std::string &name) const {
        static_assert(!std::is_same_v<T, bool>, "bools are stored as bits: use bools()");
        expect(name, detail::format_of<T>(), detail::dtype_name(detail::dtype_of<T>()));
        return index_of(name);
    }

    /// Whether a column of texts has large offsets.
    bool text_type(const std::string &name) const {
        if (format(name) == "U") return true;
        expect(name, "u", "utf8");
        return false;
    }

    template <class T> tensor_view<const T, 1> elements(std::size_t index, std::size_t b) const {
        detail::piece piece = piece_of(index, b);
        const T *first = static_cast<const T *>(piece.buffer(1));
        return {first == nullptr ? nullptr : first + piece.offset, {piece.length}};
    }

    bool one_batch() const {
        if (num_batches() > 1)
            detail::wrong("the table has " + std::to_string(num_batches()) +
                          " record batches: get the column of one of them");
        return num_batches() == 1;
    }

    std::shared_ptr<detail::table_batches> held_;
};

/// Builds a table from vectors, for programs without an Arrow library. Numbers are not copied: the
/// table keeps the vectors that are moved here. Columns of optionals may contain nulls.
///
///   table t = table_builder().column("id", std::move(ids)).column("name", names).build();
class table_builder {
public:
    template <class T> table_builder &column(const std::string &name, std::vector<T> values) {
        if constexpr (std::is_same_v<T, bool>) {
            auto bits = std::make_shared<std::vector<std::uint8_t>>((values.size() + 7) / 8);
            for (std::size_t i = 0; i < values.size(); i++)
                if (values[i]) set_bit(*bits, i);
            return add(name, "b", values.size(), {bits->data()}, bits);
        } else if constexpr (std::is_convertible_v<const T &, std::string_view>) {
            return add_texts(name, values);
        } else {
            auto kept = std::make_shared<std::vector<T>>(std::move(values));
            return add(name, detail::format_of<T>(), kept->size(), {kept->data()}, kept);
        }
    }

    template <class T>
    table_builder &column(const std::string &name, const std::vector<std::optional<T>> &values) {
        valid_bits valid = std::make_shared<std::vector<std::uint8_t>>((values.size() + 7) / 8);
        std::vector<T> plain(values.size());
        for (std::size_t i = 0; i < values.size(); i++) {
            if (!values[i]) continue;
            set_bit(*valid, i);
            plain[i] = *values[i];
        }
        column(name, std::move(plain));
        // What was just added, again with the bits that tell what is null.
        arrow_array all(std::move(arrays_.back()));
        std::vector<const void *> buffers(all->buffers, all->buffers + all->n_buffers);
        buffers[0] = valid->data();
        std::size_t nulls = 0;
        for (const std::optional<T> &value : values) nulls += value ? 0U : 1U;
        auto owner = std::make_shared<std::pair<arrow_array, valid_bits>>(std::move(all), valid);
        ArrowArray array = detail::make_array(values.size(), nulls, std::move(buffers), owner);
        arrays_.back() = arrow_array(&array);
        types_.back()->flags = ARROW_FLAG_NULLABLE;
        return *this;
    }

    /// Returns the table, and leaves the builder empty. All columns must have the same length.
    template <class = void> table build() {
        for (std::size_t i = 0; i < arrays_.size(); i++)
            if (arrays_[i]->length != arrays_[0]->length)
                detail::wrong("column '" + std::string(types_[i]->name) + "' has " +
                              std::to_string(arrays_[i]->length) + " rows, but '" +
                              std::string(types_[0]->name) + "' has " +
                              std::to_string(arrays_[0]->length));
        std::size_t rows = arrays_.empty() ? 0 : static_cast<std::size_t>(arrays_[0]->length);
        arrow_schema type = joined<ArrowSchema>(types_);
        type->format = "+s";
        type->name = "";
        arrow_array batch = joined<ArrowArray>(arrays_);
        static const void *no_nulls[1] = {nullptr};
        batch->length = static_cast<std::int64_t>(rows);
        batch->n_buffers = 1;
        batch->buffers = no_nulls;
        return table(type.raw(), batch.raw());
    }

private:
    using valid_bits = std::shared_ptr<std::vector<std::uint8_t>>;

    static void set_bit(std::vector<std::uint8_t> &bits, std::size_t i) {
        bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | 1u << i % 8);
    }

    template <class T>
    table_builder &add_texts(const std::string &name, const std::vector<T> &values) {
        struct texts {
            std::vector<std::int32_t> offsets = {0};
            std::string bytes = {};
        };
        auto kept = std::make_shared<texts>();
        for (std::string_view value : values) {
            kept->bytes += value;
            if (kept->bytes.size() > std::size_t{std::numeric_limits<std::int32_t>::max()})
                detail::wrong("column '" + name + "' has more than 2 GB of text");
            kept->offsets.push_back(static_cast<std::int32_t>(kept->bytes.size()));
        }
        return add(name, "u", values.size(), {kept->offsets.data(), kept->bytes.data()}, kept);
    }

    template <class = void>
    table_builder &add(const std::string &name, const char *format, std::size_t rows,
                       std::vector<const void *> buffers, std::shared_ptr<const void> owner) {
        for (const arrow_schema &other : types_)
            if (name == other->name) detail::wrong("there are two columns '" + name + "'");
        // The bits that tell what is null come first.
        buffers.insert(buffers.begin(), nullptr);
        ArrowSchema type = detail::make_type(name, format, false);
        types_.emplace_back(&type);
        ArrowArray array = detail::make_array(rows, 0, std::move(buffers), std::move(owner));
        arrays_.emplace_back(&array);
        return *this;
    }

    template <class S> static arrow_owned<S> joined(std::vector<arrow_owned<S>> &parts) {
        detail::boxed<detail::exported<S>> held(new detail::exported<S>);
        held->children.resize(parts.size());
        for (std::size_t i = 0; i < parts.size(); i++) parts[i].move_to(&held->children[i]);
        parts.clear();
        S out{};
        detail::exported<S>::hand_over(std::move(held), &out);
        return arrow_owned<S>(&out);
    }

    std::vector<arrow_schema> types_;
    std::vector<arrow_array> arrays_;
};

} // namespace sdp_dal

#endif

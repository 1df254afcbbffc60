/* SPDX-License-Identifier: BSD-3-Clause */
/* The store of this process, and what is put into it. */

#ifndef SDP_DAL_STORE_HPP
#define SDP_DAL_STORE_HPP

#include <map>
#include <utility>

#include "events.hpp"
#include "listing.hpp"
#include "reference.hpp"

namespace sdp_dal {

struct store_options {
    /// Size of a new store: how many bytes can be put into it. 0: the default.
    std::uint64_t size = 0;
    /// Name of this client in lists and messages. Default (empty): the name of the program.
    std::string name = {};
    /// Maximum number of objects in a new store, rounded up to a power of two. 0: the default.
    std::uint32_t max_objects = 0;
    /// Maximum number of clients of a new store, a multiple of 64. 0: the default.
    std::uint32_t max_clients = 0;
    /// Create the store if there is none.
    bool create = true;
    /// More bits of sdp_dal_store_flag. group and accept_owner are used with their flags.
    std::uint32_t flags = 0;
    std::uint32_t group = 0;
    std::uint32_t accept_owner = 0;
};

/// Options of store::new_namespace(): what the namespace declares.
struct namespace_options {
    /// Its name in lists and messages. Default (empty): the name of the program.
    std::string name = {};
    /// The start of its prefix, up to 8 hexadecimal digits.
    std::string prefix = {};
    /// Functions that it offers: callers put their calls into it.
    std::vector<schema> functions = {};
    /// Its metadata. The keys must not start with "proc:".
    std::map<std::string, std::string> metadata = {};
};

/// A store that this process uses, with a namespace in it.
class store {
public:
    /// Opens the store at a path, and creates it if there is none. An empty path means the
    /// environment variable SDP_DAL_STORE.
    explicit store(const std::string &path = {}, const store_options &options = {}) {
        sdp_dal_store_options raw;
        raw = detail::sized<sdp_dal_store_options>();
        raw.size = options.size;
        raw.name = options.name.empty() ? nullptr : detail::text(options.name);
        raw.max_objects = options.max_objects;
        raw.max_clients = options.max_clients;
        raw.create = options.create ? SDP_DAL_CREATE_IF_MISSING : SDP_DAL_CREATE_NEVER;
        raw.flags = options.flags;
        raw.group = options.group;
        raw.accept_owner = options.accept_owner;
        sdp_dal_store *handle = nullptr;
        detail::check(
            sdp_dal_store_open(path.empty() ? nullptr : detail::text(path), &raw, &handle));
        handle_.reset(handle);
    }

    /// Sets how long everything that is put with this object waits for space when the store is
    /// full. Callers and references that are created with it later keep this time. std::nullopt:
    /// SDP_DAL_FULL_TIMEOUT. poll: not at all.
    void set_full_timeout(std::optional<timeout> time) {
        detail::check(sdp_dal_store_set_full_timeout(raw(), detail::full_timeout(time)));
    }

    /// Copies a tensor into the store.
    template <class T, std::size_t N>
    ref put(const tensor_view<T, N> &value, const std::vector<std::string> &dims = {}) {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_tensor_put(raw(), detail::c_view(value, dims).get(), &handle));
        return ref(handle);
    }

    /// Copies the elements of a vector, an array or a span into the store.
    template <class C, detail::if_elements<C> = 0>
    ref put(const C &elements, const std::vector<std::string> &dims = {}) {
        return put(tensor_view<const detail::element_of<C>, 1>(elements), dims);
    }

    /// Copies a table into the store, in record batches of at most max_chunksize rows. Default (0):
    /// no limit.
    template <class = void> ref put(const table &value, std::size_t max_chunksize = 0) {
        auto options = detail::sized<sdp_dal_table_options>();
        options.max_chunksize = max_chunksize;
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_table_put(raw(), value.stream().raw(), &options, &handle));
        return ref(handle);
    }

    /// Creates a tensor in the store, to be filled in place. It is not zeroed unless requested.
    /// order: one of sdp_dal_order.
    template <class T, std::size_t N>
    tensor_writer<T, N> create(std::array<std::int64_t, N> shape,
                               const std::vector<std::string> &dims = {}, bool zeroed = false,
                               std::int32_t order = SDP_DAL_ORDER_C) {
        detail::c_view form(tensor_view<T, N>(nullptr, shape), dims);
        auto spec = form.spec(zeroed, order);
        void *data = nullptr;
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_tensor_create(raw(), &spec, &data, &handle));
        return tensor_writer<T, N>(handle, packed(static_cast<T *>(data), shape, order));
    }

    /// Creates an owning reference to a tensor that does not exist yet, to pass it as an output.
    template <class T, std::size_t N> ref new_ref(const std::vector<std::string> &dims = {}) {
        detail::c_view form(tensor_view<T, N>(nullptr, {}), dims);
        return new_ref(expected_tensor(form));
    }

    /// Creates an owning reference to a table that does not exist yet. columns: its columns, a
    /// struct that is not released. NULL: any columns.
    ref new_table_ref(const ArrowSchema *columns = nullptr) {
        return new_ref(expected_table(columns));
    }

    /// Creates a borrowed reference to the object with an ID.
    ref find(const object_id &id) const { return find(id, detail::sized<sdp_dal_expectation>()); }

    /// Creates a borrowed reference to a tensor with an ID. What is read through the reference is
    /// checked.
    template <class T, std::size_t N>
    ref find_tensor(const object_id &id, const std::vector<std::string> &dims = {}) const {
        detail::c_view form(tensor_view<T, N>(nullptr, {}), dims);
        return find(id, expected_tensor(form));
    }

    /// Creates a borrowed reference to a table with an ID. columns: its columns, a struct that is
    /// not released. NULL: any columns.
    ref find_table(const object_id &id, const ArrowSchema *columns = nullptr) const {
        return find(id, expected_table(columns));
    }

    /// Creates an owning reference from the text of ref::export_text(), to an object in this store.
    ref import_ref(const std::string &text) const {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_ref_import(raw(), detail::text(text), &handle));
        return ref(handle);
    }

    /// Returns a new ID in this namespace, which is never returned again.
    object_id new_id() {
        std::uint8_t bytes[SDP_DAL_ID_SIZE];
        detail::check(sdp_dal_store_new_id(raw(), bytes));
        return object_id(bytes);
    }

    /// Puts bytes as a raw object.
    ref put_object(std::string_view data, std::string_view metadata = {}) {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_object_put(raw(), bytes(data), data.size(), bytes(metadata),
                                         metadata.size(), &handle));
        return ref(handle);
    }

    /// Creates a raw object of this size with an ID, to be filled and sealed.
    object_writer create_object(const object_id &id, std::size_t size,
                                const object_options &options = {}) {
        auto spec = detail::sized<sdp_dal_object_spec>();
        spec.data_size = size;
        spec.metadata = bytes(options.metadata);
        spec.metadata_size = options.metadata.size();
        spec.full_timeout_ns = options.full_timeout.count();
        spec.flags = options.flags;
        void *data = nullptr;
        sdp_dal_writer *handle = nullptr;
        detail::check(sdp_dal_object_create(raw(), id.data(), &spec, &data, &handle));
        return object_writer(handle, data, size);
    }

    /// Waits for a raw object and holds its bytes.
    buffer get_object(const object_id &id, timeout time = forever) const {
        sdp_dal_buffer *handle = nullptr;
        detail::check(sdp_dal_object_get(raw(), id.data(), time.count(), &handle));
        return buffer(handle);
    }

    /// Waits for many raw objects at once. Returns std::nullopt for each that does not exist.
    template <class Buffer = buffer>
    std::vector<std::optional<Buffer>> get_objects(const std::vector<object_id> &ids,
                                                   timeout time = forever) const {
        std::string together;
        for (const object_id &id : ids)
            together.append(reinterpret_cast<const char *>(id.data()), SDP_DAL_ID_SIZE);
        std::vector<sdp_dal_buffer *> handles(ids.size());
        detail::check(sdp_dal_object_get_many(raw(), bytes(together), ids.size(), time.count(),
                                              handles.data(), nullptr));
        std::vector<std::optional<Buffer>> held(ids.size());
        for (std::size_t i = 0; i < ids.size(); i++)
            if (handles[i] != nullptr) held[i].emplace(handles[i]);
        return held;
    }

    /// Returns whether a complete object with this ID exists.
    bool contains(const object_id &id) const {
        bool contains = false;
        detail::check(sdp_dal_object_contains(raw(), id.data(), &contains));
        return contains;
    }

    /// Deletes an object. Its bytes stay readable for the clients that hold them. mode: one of
    /// sdp_dal_delete_mode.
    void delete_object(const object_id &id, std::int32_t mode = SDP_DAL_DELETE_NOW) {
        detail::check(sdp_dal_object_delete(raw(), id.data(), mode));
    }

    /// Sets whether an object stays even if no client wants it.
    void set_keep(const object_id &id, bool keep) {
        detail::check(sdp_dal_object_set_keep(raw(), id.data(), keep));
    }

    /// Returns a description of an object.
    sdp_dal_object_info info(const object_id &id) const {
        auto info = detail::sized<sdp_dal_object_info>();
        detail::check(sdp_dal_object_get_info(raw(), id.data(), &info));
        return info;
    }

    /// Lists the objects whose IDs start with these hexadecimal digits, in every state.
    template <class Info = sdp_dal_object_info>
    std::vector<Info> objects(const std::string &prefix = {}) const {
        detail::id_start start(prefix);
        sdp_dal_list *handle = nullptr;
        std::size_t count = 0;
        detail::check(sdp_dal_store_list_objects(raw(), start.bytes, start.size, &handle, &count));
        detail::owned<sdp_dal_list, sdp_dal_list_free> list(handle);
        std::vector<Info> all(count);
        for (std::size_t i = 0; i < all.size(); i++) {
            all[i] = detail::sized<Info>();
            detail::check(sdp_dal_list_get_info(handle, i, &all[i]));
        }
        return all;
    }

    /// Returns the numbers of the clients that hold or own an object. kind: one of
    /// sdp_dal_holder_kind.
    template <class Number = std::uint32_t>
    std::vector<Number> holders(const object_id &id,
                                std::int32_t kind = SDP_DAL_HOLDERS_OF_BYTES) const {
        std::vector<Number> numbers;
        while (true) {
            std::size_t count = numbers.size();
            detail::check(sdp_dal_object_holders(raw(), id.data(), kind,
                                                 count == 0 ? nullptr : numbers.data(), &count));
            bool fits = count <= numbers.size();
            numbers.resize(count);
            if (fits) return numbers;
        }
    }

    /// Creates another namespace with the same attachment.
    template <class = void> store new_namespace(const std::string &name = {}) const {
        namespace_options options;
        options.name = name;
        return new_namespace(options);
    }

    /// Creates another namespace. It reserves the lowest free prefix that starts as in the options,
    /// at once.
    template <class = void> store new_namespace(const namespace_options &options) const {
        auto c = detail::sized<sdp_dal_namespace_options>();
        detail::id_start start(options.prefix);
        std::vector<const sdp_dal_schema *> schemas;
        for (const schema &function : options.functions) schemas.push_back(function.raw());
        std::vector<const char *> keys, values;
        for (const auto &[key, value] : options.metadata) {
            keys.push_back(detail::text(key));
            values.push_back(detail::text(value));
        }
        c.name = options.name.empty() ? nullptr : detail::text(options.name);
        c.prefix = start.bytes;
        c.prefix_size = start.size;
        c.schemas = schemas.data();
        c.num_schemas = schemas.size();
        c.metadata_keys = keys.data();
        c.metadata_values = values.data();
        c.num_metadata = keys.size();
        sdp_dal_store *handle = nullptr;
        detail::check(sdp_dal_store_new_namespace(raw(), &c, &handle));
        return store(handle);
    }

    /// Lists the declared namespaces.
    template <class Info = namespace_info> std::vector<Info> namespaces() const {
        return detail::list_namespaces<Info>(raw());
    }

    /// Lists the clients: the processes that use the store.
    template <class Info = client_info> std::vector<Info> clients() const {
        return detail::list_clients<Info>(raw());
    }

    /// The number of this process as a client.
    std::uint32_t client() const { return info().client; }

    /// Changes the name of this process in lists.
    void set_client_name(const std::string &name) {
        detail::check(sdp_dal_store_set_client_name(raw(), detail::text(name)));
    }

    /// Returns the current statistics of the store.
    sdp_dal_store_stat stat() const {
        auto stat = detail::sized<sdp_dal_store_stat>();
        detail::check(sdp_dal_store_get_stat(raw(), &stat));
        return stat;
    }

    /// A random number that identifies this store. A store that is created later at the same path
    /// has another number, so save it together with IDs.
    std::uint64_t identity() const { return info().identity; }

    /// Returns unused memory to the system. Returns how many bytes.
    std::uint64_t trim() {
        std::uint64_t bytes = 0;
        detail::check(sdp_dal_store_trim(raw(), &bytes));
        return bytes;
    }

    /// Deletes evictable objects that no client wants or holds, the one that was released the
    /// longest time ago first, until enough bytes are deleted. Returns how many bytes were deleted.
    std::uint64_t evict(std::uint64_t bytes) {
        std::uint64_t evicted = 0;
        detail::check(sdp_dal_store_evict(raw(), bytes, &evicted));
        return evicted;
    }

    /// Subscribes to the events of objects whose IDs start with these hexadecimal digits, from now
    /// on.
    subscription subscribe(const std::string &prefix = {}) const {
        detail::id_start start(prefix);
        sdp_dal_subscription *handle = nullptr;
        detail::check(sdp_dal_store_subscribe(raw(), start.bytes, start.size, &handle));
        return subscription(handle);
    }

    /// Returns a descriptor for event loops. It becomes readable when something may be new for what
    /// is watched (ref::watch(), processor::watch(), subscriptions). Then call clear_event_fd()
    /// first, and check after that.
    int event_fd() const {
        int fd = -1;
        detail::check(sdp_dal_store_event_fd(raw(), &fd));
        return fd;
    }
    void clear_event_fd() const { detail::check(sdp_dal_store_clear_event_fd(raw())); }

    /// Clears the descriptor like clear_event_fd(), and returns the IDs of watched objects
    /// (ref::watch()) that may exist or have failed since the last call. A loop that watches many
    /// objects looks at these only. If there are more than `most`, the descriptor stays readable.
    std::vector<object_id> take_changed(std::size_t most = 128) const {
        std::vector<std::array<std::uint8_t, SDP_DAL_ID_SIZE>> bytes(most);
        std::size_t count = 0;
        detail::check(sdp_dal_store_take_changed(
            raw(), most, most == 0 ? nullptr : bytes.front().data(), &count));
        std::vector<object_id> changed;
        for (std::size_t at = 0; at < count; at++) changed.emplace_back(bytes[at].data());
        return changed;
    }

    /// Interrupts all waits of this process on this store while on is true. May be called from any
    /// thread or signal handler.
    void interrupt(bool on = true) { detail::check(sdp_dal_store_interrupt(raw(), on)); }

    /// The prefix of the namespace as 8 hexadecimal digits.
    std::string prefix() const {
        std::uint8_t bytes[SDP_DAL_PREFIX_SIZE];
        detail::check(sdp_dal_store_get_prefix(raw(), bytes));
        return detail::hex(bytes, sizeof bytes);
    }

    std::string path() const { return info().path; }

    /// Takes over the C handle.
    explicit store(sdp_dal_store *handle) : handle_(handle) {}

    sdp_dal_store *raw() const { return handle_.get(); }

private:
    sdp_dal_store_info info() const {
        auto info = detail::sized<sdp_dal_store_info>();
        detail::check(sdp_dal_store_get_info(raw(), &info));
        return info;
    }

    static sdp_dal_expectation expected_tensor(const detail::c_view &form) {
        auto expected = detail::sized<sdp_dal_expectation>();
        expected.kind = SDP_DAL_PARAM_TENSOR;
        expected.dtype = form.get()->dtype;
        expected.ndim = form.get()->ndim;
        expected.dim_names = form.get()->dim_names;
        return expected;
    }
    static sdp_dal_expectation expected_table(const ArrowSchema *columns) {
        auto expected = detail::sized<sdp_dal_expectation>();
        expected.kind = SDP_DAL_PARAM_TABLE;
        expected.columns = columns;
        return expected;
    }
    ref new_ref(const sdp_dal_expectation &expected) {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_ref_new(raw(), &expected, &handle));
        return ref(handle);
    }
    ref find(const object_id &id, const sdp_dal_expectation &expected) const {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_ref_from_id(raw(), id.data(), &expected, &handle));
        return ref(handle);
    }

    static const std::uint8_t *bytes(std::string_view text) {
        return reinterpret_cast<const std::uint8_t *>(text.data());
    }

    detail::owned<sdp_dal_store, sdp_dal_store_close> handle_;
};

} // namespace sdp_dal

#endif

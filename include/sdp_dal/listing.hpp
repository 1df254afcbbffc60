/* SPDX-License-Identifier: BSD-3-Clause */
/* Who uses a store and what is offered in it, as it was at one moment. */

#ifndef SDP_DAL_LISTING_HPP
#define SDP_DAL_LISTING_HPP

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "id.hpp"
#include "schema.hpp"

namespace sdp_dal {

/// A process that uses a store.
struct client_info {
    /// Unique in the store and never reused.
    std::uint32_t number;
    /// Its process ID in its own container.
    std::uint32_t pid;
    std::string name;
    std::string host;
    bool alive;
    /// Time when it opened the store, in nanoseconds since 1970.
    std::int64_t since_ns;
    /// Number of objects whose bytes it holds, and the size of these bytes.
    std::uint64_t pins, pinned_bytes;
    /// Number of objects that it owns.
    std::uint64_t wants;
};

/// A declared namespace.
struct namespace_info {
    std::string name;
    /// 8 hexadecimal digits.
    std::string prefix;
    /// Number of the client that declared it.
    std::uint32_t owner;
    /// The process ID of the owner in its own container, and its command line, the program first.
    std::uint32_t pid;
    std::vector<std::string> arguments;
    /// Number of unfinished calls in its queue.
    std::uint32_t queued;
    /// The owner is running and has not closed it.
    bool alive;
    std::map<std::string, std::string> metadata;
    std::vector<schema> functions;
};

/// Description of a store of this machine, without opening it.
struct store_summary {
    /// The path at which it was created, to be used for opening it.
    std::string path;
    /// The path of its file.
    std::string file;
    /// Time of its creation, in nanoseconds since 1970.
    std::int64_t created_ns;
    std::uint64_t size;
    std::uint64_t reserved;
    std::uint32_t owner;
    /// Number of running clients. 0: the store is left over.
    std::uint32_t clients;
};

namespace detail {

template <class Info> std::vector<Info> list_clients(const sdp_dal_store *store) {
    sdp_dal_clients *handle = nullptr;
    std::size_t count = 0;
    check(sdp_dal_store_list_clients(store, &handle, &count));
    owned<sdp_dal_clients, sdp_dal_clients_free> list(handle);
    std::vector<Info> all;
    for (std::size_t i = 0; i < count; i++) {
        auto raw = sized<sdp_dal_client_info>();
        check(sdp_dal_clients_get_info(handle, i, &raw));
        all.push_back({raw.number, raw.pid, raw.name, raw.host, raw.alive != 0, raw.since_ns,
                       raw.pins, raw.pinned_bytes, raw.wants});
    }
    return all;
}

template <class Info> Info read_namespace(const sdp_dal_namespaces *list, std::size_t i) {
    auto raw = sized<sdp_dal_namespace_info>();
    check(sdp_dal_namespaces_get_info(list, i, &raw));
    Info info{raw.name,
              hex(raw.prefix, sizeof raw.prefix),
              raw.owner,
              raw.pid,
              {},
              raw.queued,
              raw.alive != 0,
              said(raw.metadata_keys, raw.metadata_values, raw.num_metadata),
              {}};
    for (std::size_t at = 0; at < raw.num_args; at++) info.arguments.emplace_back(raw.args[at]);
    for (std::size_t at = 0; at < raw.num_functions; at++) {
        sdp_dal_schema *handle = nullptr;
        check(sdp_dal_namespaces_get_function(list, i, at, &handle));
        info.functions.emplace_back(handle);
    }
    return info;
}

template <class Info> std::vector<Info> list_namespaces(const sdp_dal_store *store) {
    sdp_dal_namespaces *handle = nullptr;
    std::size_t count = 0;
    check(sdp_dal_store_list_namespaces(store, &handle, &count));
    owned<sdp_dal_namespaces, sdp_dal_namespaces_free> list(handle);
    std::vector<Info> all;
    for (std::size_t i = 0; i < count; i++) all.push_back(read_namespace<Info>(handle, i));
    return all;
}

} // namespace detail

/// Lists the stores of this machine that this process may read.
template <class Summary = store_summary> std::vector<Summary> list_stores() {
    sdp_dal_stores *handle = nullptr;
    std::size_t count = 0, skipped = 0;
    detail::check(sdp_dal_stores_list(&handle, &count, &skipped));
    detail::owned<sdp_dal_stores, sdp_dal_stores_free> list(handle);
    std::vector<Summary> all;
    for (std::size_t i = 0; i < count; i++) {
        auto raw = detail::sized<sdp_dal_store_summary>();
        detail::check(sdp_dal_stores_get_summary(handle, i, &raw));
        all.push_back(
            {raw.path, raw.file, raw.created_ns, raw.size, raw.reserved, raw.owner, raw.clients});
    }
    return all;
}

} // namespace sdp_dal

#endif

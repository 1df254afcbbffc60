/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens to the objects of a store, told as it happens. */

#ifndef SDP_DAL_EVENTS_HPP
#define SDP_DAL_EVENTS_HPP

#include <cstddef>
#include <iterator>
#include <optional>
#include <string>

#include "id.hpp"

namespace sdp_dal {

/// An event in a store.
struct event {
    /// One of sdp_dal_event_kind. After SDP_DAL_EVENT_RESYNC list the objects again.
    std::int32_t kind = 0;
    object_id id = {};
    /// Number of the client that caused it.
    std::uint32_t actor = 0;
    /// Its number in the order of all events of the store.
    std::uint64_t sequence = 0;
    /// In nanoseconds since 1970.
    std::int64_t time_ns = 0;
    /// Size of the data of the object in bytes. For a failed object, the size of its message.
    std::uint64_t data_size = 0;
    std::uint64_t metadata_size = 0;
    /// The first bytes of the metadata of the object.
    std::string metadata = {};
};

/// A subscription to events, created by store::subscribe().
class subscription {
public:
    /// Takes over the C handle.
    explicit subscription(sdp_dal_subscription *handle) : handle_(handle) {}

    /// Returns the next event, or std::nullopt after the timeout.
    template <class Event = event> std::optional<Event> next(timeout time = forever) {
        Event told;
        if (!take(told, time)) return std::nullopt;
        return told;
    }

    /// Allows loops over events: for (const event &told : subscription). A loop ends when no event
    /// arrives within the time given to within(), and with store::interrupt(). Without within() it
    /// ends only with store::interrupt().
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = event;
        using difference_type = std::ptrdiff_t;
        using pointer = const event *;
        using reference = const event &;

        iterator() = default;
        iterator(subscription *from, timeout time) : from_(from), time_(time) { ++*this; }
        reference operator*() const { return told_; }
        pointer operator->() const { return &told_; }
        iterator &operator++() {
            try {
                is_there_ = from_->take(told_, time_);
            } catch (const interrupted &) {
                is_there_ = false;
            }
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &a, const iterator &b) {
            return a.is_there_ == b.is_there_;
        }
        friend bool operator!=(const iterator &a, const iterator &b) { return !(a == b); }

    private:
        subscription *from_ = nullptr;
        timeout time_ = forever;
        event told_ = {};
        bool is_there_ = false;
    };

    struct range {
        subscription *from;
        timeout time;
        iterator begin() const { return {from, time}; }
        iterator end() const { return {}; }
    };

    iterator begin() { return {this, forever}; }
    iterator end() { return {}; }
    /// Returns the events until none arrives for this time. With sdp_dal::poll: the events that
    /// have arrived.
    range within(timeout time) { return {this, time}; }

    sdp_dal_subscription *raw() const { return handle_.get(); }

private:
    /// Returns false after the timeout.
    bool take(event &told, timeout time) {
        auto raw_event = detail::sized<sdp_dal_event>();
        sdp_dal_status status = sdp_dal_subscription_next(raw(), time.count(), &raw_event);
        if (status == SDP_DAL_TIMEOUT) return false;
        detail::check(status);
        told.kind = raw_event.kind;
        told.id = object_id(raw_event.id);
        told.actor = raw_event.actor;
        told.sequence = raw_event.sequence;
        told.time_ns = raw_event.time_ns;
        told.data_size = raw_event.data_size;
        told.metadata_size = raw_event.metadata_size;
        told.metadata.assign(reinterpret_cast<const char *>(raw_event.metadata),
                             raw_event.metadata_length);
        return true;
    }

    detail::owned<sdp_dal_subscription, sdp_dal_subscription_free> handle_;
};

} // namespace sdp_dal

#endif

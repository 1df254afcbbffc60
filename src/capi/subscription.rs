//! sdp_dal_subscription: what happens in a store, as it happens; and waiting in an event loop.

use std::ffi::c_int;

use super::guard::guard;
use super::handle::{make, word, Handle};
use super::processor::sdp_dal_processor;
use super::reference::sdp_dal_ref;
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use super::structs::Extensible;
use crate::store::{Event, EventKind, Subscription, ID_SIZE};

/// Receives the events of a store. Created by sdp_dal_store_subscribe(), freed by sdp_dal_subscription_free().
pub struct sdp_dal_subscription {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_subscription {
    type Value = Subscription;
    const WORD: u64 = word(b"sdpSubsc");
}

/// Kind of an event.
#[repr(C)]
#[allow(dead_code, reason = "the header's constants; Rust uses store::EventKind")]
pub enum sdp_dal_event_kind {
    /// An object is complete.
    SDP_DAL_EVENT_SEALED = 1,
    /// An object that was complete or had failed is deleted. Also reported for calls.
    SDP_DAL_EVENT_DELETED = 2,
    /// An object will never exist.
    SDP_DAL_EVENT_FAILED = 3,
    /// A namespace was declared; the ID is that of its declaration. Reported instead of SDP_DAL_EVENT_SEALED.
    SDP_DAL_EVENT_NAMESPACE_APPEARED = 4,
    /// A namespace's declaration is deleted. Reported instead of SDP_DAL_EVENT_DELETED.
    SDP_DAL_EVENT_NAMESPACE_GONE = 5,
    /// A call is in its processor's queue; the actor is its caller. Reported instead of SDP_DAL_EVENT_SEALED.
    SDP_DAL_EVENT_CALL_ISSUED = 6,
    /// A processor has taken a call.
    SDP_DAL_EVENT_CALL_CLAIMED = 7,
    /// A call that was taken has ended. Its caller may have deleted it before.
    SDP_DAL_EVENT_CALL_ENDED = 8,
    /// Events were lost: list the objects again with sdp_dal_store_list_objects(). All later events are reported.
    SDP_DAL_EVENT_RESYNC = 9,
}

const _: () = assert!(
    EventKind::Sealed as i32 == sdp_dal_event_kind::SDP_DAL_EVENT_SEALED as i32
        && EventKind::Deleted as i32 == sdp_dal_event_kind::SDP_DAL_EVENT_DELETED as i32
        && EventKind::Failed as i32 == sdp_dal_event_kind::SDP_DAL_EVENT_FAILED as i32
        && EventKind::NamespaceAppeared as i32 == sdp_dal_event_kind::SDP_DAL_EVENT_NAMESPACE_APPEARED as i32
        && EventKind::NamespaceGone as i32 == sdp_dal_event_kind::SDP_DAL_EVENT_NAMESPACE_GONE as i32
        && EventKind::CallIssued as i32 == sdp_dal_event_kind::SDP_DAL_EVENT_CALL_ISSUED as i32
        && EventKind::CallClaimed as i32 == sdp_dal_event_kind::SDP_DAL_EVENT_CALL_CLAIMED as i32
        && EventKind::CallEnded as i32 == sdp_dal_event_kind::SDP_DAL_EVENT_CALL_ENDED as i32
        && EventKind::Resync as i32 == sdp_dal_event_kind::SDP_DAL_EVENT_RESYNC as i32
);

/// How many changed objects are told at once.
const MOST_CHANGED: usize = 1024;
/// Bytes of metadata in a sdp_dal_event.
const METADATA: usize = 56;

/// An event in a store.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_event {
    /// sizeof(sdp_dal_event).
    pub struct_size: usize,
    /// Its number in the order of all events of the store, 0 for SDP_DAL_EVENT_RESYNC.
    pub sequence: u64,
    /// Time of the event, in nanoseconds since 1970.
    pub time_ns: i64,
    /// Size of the data of the object in bytes. For a failed object, the size of its message.
    pub data_size: u64,
    /// Size of the metadata of the object in bytes.
    pub metadata_size: u64,
    /// Number of the client that caused it, 0 for SDP_DAL_EVENT_RESYNC.
    pub actor: u32,
    /// One of sdp_dal_event_kind.
    pub kind: i32,
    /// ID of the object, all zeros for SDP_DAL_EVENT_RESYNC.
    pub id: [u8; 20],
    /// Number of bytes in metadata.
    pub metadata_length: u32,
    /// The first bytes of the metadata of the object, which describe it, for a call as "sdp:kind=call;sdp:func=...".
    pub metadata: [u8; 56],
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_event {
    const NAME: &'static str = "sdp_dal_event";
}
const _: () =
    assert!(size_of::<sdp_dal_event>() == size_of::<usize>() + 4 * 8 + 2 * 4 + ID_SIZE + 4 + METADATA);

fn event_of(event: &Event) -> sdp_dal_event {
    let used = event.metadata.len().min(METADATA);
    let mut metadata = [0; METADATA];
    metadata[..used].copy_from_slice(&event.metadata[..used]);
    sdp_dal_event {
        struct_size: 0,
        sequence: event.sequence,
        time_ns: i64::try_from(event.time.as_nanos()).unwrap_or(i64::MAX),
        data_size: event.data_size,
        metadata_size: event.metadata_size,
        actor: event.actor,
        kind: event.kind as i32,
        id: *event.id.as_bytes(),
        metadata_length: u32::try_from(used).unwrap_or(0),
        metadata,
    }
}

/// Subscribes to the events of objects whose IDs start with the given bytes, from now on. To keep a table of objects,
/// subscribe first and then list them. Nothing is missed in between, but it may be reported twice.
///
/// Caveat: a slow reader loses events, because writers never wait for readers. Fix: after SDP_DAL_EVENT_RESYNC, list
/// the objects again.
///
/// prefix: 0 to SDP_DAL_ID_SIZE bytes. May be NULL if prefix_size is 0, which means every object.
/// out: The caller owns *out and must call sdp_dal_subscription_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_subscribe(
    store: *const sdp_dal_store,
    prefix: *const u8,
    prefix_size: usize,
    out: *mut *mut sdp_dal_subscription,
) -> sdp_dal_status {
    guard("sdp_dal_store_subscribe", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, prefix) = unsafe {
            (site.out(out, "out")?, site.handle(store, "store")?, site.bytes(prefix, prefix_size, "prefix")?)
        };
        out.set(make(namespace.store().subscribe(prefix)?));
        Ok(())
    })
}

/// Returns the next event.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if there was none, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_subscription_next(
    subscription: *mut sdp_dal_subscription,
    timeout_ns: i64,
    out: *mut sdp_dal_event,
) -> sdp_dal_status {
    guard("sdp_dal_subscription_next", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, subscription) =
            unsafe { (site.out_struct(out, "out")?, site.handle_mut(subscription, "subscription")?) };
        let event = subscription.next(site.timeout(timeout_ns)?)?;
        out.set(event_of(&event));
        Ok(())
    })
}

/// Frees a subscription. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_subscription_free(subscription: *mut sdp_dal_subscription) {
    guard("sdp_dal_subscription_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(subscription, "subscription") }
    });
}

/// Returns a descriptor for poll(2), epoll(7) and event loops. It becomes readable when something may be new for what
/// this process watches in the store: sdp_dal_ref_watch(), sdp_dal_processor_watch() and subscriptions. Sometimes it
/// becomes readable without a reason.
///
/// When it is readable, call sdp_dal_store_clear_event_fd() first. Then check everything with SDP_DAL_POLL until
/// nothing is left. Later changes make it readable again. The first call of this function starts the only thread of the
/// library, which ends with the last handle of the store. The descriptor belongs to the library: do not close or read
/// it.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_IO, SDP_DAL_FORKED. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_event_fd(
    store: *const sdp_dal_store,
    out_fd: *mut c_int,
) -> sdp_dal_status {
    guard("sdp_dal_store_event_fd", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace) = unsafe { (site.out(out_fd, "out_fd")?, site.handle(store, "store")?) };
        out.set(namespace.store().event_descriptor()?);
        Ok(())
    })
}

/// Clears the descriptor of sdp_dal_store_event_fd(): it is not readable until something is new. A loop that watches many
/// objects calls sdp_dal_store_take_changed() instead.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_clear_event_fd(store: *const sdp_dal_store) -> sdp_dal_status {
    guard("sdp_dal_store_clear_event_fd", |site| {
        // SAFETY: the header's rules for pointers.
        let namespace = unsafe { site.handle(store, "store")? };
        namespace.store().clear_event_descriptor()
    })
}

/// Clears the descriptor of sdp_dal_store_event_fd(), like sdp_dal_store_clear_event_fd(), and returns the IDs of watched objects
/// that changed: those of sdp_dal_ref_watch() that may exist or have failed since the last call. It does not report processors
/// and subscriptions. A program looks at them each time.
///
/// All threads of a process share one descriptor and one list of changes. Each change is returned by one call only.
///
/// out_ids: room for capacity IDs of SDP_DAL_ID_SIZE bytes. An ID can be there several times. out_count: the number of IDs that
/// were written. If there are more, the descriptor stays readable, and the next call returns them.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_IO, SDP_DAL_FORKED. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_take_changed(
    store: *const sdp_dal_store,
    capacity: usize,
    out_ids: *mut u8,
    out_count: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_store_take_changed", |site| {
        let most = capacity.min(MOST_CHANGED);
        // SAFETY: the header's rules for pointers.
        let (count, ids, namespace) = unsafe {
            (
                site.out(out_count, "out_count")?,
                site.out_array(out_ids.cast::<[u8; ID_SIZE]>(), most, "out_ids")?,
                site.handle(store, "store")?,
            )
        };
        let changed = namespace.store().take_changed(most)?;
        count.set(changed.len());
        for (out, id) in ids.into_iter().zip(&changed) {
            out.set(*id.as_bytes());
        }
        Ok(())
    })
}

/// Sets whether the descriptor of sdp_dal_store_event_fd() becomes readable when the object of this reference may exist
/// or have failed. This ends automatically when a function was called with the reference that returned this result.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_watch(reference: *const sdp_dal_ref, on: bool) -> sdp_dal_status {
    guard("sdp_dal_ref_watch", |site| {
        // SAFETY: the header's rules for pointers.
        let reference = unsafe { site.handle(reference, "reference")? };
        reference.reference().watch(on)
    })
}

/// Sets whether the descriptor of sdp_dal_store_event_fd() becomes readable when a call, or the inputs of a waiting
/// call, may have arrived for this processor. Starts the processor if that was not done before.
///
/// Errors: like sdp_dal_processor_start(). Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_watch(
    processor: *const sdp_dal_processor,
    on: bool,
) -> sdp_dal_status {
    guard("sdp_dal_processor_watch", |site| {
        // SAFETY: the header's rules for pointers.
        let processor = unsafe { site.handle(processor, "processor")? };
        processor.watch(on)
    })
}

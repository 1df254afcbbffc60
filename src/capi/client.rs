//! sdp_dal_clients: the clients of a store, and the objects that they hold.

use std::ffi::c_char;

use super::guard::{guard, Site};
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use super::structs::Extensible;
use super::texts::{Infos, Texts};
use crate::error::Result;
use crate::store::ClientInfo;

/// A snapshot of the clients of a store. Created by sdp_dal_store_list_clients(), freed by sdp_dal_clients_free().
pub struct sdp_dal_clients {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_clients {
    type Value = Infos<sdp_dal_client_info>;
    const WORD: u64 = word(b"sdpClien");
    const OF_STORE: bool = false;
}

/// Description of a client: a process that uses the store. A process with two copies of this library is two clients.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_client_info {
    /// sizeof(sdp_dal_client_info).
    pub struct_size: usize,
    /// Its name, as it set it. Borrowed: valid until the list is freed.
    pub name: *const c_char,
    /// The name of its host, or container. Borrowed like name.
    pub host: *const c_char,
    /// Time when it opened the store, in nanoseconds since 1970.
    pub since_ns: i64,
    /// Number of objects whose bytes it holds.
    pub pins: u64,
    /// Number of objects that it owns.
    pub wants: u64,
    /// Bytes of the objects whose bytes it holds.
    pub pinned_bytes: u64,
    /// Its number, which is unique in this store and never reused.
    pub number: u32,
    /// Its process ID in its own container.
    pub pid: u32,
    /// 1 if it is running. 0 if it has crashed and what it held was not reclaimed yet.
    pub alive: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_client_info {
    const NAME: &'static str = "sdp_dal_client_info";
}
const _: () = assert!(size_of::<sdp_dal_client_info>() == 3 * size_of::<usize>() + 4 * 8 + 4 * 4);

fn info_of(client: &ClientInfo, texts: &mut Texts) -> sdp_dal_client_info {
    sdp_dal_client_info {
        struct_size: size_of::<sdp_dal_client_info>(),
        name: texts.lend(&client.name),
        host: texts.lend(&client.host),
        since_ns: i64::try_from(client.since.as_nanos()).unwrap_or(i64::MAX),
        pins: client.pins,
        wants: client.wants,
        pinned_bytes: client.pinned_bytes,
        number: client.number,
        pid: client.pid,
        alive: u32::from(client.alive),
        reserved: 0,
    }
}

/// Which clients sdp_dal_object_holders() lists.
#[repr(C)]
pub enum sdp_dal_holder_kind {
    /// The clients that hold its bytes.
    SDP_DAL_HOLDERS_OF_BYTES = 0,
    /// The clients that own the object: they want it to exist.
    SDP_DAL_HOLDERS_OWNING = 1,
}

/// Lists the clients of a store, including this process, sorted by number. Reads the entry of every object.
///
/// out: The caller owns *out and must call sdp_dal_clients_free(). out_count: how many there are.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_list_clients(
    store: *const sdp_dal_store,
    out: *mut *mut sdp_dal_clients,
    out_count: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_store_list_clients", |site| {
        // SAFETY: the header's rules for pointers.
        let ((out, out_count), namespace) =
            unsafe { (site.outs((out, "out"), (out_count, "out_count"))?, site.handle(store, "store")?) };
        let clients = Infos::new(&namespace.store().clients()?, info_of);
        out_count.set(clients.len());
        out.set(make(clients));
        Ok(())
    })
}

/// Returns one client of a list.
///
/// index: from 0 to the number of clients, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_clients_get_info(
    clients: *const sdp_dal_clients,
    index: usize,
    out: *mut sdp_dal_client_info,
) -> sdp_dal_status {
    guard("sdp_dal_clients_get_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, clients) = unsafe { (site.out_struct(out, "out")?, site.handle(clients, "clients")?) };
        let past =
            || site.wrong(format_args!("'index' is {index}, but the list has {} clients", clients.len()));
        out.set(clients.get(index).ok_or_else(past)?);
        Ok(())
    })
}

/// Frees a list of clients. NULL is allowed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_clients_free(clients: *mut sdp_dal_clients) {
    guard("sdp_dal_clients_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(clients, "clients") }
    });
}

/// Changes the name of this process as a client of the store, in lists and messages. Up to 64 bytes are kept. A client
/// that reads it at the same time may see parts of both names.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_set_client_name(
    store: *const sdp_dal_store,
    name: *const c_char,
) -> sdp_dal_status {
    guard("sdp_dal_store_set_client_name", |site| {
        // SAFETY: the header's rules for pointers.
        let (namespace, name) = unsafe { (site.handle(store, "store")?, site.text(name, "name")?) };
        namespace.store().set_client_name(name)
    })
}

/// Returns the numbers of the clients that hold or own an object. sdp_dal_store_list_clients() describes the clients.
///
/// id: SDP_DAL_ID_SIZE bytes. kind: one of sdp_dal_holder_kind.
/// numbers: an array for the numbers. May be NULL if *count is 0.
/// count: on entry the size of numbers, on return how many numbers there are. If that is more than the size of numbers,
/// nothing is written and the function still returns SDP_DAL_OK.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for other
/// clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_object_holders(
    store: *const sdp_dal_store,
    id: *const u8,
    kind: i32,
    numbers: *mut u32,
    count: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_object_holders", |site| {
        const BYTES: i32 = sdp_dal_holder_kind::SDP_DAL_HOLDERS_OF_BYTES as i32;
        const OWNING: i32 = sdp_dal_holder_kind::SDP_DAL_HOLDERS_OWNING as i32;
        // SAFETY: the header's rules for pointers.
        let (room, namespace, id) =
            unsafe { (site.room(numbers, count)?, site.handle(store, "store")?, site.id(id, "id")?) };
        let info = namespace.store().info(&id)?;
        let holders = match kind {
            BYTES => info.pinned_by,
            OWNING => info.wanted_by,
            _ => {
                return Err(
                    site.wrong(format_args!("'kind' is {kind}, which is not a value of sdp_dal_holder_kind"))
                )
            }
        };
        room.set(&holders);
        Ok(())
    })
}

/// An array of the caller: made by [`Site::room`].
struct Room {
    numbers: *mut u32,
    room: usize,
    count: *mut usize,
}

impl Room {
    fn set(self, found: &[u32]) {
        // SAFETY: room() checked the pointers, and the caller promised `room` numbers.
        unsafe {
            if found.len() <= self.room {
                std::ptr::copy_nonoverlapping(found.as_ptr(), self.numbers, found.len());
            }
            self.count.write(found.len());
        }
    }
}

impl Site {
    /// Where numbers are to go. `*count` is the room there is and becomes 0 until [`Room::set`].
    ///
    /// # Safety
    /// `count` is NULL or valid; `numbers` is NULL or has room for `*count` of them.
    unsafe fn room(self, numbers: *mut u32, count: *mut usize) -> Result<Room> {
        if count.is_null() || !count.is_aligned() {
            return Err(self.wrong("'count' is NULL: set it to the number of elements of 'numbers'"));
        }
        // SAFETY: valid by the caller's promise.
        let room = unsafe { std::ptr::replace(count, 0) };
        if room != 0 && (numbers.is_null() || !numbers.is_aligned()) {
            return Err(self.wrong(format_args!("'numbers' is NULL or not aligned, but '*count' is {room}")));
        }
        // No numbers are no reason to look at the pointer.
        let numbers = if room == 0 { std::ptr::NonNull::dangling().as_ptr() } else { numbers };
        Ok(Room { numbers, room, count })
    }
}

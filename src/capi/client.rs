//! sdp_dal_clients: who uses a store, and who holds what in it.

use std::ffi::c_char;

use super::guard::{guard, Site};
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use super::structs::Extensible;
use super::texts::{Infos, Texts};
use crate::error::Result;
use crate::store::ClientInfo;

/// The clients of a store as they were at one moment. Made by sdp_dal_store_list_clients(), ended by sdp_dal_clients_free().
pub struct sdp_dal_clients {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_clients {
    type Value = Infos<sdp_dal_client_info>;
    const WORD: u64 = word(b"sdpClien");
    const OF_STORE: bool = false;
}

/// What there is to know about a client: a process that uses the store (one that has two copies of this library is two).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_client_info {
    /// sizeof(sdp_dal_client_info).
    pub struct_size: usize,
    /// The name that it gave itself. Borrowed: valid until the list is freed.
    pub name: *const c_char,
    /// The name of its host, or container. Borrowed as name.
    pub host: *const c_char,
    /// When it opened the store, in nanoseconds since 1970.
    pub since_ns: i64,
    /// Objects whose bytes it holds.
    pub pins: u64,
    /// Objects that it wants to exist.
    pub wants: u64,
    /// Bytes of the objects whose bytes it holds.
    pub pinned_bytes: u64,
    /// Its number, which no other client of this store ever gets.
    pub number: u32,
    /// Its process ID in its own container.
    pub pid: u32,
    /// 1 if it lives; 0 if it has died, and what it held was not yet given back.
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

/// Which claims on an object sdp_dal_object_holders() lists.
#[repr(C)]
pub enum sdp_dal_holder_kind {
    /// The clients that hold its bytes.
    SDP_DAL_HOLDERS_OF_BYTES = 0,
    /// The clients that want it to exist: they own it.
    SDP_DAL_HOLDERS_OWNING = 1,
}

/// Lists the clients of a store, this process among them, by number. Looks at every object.
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

/// One client of a list.
///
/// index: from 0 to the number of clients, exclusive. out: filled; set its struct_size first.
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
        let past = || site.wrong(format_args!("'index' is {index}, the list has {} clients", clients.len()));
        out.set(clients.get(index).ok_or_else(past)?);
        Ok(())
    })
}

/// Ends a list of clients. NULL is allowed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_clients_free(clients: *mut sdp_dal_clients) {
    guard("sdp_dal_clients_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(clients, "clients") }
    });
}

/// Changes the name under which lists and messages show this process as a client of the store. Up to 64 bytes are kept.
/// Whoever reads it while it changes may see parts of both names.
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

/// The clients that hold or own an object, by their numbers: sdp_dal_store_list_clients() tells who they are.
///
/// id: SDP_DAL_ID_SIZE bytes. kind: one of sdp_dal_holder_kind.
/// numbers: room for the numbers; may be NULL if *count is 0.
/// count: in, how many numbers there is room for; out, how many there are. If that is more than there is room for,
/// nothing is written and the function still returns SDP_DAL_OK.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for others.
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
            _ => return Err(site.wrong(format_args!("'kind' is {kind}, which is no sdp_dal_holder_kind"))),
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
            return Err(self.wrong("'count' is NULL: set it to how many numbers there is room for"));
        }
        // SAFETY: valid by the caller's promise.
        let room = unsafe { std::ptr::replace(count, 0) };
        if room != 0 && (numbers.is_null() || !numbers.is_aligned()) {
            return Err(self.wrong(format_args!(
                "'numbers' is NULL or not aligned, but '*count' says that there is room for {room}"
            )));
        }
        // No numbers are no reason to look at the pointer.
        let numbers = if room == 0 { std::ptr::NonNull::dangling().as_ptr() } else { numbers };
        Ok(Room { numbers, room, count })
    }
}

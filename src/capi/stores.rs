//! sdp_dal_stores: all stores of this machine.

use std::ffi::c_char;

use super::guard::{guard, guard_value, Site};
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use super::structs::Extensible;
use crate::error::Result;
use crate::store::{census, Census, StoreSummary};

/// The stores of this machine as they were at one moment. Made by sdp_dal_stores_list(), ended by sdp_dal_stores_free().
pub struct sdp_dal_stores {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_stores {
    type Value = Census;
    const WORD: u64 = word(b"sdpCensu");
    const OF_STORE: bool = false;
}

/// What a store looks like from outside.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_store_summary {
    /// sizeof(sdp_dal_store_summary).
    pub struct_size: usize,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: i64,
    /// Bytes that fit into the empty store.
    pub size: u64,
    /// Bytes that it has taken from the system for objects.
    pub reserved: u64,
    /// The user ID of its owner.
    pub owner: u32,
    /// Living clients; 0: it is left over, and the next who opens its path replaces it.
    pub clients: u32,
    /// Most clients at a time.
    pub max_clients: u32,
    /// 0.
    pub reserved_0: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_store_summary {
    const NAME: &'static str = "sdp_dal_store_summary";
}
const _: () = assert!(size_of::<sdp_dal_store_summary>() == size_of::<usize>() + 3 * 8 + 4 * 4);

const NO_SUMMARY: sdp_dal_store_summary = sdp_dal_store_summary {
    struct_size: 0,
    created_ns: 0,
    size: 0,
    reserved: 0,
    owner: 0,
    clients: 0,
    max_clients: 0,
    reserved_0: 0,
};

/// Lists the stores of this machine that this process may look at, without opening them: /dev/shm and every other
/// tmpfs, with the folders directly below each.
///
/// out: The caller owns *out and must call sdp_dal_stores_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_IO, SDP_DAL_PERMISSION_DENIED, SDP_DAL_NOT_FOUND if there is no /proc.
/// Does not wait for others.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_list(out: *mut *mut sdp_dal_stores) -> sdp_dal_status {
    guard("sdp_dal_stores_list", |site| {
        // SAFETY: the header's rules for pointers.
        let out = unsafe { site.out(out, "out")? };
        out.set(make(census()?));
        Ok(())
    })
}

/// The number of stores in a list; 0 if stores is no such list. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_count(stores: *const sdp_dal_stores) -> usize {
    guard_value("sdp_dal_stores_count", 0, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(stores, "stores")? }.stores.len())
    })
}

/// How many files and folders could not be looked into for a list: they are other users', or stores of another version.
/// 0 if stores is no such list. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_skipped(stores: *const sdp_dal_stores) -> usize {
    guard_value("sdp_dal_stores_skipped", 0, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(stores, "stores")? }.skipped as usize)
    })
}

impl Site {
    fn store_at(self, census: &Census, index: usize) -> Result<&StoreSummary> {
        let count = census.stores.len();
        let past = || self.wrong(format_args!("'index' is {index}, the list has {count} stores"));
        census.stores.get(index).ok_or_else(past)
    }
}

/// One store of a list.
///
/// index: 0 to sdp_dal_stores_count() - 1. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_summary(
    stores: *const sdp_dal_stores,
    index: usize,
    out: *mut sdp_dal_store_summary,
) -> sdp_dal_status {
    guard("sdp_dal_stores_summary", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, census) = unsafe { (site.out_struct(out, "out")?, site.handle(stores, "stores")?) };
        let found = site.store_at(census, index)?;
        out.set(sdp_dal_store_summary {
            created_ns: i64::try_from(found.created.as_nanos()).unwrap_or(i64::MAX),
            size: found.size,
            reserved: found.reserved,
            owner: found.owner,
            clients: found.clients,
            max_clients: found.max_clients,
            ..NO_SUMMARY
        });
        Ok(())
    })
}

/// Copies the path under which a store of a list was made: the one to open it by.
///
/// index: 0 to sdp_dal_stores_count() - 1. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_path(
    stores: *const sdp_dal_stores,
    index: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_stores_path", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, census) = unsafe { (site.text_out(buffer, length)?, site.handle(stores, "stores")?) };
        out.set(&site.store_at(census, index)?.path);
        Ok(())
    })
}

/// Copies the path of the file in which a store of a list lies.
///
/// index: 0 to sdp_dal_stores_count() - 1. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_file(
    stores: *const sdp_dal_stores,
    index: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_stores_file", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, census) = unsafe { (site.text_out(buffer, length)?, site.handle(stores, "stores")?) };
        out.set(&site.store_at(census, index)?.file.to_string_lossy());
        Ok(())
    })
}

/// Ends a list of stores. NULL is allowed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_free(stores: *mut sdp_dal_stores) {
    guard("sdp_dal_stores_free", |site| {
        // SAFETY: the header's rules for pointers.
        drop(unsafe { site.end(stores, "stores")? });
        Ok(())
    });
}

//! sdp_dal_stores: all stores of this machine.

use std::ffi::c_char;

use super::guard::guard;
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use super::structs::Extensible;
use super::texts::{Infos, Texts};
use crate::store::{census, StoreSummary};

/// A snapshot of the stores of this machine. Created by sdp_dal_stores_list(), freed by sdp_dal_stores_free().
pub struct sdp_dal_stores {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_stores {
    type Value = Infos<sdp_dal_store_summary>;
    const WORD: u64 = word(b"sdpCensu");
    const OF_STORE: bool = false;
}

/// Description of a store, without opening it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_store_summary {
    /// sizeof(sdp_dal_store_summary).
    pub struct_size: usize,
    /// The path at which it was created, to be used for opening it. Borrowed: valid until the list is freed.
    pub path: *const c_char,
    /// The path of its file. Borrowed like path.
    pub file: *const c_char,
    /// Time of its creation, in nanoseconds since 1970.
    pub created_ns: i64,
    /// Size of the store: bytes that fit when it is empty.
    pub size: u64,
    /// Bytes that it has allocated from the system for objects.
    pub reserved: u64,
    /// The user ID of its owner.
    pub owner: u32,
    /// Number of running clients. 0: the store is left over, and is replaced when its path is opened again.
    pub clients: u32,
    /// Maximum number of clients.
    pub max_clients: u32,
    /// 0.
    pub reserved_0: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_store_summary {
    const NAME: &'static str = "sdp_dal_store_summary";
}
const _: () = assert!(size_of::<sdp_dal_store_summary>() == 3 * size_of::<usize>() + 3 * 8 + 4 * 4);

fn summary_of(found: &StoreSummary, texts: &mut Texts) -> sdp_dal_store_summary {
    sdp_dal_store_summary {
        struct_size: size_of::<sdp_dal_store_summary>(),
        path: texts.lend(&found.path),
        file: texts.lend(&found.file.to_string_lossy()),
        created_ns: i64::try_from(found.created.as_nanos()).unwrap_or(i64::MAX),
        size: found.size,
        reserved: found.reserved,
        owner: found.owner,
        clients: found.clients,
        max_clients: found.max_clients,
        reserved_0: 0,
    }
}

/// Lists the stores of this machine that this process may read, without opening them. It searches /dev/shm and every
/// other tmpfs, and the directories directly below each.
///
/// out: The caller owns *out and must call sdp_dal_stores_free(). out_count: how many there are.
/// out_skipped: how many files and directories could not be read, because they belong to other users or are stores of
/// another version. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_IO, SDP_DAL_PERMISSION_DENIED, SDP_DAL_NOT_FOUND if there is no /proc.
/// Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_list(
    out: *mut *mut sdp_dal_stores,
    out_count: *mut usize,
    out_skipped: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_stores_list", |site| {
        // SAFETY: the header's rules for pointers.
        let ((out, out_count), out_skipped) = unsafe {
            (
                site.outs((out, "out"), (out_count, "out_count"))?,
                site.out_or_none(out_skipped, "out_skipped")?,
            )
        };
        let found = census()?;
        out_count.set(found.stores.len());
        if let Some(out_skipped) = out_skipped {
            out_skipped.set(found.skipped as usize);
        }
        out.set(make(Infos::new(&found.stores, summary_of)));
        Ok(())
    })
}

/// Returns one store of a list.
///
/// index: from 0 to the number of stores, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_get_summary(
    stores: *const sdp_dal_stores,
    index: usize,
    out: *mut sdp_dal_store_summary,
) -> sdp_dal_status {
    guard("sdp_dal_stores_get_summary", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, stores) = unsafe { (site.out_struct(out, "out")?, site.handle(stores, "stores")?) };
        let past =
            || site.wrong(format_args!("'index' is {index}, but the list has {} stores", stores.len()));
        out.set(stores.get(index).ok_or_else(past)?);
        Ok(())
    })
}

/// Frees a list of stores. NULL is allowed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_free(stores: *mut sdp_dal_stores) {
    guard("sdp_dal_stores_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(stores, "stores") }
    });
}

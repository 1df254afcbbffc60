//! sdp_dal_list: the objects of a store as they were at one moment.

use super::guard::guard;
use super::handle::{word, Handle};
use super::status::sdp_dal_status;
use super::structs::Extensible;
use super::types::{sdp_dal_info_flag as flag, sdp_dal_object_state as state};
use crate::store::{ObjectInfo, ID_SIZE};

/// A snapshot of the objects of a store. Created by sdp_dal_store_list_objects(), freed by sdp_dal_list_free().
pub struct sdp_dal_list {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_list {
    type Value = Vec<sdp_dal_object_info>;
    const WORD: u64 = word(b"sdpList_");
    const OF_STORE: bool = false;
}

/// Description of an object.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_object_info {
    /// sizeof(sdp_dal_object_info).
    pub struct_size: usize,
    /// Size of the data in bytes.
    pub data_size: u64,
    /// Size of the metadata in bytes.
    pub metadata_size: u64,
    /// Time of its creation, in nanoseconds since 1970.
    pub created_ns: i64,
    /// Time from creation to sealing, in nanoseconds. For objects below 4096 bytes it is accurate to some milliseconds.
    pub construct_ns: i64,
    /// Number of the client that created it.
    pub creator: u32,
    /// Number of the client that will produce it, if it is awaited.
    pub producer: u32,
    /// Number of clients that hold its bytes.
    pub pins: u32,
    /// Number of clients that own it.
    pub wants: u32,
    /// One of sdp_dal_object_state.
    pub state: i32,
    /// Bits of sdp_dal_info_flag.
    pub flags: u32,
    /// Its ID.
    pub id: [u8; 20],
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_object_info {
    const NAME: &'static str = "sdp_dal_object_info";
}
const _: () = assert!(size_of::<sdp_dal_object_info>() == size_of::<usize>() + 4 * 8 + 7 * 4 + ID_SIZE);

const NO_INFO: sdp_dal_object_info = sdp_dal_object_info {
    struct_size: 0,
    data_size: 0,
    metadata_size: 0,
    created_ns: 0,
    construct_ns: 0,
    creator: 0,
    producer: 0,
    pins: 0,
    wants: 0,
    state: 0,
    flags: 0,
    id: [0; ID_SIZE],
    reserved: 0,
};

pub(super) fn info_of(info: &ObjectInfo) -> sdp_dal_object_info {
    let state = match info.state {
        "awaited" => state::SDP_DAL_STATE_AWAITED,
        "creating" => state::SDP_DAL_STATE_CREATING,
        "sealed" => state::SDP_DAL_STATE_SEALED,
        "failed" => state::SDP_DAL_STATE_FAILED,
        "doomed" => state::SDP_DAL_STATE_DOOMED,
        _ => state::SDP_DAL_STATE_ABSENT,
    };
    let bit = |set: bool, bit: flag| if set { bit as u32 } else { 0 };
    sdp_dal_object_info {
        data_size: info.data_size,
        metadata_size: info.metadata_size,
        created_ns: i64::try_from(info.created.as_nanos()).unwrap_or(i64::MAX),
        construct_ns: i64::try_from(info.construct.as_nanos()).unwrap_or(i64::MAX),
        creator: info.creator,
        producer: info.producer,
        pins: u32::try_from(info.pinned_by.len()).unwrap_or(u32::MAX),
        wants: u32::try_from(info.wanted_by.len()).unwrap_or(u32::MAX),
        state: state as i32,
        flags: bit(info.keep, flag::SDP_DAL_INFO_KEPT)
            | bit(info.evictable, flag::SDP_DAL_INFO_EVICTABLE)
            | bit(info.claimed, flag::SDP_DAL_INFO_CLAIMED),
        id: *info.id.as_bytes(),
        ..NO_INFO
    }
}

/// Returns one object of a list.
///
/// index: from 0 to the number of objects, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_list_get_info(
    list: *const sdp_dal_list,
    index: usize,
    out: *mut sdp_dal_object_info,
) -> sdp_dal_status {
    guard("sdp_dal_list_get_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, list) = unsafe { (site.out_struct(out, "out")?, site.handle(list, "list")?) };
        let past = || site.wrong(format_args!("'index' is {index}, but the list has {} objects", list.len()));
        out.set(*list.get(index).ok_or_else(past)?);
        Ok(())
    })
}

/// Frees a list of objects. NULL is allowed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_list_free(list: *mut sdp_dal_list) {
    guard("sdp_dal_list_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(list, "list") }
    });
}

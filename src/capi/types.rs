//! The header's constants, and their way into Rust.

use std::ffi::c_char;
use std::fmt::Display;

use super::guard::{guard_value, Site};
use crate::dal::Select;
use crate::error::Result;
use crate::store::{Create, DeleteMode, ID_SIZE, PREFIX_SIZE};
use crate::timeout::Timeout;
use crate::wire::{Direction, Elem, Order, MAX_DIMS};

/// Special values of a timeout_ns. Any other value is a number of nanoseconds on the monotonic clock.
#[repr(C)]
#[allow(dead_code, reason = "the header's constants")]
pub enum sdp_dal_timeout {
    /// Wait without a limit: until the event occurs, the producer crashes, or the wait is interrupted.
    SDP_DAL_WAIT_FOREVER = -1,
    /// Check once, and do not wait.
    SDP_DAL_POLL = 0,
}

/// Sizes.
#[repr(C)]
#[allow(dead_code, reason = "the header's constants")]
pub enum sdp_dal_limit {
    /// Bytes of a namespace's prefix.
    SDP_DAL_PREFIX_SIZE = 4,
    /// Maximum number of dimensions of a tensor.
    SDP_DAL_MAX_DIMS = 8,
    /// Bytes of an object ID.
    SDP_DAL_ID_SIZE = 20,
    /// Size of a buffer that holds every text of sdp_dal_last_error() with its NUL.
    SDP_DAL_MESSAGE_SIZE = 2049,
}

/// How many elements of a dimension, for sdp_dal_ref_part().
#[repr(C)]
#[allow(dead_code, reason = "the header's constants")]
pub enum sdp_dal_count {
    /// As many as there are.
    SDP_DAL_COUNT_REST = -1,
}

const _: () = assert!(
    PREFIX_SIZE == sdp_dal_limit::SDP_DAL_PREFIX_SIZE as usize
        && MAX_DIMS == sdp_dal_limit::SDP_DAL_MAX_DIMS as usize
        && ID_SIZE == sdp_dal_limit::SDP_DAL_ID_SIZE as usize
        && crate::error::MESSAGE_MAX < sdp_dal_limit::SDP_DAL_MESSAGE_SIZE as usize
);

/// Element types of tensors.
#[repr(C)]
#[allow(dead_code, reason = "the header's constants; Rust uses wire::Elem")]
pub enum sdp_dal_dtype {
    /// One byte, 0 or 1.
    SDP_DAL_BOOL = 1,
    /// int8_t
    SDP_DAL_INT8 = 2,
    /// int16_t
    SDP_DAL_INT16 = 3,
    /// int32_t
    SDP_DAL_INT32 = 4,
    /// int64_t
    SDP_DAL_INT64 = 5,
    /// uint8_t
    SDP_DAL_UINT8 = 6,
    /// uint16_t
    SDP_DAL_UINT16 = 7,
    /// uint32_t
    SDP_DAL_UINT32 = 8,
    /// uint64_t
    SDP_DAL_UINT64 = 9,
    /// IEEE 754 binary16
    SDP_DAL_FLOAT16 = 10,
    /// float
    SDP_DAL_FLOAT32 = 11,
    /// double
    SDP_DAL_FLOAT64 = 12,
    /// Two floats: real part, imaginary part.
    SDP_DAL_COMPLEX64 = 13,
    /// Two doubles: real part, imaginary part.
    SDP_DAL_COMPLEX128 = 14,
}

const _: () = assert!(
    Elem::Bool as i32 == sdp_dal_dtype::SDP_DAL_BOOL as i32
        && Elem::Int8 as i32 == sdp_dal_dtype::SDP_DAL_INT8 as i32
        && Elem::Int16 as i32 == sdp_dal_dtype::SDP_DAL_INT16 as i32
        && Elem::Int32 as i32 == sdp_dal_dtype::SDP_DAL_INT32 as i32
        && Elem::Int64 as i32 == sdp_dal_dtype::SDP_DAL_INT64 as i32
        && Elem::Uint8 as i32 == sdp_dal_dtype::SDP_DAL_UINT8 as i32
        && Elem::Uint16 as i32 == sdp_dal_dtype::SDP_DAL_UINT16 as i32
        && Elem::Uint32 as i32 == sdp_dal_dtype::SDP_DAL_UINT32 as i32
        && Elem::Uint64 as i32 == sdp_dal_dtype::SDP_DAL_UINT64 as i32
        && Elem::Float16 as i32 == sdp_dal_dtype::SDP_DAL_FLOAT16 as i32
        && Elem::Float32 as i32 == sdp_dal_dtype::SDP_DAL_FLOAT32 as i32
        && Elem::Float64 as i32 == sdp_dal_dtype::SDP_DAL_FLOAT64 as i32
        && Elem::Complex64 as i32 == sdp_dal_dtype::SDP_DAL_COMPLEX64 as i32
        && Elem::Complex128 as i32 == sdp_dal_dtype::SDP_DAL_COMPLEX128 as i32
);

/// Order of the elements of a tensor in memory.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "some only name what C passes in")]
pub enum sdp_dal_order {
    /// No particular order. For a tensor to be created: the order in the signature of the output, or C if that has
    /// none. For a parameter: as the tensor is stored. In a view: neither C nor F, see its strides.
    SDP_DAL_ORDER_ANY = 0,
    /// The last index varies fastest, without gaps (C, default of numpy).
    SDP_DAL_ORDER_C = 1,
    /// The first index varies fastest, without gaps (Fortran, Julia).
    SDP_DAL_ORDER_F = 2,
}

/// Bits for the flags of sdp_dal_tensor_spec.
#[repr(C)]
pub enum sdp_dal_tensor_flag {
    /// Zero the memory. Default: memory that was used before is not zeroed.
    SDP_DAL_TENSOR_ZEROED = 1,
}

/// An order as C has it.
pub(super) fn order_code(order: Option<Order>) -> i32 {
    match order {
        None => sdp_dal_order::SDP_DAL_ORDER_ANY as i32,
        Some(Order::C) => sdp_dal_order::SDP_DAL_ORDER_C as i32,
        Some(Order::F) => sdp_dal_order::SDP_DAL_ORDER_F as i32,
    }
}

/// What sdp_dal_store_open() does when there is no store at the path.
#[repr(C)]
pub enum sdp_dal_create_mode {
    /// Create one. It is removed when its last client closes.
    SDP_DAL_CREATE_IF_MISSING = 0,
    /// Fail with SDP_DAL_NOT_FOUND.
    SDP_DAL_CREATE_NEVER = 1,
}

/// Bits for the flags of sdp_dal_store_options.
#[repr(C)]
pub enum sdp_dal_store_flag {
    /// Use the field group: the members of that group may use the store too. They can read everything in it. For the
    /// command lines of its clients, see sdp_dal_namespace_info.
    SDP_DAL_STORE_SHARE_WITH_GROUP = 1,
    /// Use the field accept_owner: a store of that user is accepted too.
    SDP_DAL_STORE_ACCEPT_OWNER = 2,
    /// When the store is full, delete evictable objects that no client wants or holds.
    SDP_DAL_STORE_EVICTION = 4,
    /// Allocate all memory when the store is created.
    SDP_DAL_STORE_RESERVE = 8,
    /// Fail with SDP_DAL_ALREADY_EXISTS if the store already exists with another size than requested, or without
    /// eviction although that was requested.
    SDP_DAL_STORE_EXACT = 16,
}

/// Which of several processors gets a call.
#[repr(C)]
pub enum sdp_dal_select {
    /// The one with the fewest unfinished calls.
    SDP_DAL_SELECT_LEAST_BUSY = 0,
    /// The one with the lowest prefix, always the same one while it runs: for functions that accumulate state.
    SDP_DAL_SELECT_FIRST = 1,
}

/// Bits for the flags of sdp_dal_caller_options.
#[repr(C)]
pub enum sdp_dal_caller_flag {
    /// Do not check that dimensions of the same name have equal sizes, nor the sizes that are fixed in the signature.
    SDP_DAL_CALLER_LOOSE_DIMS = 1,
    /// With a minimum_processors of 0: accept that there is no processor yet.
    SDP_DAL_CALLER_NONE_NEEDED = 2,
}

/// Kind of a sdp_dal_value. The fields that it uses are in brackets.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum sdp_dal_value_kind {
    /// Null. For an output that is passed to a call: create a new object.
    SDP_DAL_VALUE_NULL = 0,
    /// A bool [int64].
    SDP_DAL_VALUE_BOOL = 1,
    /// A signed integer of any size [int64].
    SDP_DAL_VALUE_INT64 = 2,
    /// An unsigned integer of any size [uint64].
    SDP_DAL_VALUE_UINT64 = 3,
    /// A floating-point number of any size [real].
    SDP_DAL_VALUE_DOUBLE = 4,
    /// A complex number [real, imag].
    SDP_DAL_VALUE_COMPLEX = 5,
    /// A text [data, size].
    SDP_DAL_VALUE_STRING = 6,
    /// Bytes: a binary value, or those of an object of any kind [data, size].
    SDP_DAL_VALUE_BINARY = 7,
    /// The ID of an object [data, size].
    SDP_DAL_VALUE_ID = 8,
    /// A reference to an input, or to an object that will be an output [reference].
    SDP_DAL_VALUE_REF = 9,
    /// A tensor [view].
    SDP_DAL_VALUE_TENSOR = 10,
    /// A table [stream].
    SDP_DAL_VALUE_TABLE = 11,
    /// A value of any Arrow type [array, schema].
    SDP_DAL_VALUE_ARROW = 12,
    /// An output that is passed to a call and is not wanted. It must be nullable.
    SDP_DAL_VALUE_UNWANTED = 13,
    /// An output as the function sees it: its name, its order in the signature, and its memory if it starts from an input
    /// [data, size, int64, view].
    SDP_DAL_VALUE_OUTPUT = 14,
}

impl sdp_dal_value_kind {
    const ALL: [sdp_dal_value_kind; 15] = [
        sdp_dal_value_kind::SDP_DAL_VALUE_NULL,
        sdp_dal_value_kind::SDP_DAL_VALUE_BOOL,
        sdp_dal_value_kind::SDP_DAL_VALUE_INT64,
        sdp_dal_value_kind::SDP_DAL_VALUE_UINT64,
        sdp_dal_value_kind::SDP_DAL_VALUE_DOUBLE,
        sdp_dal_value_kind::SDP_DAL_VALUE_COMPLEX,
        sdp_dal_value_kind::SDP_DAL_VALUE_STRING,
        sdp_dal_value_kind::SDP_DAL_VALUE_BINARY,
        sdp_dal_value_kind::SDP_DAL_VALUE_ID,
        sdp_dal_value_kind::SDP_DAL_VALUE_REF,
        sdp_dal_value_kind::SDP_DAL_VALUE_TENSOR,
        sdp_dal_value_kind::SDP_DAL_VALUE_TABLE,
        sdp_dal_value_kind::SDP_DAL_VALUE_ARROW,
        sdp_dal_value_kind::SDP_DAL_VALUE_UNWANTED,
        sdp_dal_value_kind::SDP_DAL_VALUE_OUTPUT,
    ];

    pub(super) fn from_code(code: i32) -> Option<sdp_dal_value_kind> {
        usize::try_from(code).ok().and_then(|code| Self::ALL.get(code)).copied()
    }
}

/// Bits of the flags of sdp_dal_value.
#[repr(C)]
pub enum sdp_dal_value_flag {
    /// The caller gives the object of a reference away, for an input from which an output starts: see
    /// sdp_dal_args_set_given().
    SDP_DAL_VALUE_GIVEN = 1,
}

/// Direction of a parameter.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum sdp_dal_direction {
    /// Input: the caller passes it.
    SDP_DAL_IN = 0,
    /// Output: the function creates it.
    SDP_DAL_OUT = 1,
}

/// Kind of a parameter.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum sdp_dal_param_kind {
    /// A value of an Arrow type, written into the call itself.
    SDP_DAL_PARAM_VALUE = 1,
    /// A tensor object.
    SDP_DAL_PARAM_TENSOR = 2,
    /// A table object.
    SDP_DAL_PARAM_TABLE = 3,
    /// An object of any kind. An input is waited for, an output is created.
    SDP_DAL_PARAM_OID = 4,
    /// The ID of an object, which is only passed on.
    SDP_DAL_PARAM_ID = 5,
}

/// Bits of the flags of sdp_dal_param_info.
#[repr(C)]
pub enum sdp_dal_param_flag {
    /// May be null or left out.
    SDP_DAL_PARAM_NULLABLE = 1,
    /// A table whose columns are fixed.
    SDP_DAL_PARAM_COLUMNS = 2,
}

/// Bits for the flags of sdp_dal_object_spec.
#[repr(C)]
pub enum sdp_dal_object_flag {
    /// Zero the memory. Default: memory that was used before is not zeroed.
    SDP_DAL_OBJECT_ZEROED = 1,
    /// May be deleted when the store is full and no client wants or holds the object, if the store was created with
    /// SDP_DAL_STORE_EVICTION.
    SDP_DAL_OBJECT_EVICTABLE = 2,
    /// Keep the object only as long as a client wants it. The handle of the writer wants it until it is freed. Default:
    /// it is kept until it is deleted, or evicted if it is evictable.
    SDP_DAL_OBJECT_WANTED = 4,
}

/// What sdp_dal_object_delete() does with an object that a client holds.
#[repr(C)]
pub enum sdp_dal_delete_mode {
    /// No client finds it any more. Its bytes stay until the last holder releases them.
    SDP_DAL_DELETE_NOW = 0,
    /// It can be found until the last holder releases it.
    SDP_DAL_DELETE_WHEN_RELEASED = 1,
}

/// State of the object with an ID.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum sdp_dal_object_state {
    /// There is no such object.
    SDP_DAL_STATE_ABSENT = 0,
    /// An output of a call that does not exist yet.
    SDP_DAL_STATE_AWAITED = 1,
    /// A client is writing it.
    SDP_DAL_STATE_CREATING = 2,
    /// Complete, and never changed again.
    SDP_DAL_STATE_SEALED = 3,
    /// It will never exist; sdp_dal_ref_wait() returns why.
    SDP_DAL_STATE_FAILED = 4,
    /// Deleted, but still held by a client.
    SDP_DAL_STATE_DOOMED = 5,
}

/// Bits of the flags of sdp_dal_object_info.
#[repr(C)]
pub enum sdp_dal_info_flag {
    /// Stays even if no client wants it.
    SDP_DAL_INFO_KEPT = 1,
    /// May be deleted when the store is full.
    SDP_DAL_INFO_EVICTABLE = 2,
    /// A call that a processor has taken.
    SDP_DAL_INFO_CLAIMED = 4,
}

impl Site {
    /// A timeout in nanoseconds.
    pub(super) fn timeout(self, timeout_ns: i64) -> Result<Timeout> {
        match timeout_ns {
            -1 => Ok(Timeout::Forever),
            0 => Ok(Timeout::Poll),
            ns => match u64::try_from(ns) {
                Ok(ns) => Ok(Timeout::After(std::time::Duration::from_nanos(ns))),
                Err(_) => Err(self.wrong(format_args!(
                    "'timeout_ns' is {ns}: pass a number of nanoseconds, SDP_DAL_POLL (0) or \
                     SDP_DAL_WAIT_FOREVER (-1)"
                ))),
            },
        }
    }

    /// How long to wait for space: 0 is the default, and 1 the shortest time there is.
    pub(super) fn full_timeout(self, timeout_ns: i64) -> Result<Option<Timeout>> {
        match timeout_ns {
            0 => Ok(None),
            1 => Ok(Some(Timeout::Poll)),
            ns => self.timeout(ns).map(Some),
        }
    }

    /// An element type.
    pub(super) fn elem(self, dtype: i32, name: impl Display) -> Result<Elem> {
        Elem::from_code(dtype).ok_or_else(|| {
            self.wrong(format_args!("'{name}' is {dtype}, which is not a value of sdp_dal_dtype"))
        })
    }

    /// An order; none for SDP_DAL_ORDER_ANY.
    pub(super) fn order(self, order: i32, name: impl Display) -> Result<Option<Order>> {
        const ANY: i32 = sdp_dal_order::SDP_DAL_ORDER_ANY as i32;
        const C: i32 = sdp_dal_order::SDP_DAL_ORDER_C as i32;
        const F: i32 = sdp_dal_order::SDP_DAL_ORDER_F as i32;
        match order {
            ANY => Ok(None),
            C => Ok(Some(Order::C)),
            F => Ok(Some(Order::F)),
            _ => Err(self.wrong(format_args!("'{name}' is {order}, which is not a value of sdp_dal_order"))),
        }
    }

    /// What to do when there is no store.
    pub(super) fn create_mode(self, mode: i32, name: &str) -> Result<Create> {
        const IF_MISSING: i32 = sdp_dal_create_mode::SDP_DAL_CREATE_IF_MISSING as i32;
        const NEVER: i32 = sdp_dal_create_mode::SDP_DAL_CREATE_NEVER as i32;
        match mode {
            IF_MISSING => Ok(Create::IfMissing),
            NEVER => Ok(Create::Never),
            _ => {
                Err(self
                    .wrong(format_args!("'{name}' is {mode}, which is not a value of sdp_dal_create_mode")))
            }
        }
    }

    /// To which processor a call goes.
    pub(super) fn select(self, select: i32, name: &str) -> Result<Select> {
        const LEAST_BUSY: i32 = sdp_dal_select::SDP_DAL_SELECT_LEAST_BUSY as i32;
        const FIRST: i32 = sdp_dal_select::SDP_DAL_SELECT_FIRST as i32;
        match select {
            LEAST_BUSY => Ok(Select::LeastBusy),
            FIRST => Ok(Select::First),
            _ => {
                Err(self.wrong(format_args!("'{name}' is {select}, which is not a value of sdp_dal_select")))
            }
        }
    }

    /// Direction of a parameter.
    pub(super) fn direction(self, direction: i32, name: &str) -> Result<Direction> {
        const IN: i32 = sdp_dal_direction::SDP_DAL_IN as i32;
        const OUT: i32 = sdp_dal_direction::SDP_DAL_OUT as i32;
        match direction {
            IN => Ok(Direction::In),
            OUT => Ok(Direction::Out),
            _ => Err(self
                .wrong(format_args!("'{name}' is {direction}, which is not a value of sdp_dal_direction"))),
        }
    }

    /// How to delete.
    pub(super) fn delete_mode(self, mode: i32, name: &str) -> Result<DeleteMode> {
        const NOW: i32 = sdp_dal_delete_mode::SDP_DAL_DELETE_NOW as i32;
        const WHEN_RELEASED: i32 = sdp_dal_delete_mode::SDP_DAL_DELETE_WHEN_RELEASED as i32;
        match mode {
            NOW => Ok(DeleteMode::Now),
            WHEN_RELEASED => Ok(DeleteMode::WhenReleased),
            _ => {
                Err(self
                    .wrong(format_args!("'{name}' is {mode}, which is not a value of sdp_dal_delete_mode")))
            }
        }
    }

    /// Bits of which only `known` have a meaning.
    pub(super) fn flags(self, flags: u32, known: u32, name: impl Display) -> Result<u32> {
        if flags & !known != 0 {
            return Err(self.wrong(format_args!("'{name}' has unknown bits: {:#x}", flags & !known)));
        }
        Ok(flags)
    }

    /// A number of dimensions.
    pub(super) fn ndim(self, ndim: i32, name: impl Display) -> Result<usize> {
        match usize::try_from(ndim) {
            Ok(ndim) if ndim <= MAX_DIMS => Ok(ndim),
            _ => {
                Err(self
                    .wrong(format_args!("'{name}' is {ndim}, but a tensor has 0 to {MAX_DIMS} dimensions")))
            }
        }
    }
}

/// Returns the size of one element of a tensor in bytes, 0 if dtype is not a sdp_dal_dtype. Does not block.
#[no_mangle]
pub extern "C" fn sdp_dal_dtype_size(dtype: i32) -> usize {
    guard_value("sdp_dal_dtype_size", 0, |site| Ok(site.elem(dtype, "dtype")?.size()))
}

/// Returns the name of an element type as in signatures, such as "int64" or "complex128". Returns "unknown" if dtype is
/// not a sdp_dal_dtype.
///
/// Returns a static text. Does not block.
#[no_mangle]
pub extern "C" fn sdp_dal_dtype_name(dtype: i32) -> *const c_char {
    guard_value("sdp_dal_dtype_name", c"unknown".as_ptr(), |site| {
        let name = match site.elem(dtype, "dtype")? {
            Elem::Bool => c"bool",
            Elem::Int8 => c"int8",
            Elem::Int16 => c"int16",
            Elem::Int32 => c"int32",
            Elem::Int64 => c"int64",
            Elem::Uint8 => c"uint8",
            Elem::Uint16 => c"uint16",
            Elem::Uint32 => c"uint32",
            Elem::Uint64 => c"uint64",
            Elem::Float16 => c"float16",
            Elem::Float32 => c"float32",
            Elem::Float64 => c"float64",
            Elem::Complex64 => c"complex64",
            Elem::Complex128 => c"complex128",
        };
        Ok(name.as_ptr())
    })
}

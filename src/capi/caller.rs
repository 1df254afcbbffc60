//! sdp_dal_caller: finds processors and issues calls.

use std::ffi::c_char;

use super::args::sdp_dal_args;
use super::guard::{guard, guard_value, Site};
use super::handle::{make, word, Handle};
use super::results::{sdp_dal_results, ResultsState};
use super::schema::sdp_dal_schema;
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use super::structs::Extensible;
use super::types::sdp_dal_caller_flag;
use crate::dal::{Caller, CallerOptions, FoundProcessor};
use crate::error::Result;
use crate::store::PREFIX_SIZE;
use crate::wire::CallSchema;

/// Issues calls to the processors that offer its functions. Made by sdp_dal_caller_open(), ended by
/// sdp_dal_caller_close().
pub struct sdp_dal_caller {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_caller {
    type Value = Caller;
    const WORD: u64 = word(b"sdpCalls");
}

/// How a caller finds its processors.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_caller_options {
    /// sizeof(sdp_dal_caller_options).
    pub struct_size: usize,
    /// First bytes of the prefixes of the processors to use; may be NULL if there are none.
    pub processor_prefix: *const u8,
    /// Bytes of processor_prefix, 0 to SDP_DAL_PREFIX_SIZE.
    pub processor_prefix_size: usize,
    /// Fewer compatible processors are an error; 0: as 1, unless SDP_DAL_CALLER_NONE_NEEDED is set.
    pub minimum_processors: u64,
    /// Most calls that a processor has not ended; issuing then waits. A batch is one call, until its last row has
    /// ended. 0: no limit.
    pub max_in_flight: u64,
    /// How long sdp_dal_caller_open() waits for the processors, and issuing for room when max_in_flight
    /// is reached.
    pub timeout_ns: i64,
    /// One of sdp_dal_select.
    pub select: i32,
    /// Bits of sdp_dal_caller_flag.
    pub flags: u32,
    /// Functions that are given as schemas, besides the signatures; may be NULL if there are none. They stay yours.
    pub schemas: *const *const sdp_dal_schema,
    /// Number of schemas.
    pub num_schemas: usize,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_caller_options {
    const NAME: &'static str = "sdp_dal_caller_options";
}
const _: () = assert!(size_of::<sdp_dal_caller_options>() == 5 * size_of::<usize>() + 3 * 8 + 2 * 4);

/// Makes a caller, and looks for the processors that offer its functions.
///
/// store: what calls and their values are put into.
/// signatures: num_signatures signatures of the functions that will be called; may be NULL if there are none.
/// options: NULL for the defaults; may name more functions, as schemas.
/// out: The caller of this function owns *out and must call sdp_dal_caller_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NO_PROCESSOR, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED,
/// SDP_DAL_FORKED. Blocks up to options->timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_open(
    store: *const sdp_dal_store,
    signatures: *const *const c_char,
    num_signatures: usize,
    options: *const sdp_dal_caller_options,
    out: *mut *mut sdp_dal_caller,
) -> sdp_dal_status {
    guard("sdp_dal_caller_open", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, schemas, options) = unsafe {
            let out = site.out(out, "out")?;
            let namespace = site.handle(store, "store")?;
            let mut schemas = site
                .items(signatures, num_signatures, "signatures")?
                .iter()
                .map(|signature| CallSchema::parse(site.text(*signature, "signatures")?))
                .collect::<Result<Vec<_>>>()?;
            let options = site.in_struct(options, "options")?;
            if let Some(options) = &options {
                schemas.extend(site.schemas(options.schemas, options.num_schemas, "options.schemas")?);
            }
            (out, namespace, schemas, site.caller_options(options.as_ref())?)
        };
        out.set(make(Caller::new(namespace, schemas, &options)?));
        Ok(())
    })
}

/// Looks again for compatible processors. New ones join only here; the dead leave by themselves.
///
/// timeout_ns: how long to wait until there are as many as the options asked for.
/// out_count: how many there are; may be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NO_PROCESSOR, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_find_processors(
    caller: *const sdp_dal_caller,
    timeout_ns: i64,
    out_count: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_caller_find_processors", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, caller) =
            unsafe { (site.out_or_none(out_count, "out_count")?, site.handle(caller, "caller")?) };
        let count = caller.find_processors(site.timeout(timeout_ns)?)?;
        if let Some(out) = out {
            out.set(count);
        }
        Ok(())
    })
}

/// The number of processors that the caller found and that live; 0 if caller is no caller. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_num_processors(caller: *const sdp_dal_caller) -> usize {
    guard_value("sdp_dal_caller_num_processors", 0, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(caller, "caller")? }.num_processors())
    })
}

/// Name and prefix of a processor that the caller found, in the order of their prefixes.
///
/// index: 0 to sdp_dal_caller_num_processors() - 1.
/// out_prefix: room for SDP_DAL_PREFIX_SIZE bytes.
/// buffer, length: the name, as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_get_processor(
    caller: *const sdp_dal_caller,
    index: usize,
    out_prefix: *mut u8,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_caller_get_processor", |site| {
        // SAFETY: the header's rules for pointers.
        let (out_prefix, name, caller) = unsafe {
            (
                site.prefix_out(out_prefix, "out_prefix")?,
                site.text_out(buffer, length)?,
                site.handle(caller, "caller")?,
            )
        };
        let found: Vec<FoundProcessor> = caller.processors();
        let past =
            || site.wrong(format_args!("'index' is {index}, the caller has {} processors", found.len()));
        let processor = found.get(index).ok_or_else(past)?;
        out_prefix.set(processor.prefix);
        name.set(&processor.name);
        Ok(())
    })
}

/// Waits until a processor that the caller found has gone (it died, or was closed), and says which. Each is told once.
///
/// One that dies without a word is noticed within 250 ms.
///
/// out_prefix: room for SDP_DAL_PREFIX_SIZE bytes. buffer, length: its name, as in sdp_dal_last_error(); a name that
/// does not fit is not told again.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if none has gone since the last notice, SDP_DAL_INTERRUPTED,
/// SDP_DAL_FORKED. Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_next_lost(
    caller: *const sdp_dal_caller,
    timeout_ns: i64,
    out_prefix: *mut u8,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_caller_next_lost", |site| {
        // SAFETY: the header's rules for pointers.
        let (prefix, name, caller) = unsafe {
            (
                site.prefix_out(out_prefix, "out_prefix")?,
                site.text_out(buffer, length)?,
                site.handle(caller, "caller")?,
            )
        };
        let lost = caller.next_lost(site.timeout(timeout_ns)?)?;
        prefix.set(lost.prefix);
        name.set(&lost.name);
        Ok(())
    })
}

/// Issues a call, and does not wait for it.
///
/// All arguments are checked before anything is written. Tensors given by value are put; their memory may be used
/// again as soon as this returns.
///
/// function: the name of one of the caller's functions. args: its arguments; they stay yours.
/// out: references to the outputs, which will exist later. The caller of this function owns *out and must call
/// sdp_dal_results_free(). Dropping all references to the outputs cancels a call that has not started.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_NO_PROCESSOR, SDP_DAL_PROCESSOR_LOST,
/// SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_TIMEOUT, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT, and up to the options' timeout_ns
/// while max_in_flight calls are on their way.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_call(
    caller: *const sdp_dal_caller,
    function: *const c_char,
    args: *const sdp_dal_args,
    out: *mut *mut sdp_dal_results,
) -> sdp_dal_status {
    guard("sdp_dal_caller_call", |site| {
        // SAFETY: the header's rules for pointers; the tensors' memory is only used until we return.
        let (out, caller, function, args) = unsafe {
            (
                site.out(out, "out")?,
                site.handle(caller, "caller")?,
                site.text(function, "function")?,
                site.handle(args, "args")?.to_dal(),
            )
        };
        out.set(make(ResultsState::new(caller.call(function, &args)?)));
        Ok(())
    })
}

/// Ends a caller. The calls it issued, and their references, go on. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_close(caller: *mut sdp_dal_caller) {
    guard("sdp_dal_caller_close", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(caller, "caller") }
    });
}

impl Site {
    /// # Safety
    /// The header's rules for pointers, for the prefix.
    unsafe fn caller_options(self, options: Option<&sdp_dal_caller_options>) -> Result<CallerOptions> {
        let Some(options) = options else { return Ok(CallerOptions::default()) };
        // SAFETY: the caller's promise.
        let prefix =
            unsafe { self.start_of_prefix(options.processor_prefix, options.processor_prefix_size)? };
        let number = |value: u64, name: &str| {
            usize::try_from(value)
                .map_err(|_| self.wrong(format_args!("'options.{name}' is too large: {value}")))
        };
        const LOOSE_DIMS: u32 = sdp_dal_caller_flag::SDP_DAL_CALLER_LOOSE_DIMS as u32;
        const NONE_NEEDED: u32 = sdp_dal_caller_flag::SDP_DAL_CALLER_NONE_NEEDED as u32;
        let flags = self.flags(options.flags, LOOSE_DIMS | NONE_NEEDED, "options.flags")?;
        let least = u64::from(flags & NONE_NEEDED == 0);
        Ok(CallerOptions {
            minimum_processors: number(options.minimum_processors.max(least), "minimum_processors")?,
            processor_prefix: prefix.to_vec(),
            timeout: self.timeout(options.timeout_ns)?,
            max_in_flight: number(options.max_in_flight, "max_in_flight")?,
            select: self.select(options.select, "options.select")?,
            strict_dims: flags & LOOSE_DIMS == 0,
        })
    }

    /// The first bytes of a prefix.
    ///
    /// # Safety
    /// `prefix` is NULL or points to `size` bytes.
    pub(super) unsafe fn start_of_prefix<'a>(self, prefix: *const u8, size: usize) -> Result<&'a [u8]> {
        if size > PREFIX_SIZE {
            return Err(
                self.wrong(format_args!("the prefix has {size} bytes, at most {PREFIX_SIZE} are one"))
            );
        }
        // SAFETY: the caller's promise.
        unsafe { self.bytes(prefix, size, "prefix") }
    }
}

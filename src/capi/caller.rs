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

/// Issues calls to the processors that offer its functions. Created by sdp_dal_caller_open(), closed by
/// sdp_dal_caller_close().
pub struct sdp_dal_caller {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_caller {
    type Value = Caller;
    const WORD: u64 = word(b"sdpCalls");
}

/// Options of sdp_dal_caller_open().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_caller_options {
    /// sizeof(sdp_dal_caller_options).
    pub struct_size: usize,
    /// First bytes of the prefixes of the processors to use; may be NULL if there are none.
    pub processor_prefix: *const u8,
    /// Bytes of processor_prefix, 0 to SDP_DAL_PREFIX_SIZE.
    pub processor_prefix_size: usize,
    /// Number of compatible processors that sdp_dal_caller_open() waits for. Fewer are an error then, and only then. 0 means
    /// 1, unless SDP_DAL_CALLER_NONE_NEEDED is set.
    pub minimum_processors: u64,
    /// Maximum number of unfinished calls at a processor. Issuing a call waits when it is reached. A batch is one call,
    /// until its last row has ended. Default (0): no limit.
    pub max_in_flight: u64,
    /// How long sdp_dal_caller_open() waits for the processors. Also how long issuing a call waits when max_in_flight
    /// is reached, and, if attempts is 2 or more, for another processor when all have crashed or closed.
    pub timeout_ns: i64,
    /// One of sdp_dal_select.
    pub select: i32,
    /// Bits of sdp_dal_caller_flag.
    pub flags: u32,
    /// Functions that are given as schemas, in addition to the signatures. May be NULL if there are none. They are not
    /// freed by the library.
    pub schemas: *const *const sdp_dal_schema,
    /// Number of schemas.
    pub num_schemas: usize,
    /// How long values, and the calls themselves, wait for space when the store is full, in nanoseconds, 1 for not at all, or
    /// SDP_DAL_WAIT_FOREVER. Default (0): that of the store, see sdp_dal_store_set_full_timeout().
    pub full_timeout_ns: i64,
    /// To how many processors a call is issued at most, one after the other, if the earlier ones crash or are closed before it
    /// has ended. Default (0): 1, and the call fails with SDP_DAL_PROCESSOR_LOST. With 2 or more a function may run more than
    /// once for a call, and outputs that were complete before are kept. Not for broadcasts. See sdp_dal_caller_call().
    pub attempts: u32,
    /// 0.
    pub reserved_0: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_caller_options {
    const NAME: &'static str = "sdp_dal_caller_options";
}
const _: () = assert!(size_of::<sdp_dal_caller_options>() == 5 * size_of::<usize>() + 4 * 8 + 4 * 4);

/// Creates a caller, and looks for the processors that offer its functions.
///
/// store: the store for calls and their values.
/// signatures: num_signatures signatures of the functions to call. May be NULL if there are none. Signatures with one
/// name that differ only in element types are forms of one function.
/// options: NULL for the defaults. They can contain more functions, as schemas.
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

/// Looks again for compatible processors. None, or fewer than minimum_processors, is not an error.
///
/// New processors join the caller here. They also join when a call finds that all of them crashed or closed: it looks once for
/// others before it fails with SDP_DAL_PROCESSOR_LOST. Processors that have crashed or closed are dropped automatically.
///
/// timeout_ns: how long to wait for the first one if there is none. With SDP_DAL_CALLER_NONE_NEEDED it does not wait.
/// out_count: how many there are. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
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

/// Returns the number of running processors that the caller found, 0 if caller is not a caller handle. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_num_processors(caller: *const sdp_dal_caller) -> usize {
    guard_value("sdp_dal_caller_num_processors", 0, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(caller, "caller")? }.num_processors())
    })
}

/// Returns the name and the prefix of a processor that the caller found, in the order of the prefixes.
///
/// index: 0 to sdp_dal_caller_num_processors() - 1.
/// out_prefix: a buffer of SDP_DAL_PREFIX_SIZE bytes.
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
            || site.wrong(format_args!("'index' is {index}, but the caller has {} processors", found.len()));
        let processor = found.get(index).ok_or_else(past)?;
        out_prefix.set(processor.prefix);
        name.set(&processor.name);
        Ok(())
    })
}

/// Waits until a processor that the caller found crashes or is closed, and returns which one. Each is returned once.
///
/// A crash is noticed within 250 ms.
///
/// out_prefix: a buffer of SDP_DAL_PREFIX_SIZE bytes. buffer, length: its name, as in sdp_dal_last_error(). A name that
/// does not fit is not returned again.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no processor crashed or was closed, SDP_DAL_INTERRUPTED,
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

/// Issues a call. Does not wait for it.
///
/// All arguments are checked before anything is written. Tensors given by value are put into the store, and their
/// memory may be used again as soon as this returns.
///
/// function: the name of one of the caller's functions. If the function has several forms, the types of the arguments
/// choose one, see sdp_dal_caller_choose_form(). The name of a form chooses it, "ms2dirty<complex64,float32>": the name
/// of the function, then types of parameters in which its forms differ, in the order of these parameters. Any of these
/// types may be left out.
/// args: its arguments, which are not freed.
/// out: references to the outputs, which will exist later. The caller of this function owns *out and must call
/// sdp_dal_results_free(). Freeing all references to the outputs cancels a call that has not started.
///
/// With attempts in the options, a call whose processor is lost before it has ended is issued again to another processor,
/// with the inputs of the first time. Its outputs stay awaited, and clients that wait for them go on waiting, also in
/// other processes. This process issues it when one of its threads waits, polls or calls. If there is no other processor, it
/// looks for one up to timeout_ns. If this process ends meanwhile, the outputs fail with SDP_DAL_PROCESSOR_LOST.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_NO_PROCESSOR, SDP_DAL_PROCESSOR_LOST,
/// SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_TIMEOUT, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Blocks while the store is full, up to full_timeout_ns of the options, and up to timeout_ns of the options while
/// there are max_in_flight unfinished calls.
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

/// Closes a caller. The calls that it issued continue, and their references stay valid. NULL is allowed. Waits at most
/// 100 ms.
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
        self.zero(options.reserved_0, "options.reserved_0")?;
        let least = u64::from(flags & NONE_NEEDED == 0);
        Ok(CallerOptions {
            minimum_processors: number(options.minimum_processors.max(least), "minimum_processors")?,
            processor_prefix: prefix.to_vec(),
            timeout: self.timeout(options.timeout_ns)?,
            max_in_flight: number(options.max_in_flight, "max_in_flight")?,
            select: self.select(options.select, "options.select")?,
            strict_dims: flags & LOOSE_DIMS == 0,
            attempts: options.attempts.max(1),
            full_timeout: self.full_timeout(options.full_timeout_ns)?,
        })
    }

    /// The first bytes of a prefix.
    ///
    /// # Safety
    /// `prefix` is NULL or points to `size` bytes.
    pub(super) unsafe fn start_of_prefix<'a>(self, prefix: *const u8, size: usize) -> Result<&'a [u8]> {
        if size > PREFIX_SIZE {
            return Err(self
                .wrong(format_args!("the prefix has {size} bytes, but at most {PREFIX_SIZE} are allowed")));
        }
        // SAFETY: the caller's promise.
        unsafe { self.bytes(prefix, size, "prefix") }
    }
}

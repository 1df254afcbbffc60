//! sdp_dal_processor: offers functions and runs calls.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::call::{info_of, sdp_dal_call, sdp_dal_call_info, CallHandle};
use super::failures;
use super::guard::{guard, Site};
use super::handle::{make, word, Handle, Lent};
use super::schema::sdp_dal_schema;
use super::status::{self, sdp_dal_status};
use super::store::sdp_dal_store;
use super::structs::Extensible;
use crate::dal::{Call, Function, FunctionOptions, Processor, ProcessorOptions};
use crate::error::{Error, Kind, Result};
use crate::wire::CallSchema;

/// Offers functions to callers and runs their calls. Created by sdp_dal_processor_open(), closed by
/// sdp_dal_processor_close().
pub struct sdp_dal_processor {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_processor {
    type Value = Processor;
    const WORD: u64 = word(b"sdpProcs");
}

/// A processing function.
///
/// call: the call to work on. Borrowed: valid until the function returns. sdp_dal_call_retain() returns a handle that
/// is valid longer, and sdp_dal_call_defer() one with which the outputs can be written later.
/// user_data: the pointer that was passed to sdp_dal_processor_register().
///
/// Returns SDP_DAL_OK, or any other value to fail the outputs. Their message is the one passed to sdp_dal_call_fail().
/// Default: the message of sdp_dal_last_error(), if the value came from a function of this library. Outputs created in
/// place are sealed when it returns SDP_DAL_OK, unless the call was deferred. It runs in the thread that called
/// sdp_dal_processor_process().
///
/// It may issue calls and wait, and may shut its processor down, but cannot close it. It must return. A C++ exception
/// or pthread_exit() that would leave it aborts the process. After longjmp() out of it, closing the processor waits
/// forever. A wait fails with SDP_DAL_INVALID_ARGUMENT if it needs a call that cannot run before this function has
/// returned, see sdp_dal_ref_wait().
pub type sdp_dal_function =
    Option<unsafe extern "C" fn(call: *mut sdp_dal_call, user_data: *mut c_void) -> sdp_dal_status>;

/// Called once, with the user_data of a function, when the function will not be called any more.
pub type sdp_dal_drop = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Bits for the flags of sdp_dal_processor_options.
#[repr(C)]
pub enum sdp_dal_processor_flag {
    /// The thread that takes a call with sdp_dal_processor_next() runs its function: sdp_dal_call_run_here() is not needed.
    SDP_DAL_PROCESSOR_TAKER_RUNS = 1,
    /// The library leaves the thread pools of other libraries as they are. Default: before a function runs, OpenMP,
    /// OpenBLAS and MKL are told to use at most the threads of sdp_dal_call_get_threads(), and never more than the program
    /// has set (with OMP_NUM_THREADS or omp_set_num_threads(), for example).
    SDP_DAL_PROCESSOR_LEAVE_POOLS = 2,
}

/// Options of sdp_dal_processor_open().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_processor_options {
    /// sizeof(sdp_dal_processor_options).
    pub struct_size: usize,
    /// Its name, which callers see. Default (NULL): the name of the program.
    pub name: *const c_char,
    /// First bytes of its prefix; may be NULL if there are none.
    pub prefix: *const u8,
    /// Bytes of prefix, 0 to SDP_DAL_PREFIX_SIZE.
    pub prefix_size: usize,
    /// How many threads its functions may use in total, see sdp_dal_call_get_threads(). Default (0): as many as the CPU
    /// affinity of the process and the quota of its control group allow, shared with other processes of the store.
    pub threads: i32,
    /// Bits of sdp_dal_processor_flag.
    pub flags: u32,
    /// How long the outputs of its functions wait for space when the store is full, in nanoseconds, 1 for not at all, or
    /// SDP_DAL_WAIT_FOREVER. Default (0): the environment variable SDP_DAL_FULL_TIMEOUT, or 10 s.
    pub full_timeout_ns: i64,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_processor_options {
    const NAME: &'static str = "sdp_dal_processor_options";
}
const _: () = assert!(size_of::<sdp_dal_processor_options>() == 4 * size_of::<usize>() + 2 * 4 + 8);

/// Bits for the flags of sdp_dal_function_options.
#[repr(C)]
pub enum sdp_dal_function_flag {
    /// The function may run in several threads at the same time, one for each thread that calls
    /// sdp_dal_processor_process(). Default: its calls wait for each other, while other functions can run.
    SDP_DAL_FUNCTION_REENTRANT = 1,
    /// Its calls run one at a time, strictly in the order in which all callers issued them. The rows of a batch keep
    /// their order. A call whose inputs do not exist yet delays the calls after it, but not those of other functions. A
    /// call whose input has failed fails in its turn. Not together with SDP_DAL_FUNCTION_REENTRANT.
    SDP_DAL_FUNCTION_ORDERED = 2,
    /// Dimensions of the same name may have different sizes, and the sizes in the signature are not checked.
    SDP_DAL_FUNCTION_LOOSE_DIMS = 4,
}

/// Options for running the calls of a function. Zero bytes mean the default: one at a time, in no strict order, with
/// sizes checked.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_function_options {
    /// sizeof(sdp_dal_function_options).
    pub struct_size: usize,
    /// Bits of sdp_dal_function_flag.
    pub flags: u32,
    /// 0.
    pub reserved_0: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_function_options {
    const NAME: &'static str = "sdp_dal_function_options";
}
const _: () = assert!(size_of::<sdp_dal_function_options>() == size_of::<usize>() + 2 * 4);

/// What C gave to be handed back: dropped with the last function that uses it.
struct UserData {
    pointer: *mut c_void,
    drop: sdp_dal_drop,
}

// SAFETY: the library only hands the pointer back; the header says from which threads.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: the header's rules for callbacks; called once, as Rust drops once.
            unsafe { drop(self.pointer) };
        }
    }
}

/// Creates a processor. Callers cannot find it before it is started.
///
/// store: the store from which it takes its calls. options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_processor_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NAMESPACE_IN_USE, SDP_DAL_LIMIT_REACHED, SDP_DAL_FORKED. Does not wait for
/// other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_open(
    store: *const sdp_dal_store,
    options: *const sdp_dal_processor_options,
    out: *mut *mut sdp_dal_processor,
) -> sdp_dal_status {
    guard("sdp_dal_processor_open", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, options) = unsafe {
            let out = site.out(out, "out")?;
            let namespace = site.handle(store, "store")?;
            let options = match site.in_struct(options, "options")? {
                None => ProcessorOptions::default(),
                Some(options) => {
                    const TAKER_RUNS: u32 = sdp_dal_processor_flag::SDP_DAL_PROCESSOR_TAKER_RUNS as u32;
                    const LEAVE_POOLS: u32 = sdp_dal_processor_flag::SDP_DAL_PROCESSOR_LEAVE_POOLS as u32;
                    let flags = site.flags(options.flags, TAKER_RUNS | LEAVE_POOLS, "options.flags")?;
                    ProcessorOptions {
                        name: site.text_or_none(options.name, "options.name")?.map(str::to_owned),
                        prefix: site.start_of_prefix(options.prefix, options.prefix_size)?.to_vec(),
                        threads: u32::try_from(options.threads).map_err(|_| {
                            let found = options.threads;
                            site.wrong(format_args!("'options.threads' is {found}: pass 0 or more"))
                        })?,
                        taker_runs: flags & TAKER_RUNS != 0,
                        leaves_pools: flags & LEAVE_POOLS != 0,
                        full_timeout: site.full_timeout(options.full_timeout_ns)?,
                    }
                }
            };
            (out, namespace, options)
        };
        out.set(make(Processor::new(namespace.store(), &options)?));
        Ok(())
    })
}

/// Registers a function that the processor offers. Default: its calls run one at a time, in no strict order.
///
/// A signature with the name of a registered function adds a form to that function: a form has the same parameters,
/// with other element types of tensors or values, and the same options. Each form has its own callback. In all other
/// respects the forms are one function: their calls wait for each other, and if the function is
/// SDP_DAL_FUNCTION_ORDERED, the calls of all forms run in order. sdp_dal_call_get_schema() shows which form is called.
///
/// signature: name and parameters, for instance "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
/// options: how its calls are run. NULL for the defaults.
/// function: runs its calls. NULL: they can only be taken with sdp_dal_processor_next().
/// user_data: passed to function. drop: called with user_data when the processor is closed, after the last call. May be
/// NULL. On failure drop is not called, and the caller keeps user_data.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for SDP_DAL_FUNCTION_REENTRANT with SDP_DAL_FUNCTION_ORDERED),
/// SDP_DAL_ALREADY_EXISTS if the name is registered and this is no form of its function, SDP_DAL_ALREADY_STARTED. Does
/// not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_register(
    processor: *mut sdp_dal_processor,
    signature: *const c_char,
    options: *const sdp_dal_function_options,
    function: sdp_dal_function,
    user_data: *mut c_void,
    drop: sdp_dal_drop,
) -> sdp_dal_status {
    guard("sdp_dal_processor_register", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.register(processor, signature, options, (function, user_data, drop)) }
    })
}

impl Site {
    /// # Safety
    /// The header's rules for pointers.
    unsafe fn register(
        self,
        processor: *mut sdp_dal_processor,
        signature: *const c_char,
        options: *const sdp_dal_function_options,
        (function, user_data, drop): (sdp_dal_function, *mut c_void, sdp_dal_drop),
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        let (processor, signature, options) = unsafe {
            (
                self.handle_mut(processor, "processor")?,
                self.text(signature, "signature")?,
                self.function_options(options)?,
            )
        };
        register(
            processor,
            CallSchema::parse(signature)?,
            options,
            function,
            UserData { pointer: user_data, drop },
        )
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn function_options(self, options: *const sdp_dal_function_options) -> Result<FunctionOptions> {
        const REENTRANT: u32 = sdp_dal_function_flag::SDP_DAL_FUNCTION_REENTRANT as u32;
        const ORDERED: u32 = sdp_dal_function_flag::SDP_DAL_FUNCTION_ORDERED as u32;
        const LOOSE_DIMS: u32 = sdp_dal_function_flag::SDP_DAL_FUNCTION_LOOSE_DIMS as u32;
        // SAFETY: the caller's promise.
        let Some(options) = (unsafe { self.in_struct(options, "options")? }) else {
            return Ok(FunctionOptions::default());
        };
        self.zero(options.reserved_0, "options.reserved_0")?;
        let flags = self.flags(options.flags, REENTRANT | ORDERED | LOOSE_DIMS, "options.flags")?;
        Ok(FunctionOptions {
            reentrant: flags & REENTRANT != 0,
            ordered: flags & ORDERED != 0,
            loose_dims: flags & LOOSE_DIMS != 0,
            full_timeout: None,
        })
    }

    /// A field that has no meaning yet.
    pub(super) fn zero(self, value: u32, name: &str) -> Result<()> {
        if value == 0 {
            return Ok(());
        }
        Err(self.wrong(format_args!("'{name}' is {value}, it must be 0")))
    }
}

/// Like sdp_dal_processor_register(), but takes the function, or a form of it, as a schema, with metadata that callers can read.
///
/// schema: not freed by the library. options: NULL for the defaults. function, user_data, drop: as in
/// sdp_dal_processor_register().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_ALREADY_STARTED. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_register_schema(
    processor: *mut sdp_dal_processor,
    schema: *const sdp_dal_schema,
    options: *const sdp_dal_function_options,
    function: sdp_dal_function,
    user_data: *mut c_void,
    drop: sdp_dal_drop,
) -> sdp_dal_status {
    guard("sdp_dal_processor_register_schema", |site| {
        // SAFETY: the header's rules for pointers.
        let (processor, schema, options) = unsafe {
            (
                site.handle_mut(processor, "processor")?,
                site.handle(schema, "schema")?,
                site.function_options(options)?,
            )
        };
        register(processor, (**schema).clone(), options, function, UserData { pointer: user_data, drop })
    })
}

fn register(
    processor: &mut Processor,
    schema: CallSchema,
    options: FunctionOptions,
    function: sdp_dal_function,
    user_data: UserData,
) -> Result<()> {
    let user_data = Arc::new(user_data);
    let registered = processor.register_with(schema, options, function_of(function, &user_data));
    if registered.is_err() {
        // Nothing of the function stayed behind, so nobody will call its drop: it stays the caller's.
        if let Some(user_data) = Arc::into_inner(user_data) {
            std::mem::forget(user_data);
        }
    }
    registered
}

/// What dal calls: lends the call to C and reads how it ended.
fn function_of(function: sdp_dal_function, user_data: &Arc<UserData>) -> Option<Function> {
    let function = function?;
    let user_data = Arc::clone(user_data);
    Some(Arc::new(move |call: &Call| {
        let lent = Lent::<sdp_dal_call>::new(CallHandle::lent(call));
        let before = failures::count();
        // SAFETY: the header's rules for callbacks; `lent` lives until it has returned.
        let code = unsafe { function(lent.as_ptr(), user_data.pointer) };
        outcome(code, before)
    }))
}

/// A function's value as dal's result.
fn outcome(code: sdp_dal_status, before: u64) -> Result<()> {
    if code == status::OK {
        return Ok(());
    }
    let text = failures::text_since(before, code).unwrap_or_else(|| {
        let name = status::name(code).to_string_lossy();
        format!("the function returned {name} ({code}) without a message: set one with sdp_dal_call_fail()")
    });
    Err(Error::new(Kind::FunctionFailed, text))
}

/// Publishes the functions. Callers find the processor from now on, and no function can be added.
///
/// The first sdp_dal_processor_process() or sdp_dal_processor_next() does this too.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_STARTED, SDP_DAL_NAMESPACE_IN_USE, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_start(processor: *mut sdp_dal_processor) -> sdp_dal_status {
    guard("sdp_dal_processor_start", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.handle_mut(processor, "processor")? }.start()
    })
}

/// Takes the oldest call whose inputs exist and whose function may run, and runs it. Several threads may do this at the
/// same time. A function that is not SDP_DAL_FUNCTION_REENTRANT runs in only one of them at a time.
///
/// A processing function that fails is not an error of this function: its outputs fail.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no call arrived, SDP_DAL_INTERRUPTED, SDP_DAL_PROCESSOR_LOST if
/// the processor was closed, SDP_DAL_FORKED.
/// Blocks up to timeout_ns, and while the function runs.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_process(
    processor: *const sdp_dal_processor,
    timeout_ns: i64,
) -> sdp_dal_status {
    guard("sdp_dal_processor_process", |site| {
        // SAFETY: the header's rules for pointers.
        let processor = unsafe { site.handle(processor, "processor")? };
        if processor.process(site.timeout(timeout_ns)?)? {
            return Ok(());
        }
        Err(Error::new(Kind::Timeout, "no call arrived in the given time"))
    })
}

/// Takes the oldest call whose inputs exist and whose function may run. Work on it, then end it with
/// sdp_dal_call_finish(). Until then, or until *out is freed, the function counts as running.
///
/// out: The caller owns *out and must call sdp_dal_call_free().
/// out_info: filled in as by sdp_dal_call_get_info(). Set its struct_size first. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no call arrived, SDP_DAL_INTERRUPTED, SDP_DAL_PROCESSOR_LOST if
/// the processor was closed, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_next(
    processor: *const sdp_dal_processor,
    timeout_ns: i64,
    out: *mut *mut sdp_dal_call,
    out_info: *mut sdp_dal_call_info,
) -> sdp_dal_status {
    guard("sdp_dal_processor_next", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, out_info, processor) = unsafe {
            (
                site.out(out, "out")?,
                site.out_struct_or_none(out_info, "out_info")?,
                site.handle(processor, "processor")?,
            )
        };
        let call = processor.next(site.timeout(timeout_ns)?)?;
        if let Some(out_info) = out_info {
            out_info.set(info_of(&call));
        }
        out.set(make(CallHandle::owning(call)));
        Ok(())
    })
}

/// Returns the prefix of the namespace of the processor. Starts the processor if that was not done before.
///
/// out_prefix: a buffer of SDP_DAL_PREFIX_SIZE bytes.
///
/// Errors: like sdp_dal_processor_start(). Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_get_prefix(
    processor: *const sdp_dal_processor,
    out_prefix: *mut u8,
) -> sdp_dal_status {
    guard("sdp_dal_processor_get_prefix", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, processor) =
            unsafe { (site.prefix_out(out_prefix, "out_prefix")?, site.handle(processor, "processor")?) };
        out.set(processor.prefix()?);
        Ok(())
    })
}

/// Copies the name of the processor.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_get_name(
    processor: *const sdp_dal_processor,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_processor_get_name", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, processor) =
            unsafe { (site.text_out(buffer, length)?, site.handle(processor, "processor")?) };
        out.set(processor.name());
        Ok(())
    })
}

/// Shuts a processor down. Callers do not find it any more, and its waiting calls fail with SDP_DAL_PROCESSOR_LOST.
/// sdp_dal_processor_process() and sdp_dal_processor_next() return SDP_DAL_PROCESSOR_LOST from now on, in all threads.
/// May be called from any thread, also by a function of the processor. Calling it again does nothing.
///
/// It does not wait for running functions. To close a processor that several threads use, shut it down, join the
/// threads, then close it.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY if some calls could not be failed because another process is stopped:
/// call it again. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_shutdown(processor: *const sdp_dal_processor) -> sdp_dal_status {
    guard("sdp_dal_processor_shutdown", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.handle(processor, "processor")? }.shutdown()
    })
}

/// Closes a processor. It shuts the processor down like sdp_dal_processor_shutdown(), and waits until all threads have
/// left sdp_dal_processor_process() and sdp_dal_processor_next(). Then it calls every drop and frees the handle. Calls
/// that were taken with sdp_dal_processor_next() or deferred can still be finished. NULL is allowed.
///
/// Caveat: threads may be inside these two functions, but must not call them again, as the handle may be freed by then.
/// Fix: shut the processor down and join the threads first.
/// Called from a function that sdp_dal_processor_process() runs, it does nothing: the handle stays valid, no drop is
/// called, and sdp_dal_last_error() says so.
///
/// Blocks while functions run in other threads.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_processor_close(processor: *mut sdp_dal_processor) {
    guard("sdp_dal_processor_close", |site| {
        if processor.is_null() {
            return Ok(());
        }
        // Borrowed as long as other threads may be inside: only then it is ours alone.
        // SAFETY: the header's rules for pointers.
        let joined = unsafe { site.handle(processor, "processor")? }.join();
        if let Err(error) = &joined {
            if error.kind() == Kind::InvalidArgument {
                return joined;
            }
        }
        // SAFETY: the header's rules for pointers; no thread is inside any more.
        unsafe { site.end(processor, "processor")? };
        joined
    });
}

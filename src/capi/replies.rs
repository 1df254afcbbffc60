//! sdp_dal_replies: what became of a batch, or of a broadcast, at each processor.

use std::ffi::{c_char, CString};

use super::args::sdp_dal_args;
use super::caller::sdp_dal_caller;
use super::guard::{guard, Site};
use super::handle::{make, word, Handle, Lent};
use super::results::{sdp_dal_results, ResultsState};
use super::status::{self, sdp_dal_status};
use super::structs::Extensible;
use crate::dal::{Args, FoundProcessor, Results};
use crate::error::Result;
use crate::store::{Prefix, PREFIX_SIZE};

/// References to the outputs of many calls: of each row at each processor. Created by sdp_dal_caller_batch() and
/// sdp_dal_caller_broadcast(), freed by sdp_dal_replies_free().
pub struct sdp_dal_replies {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_replies {
    type Value = RepliesState;
    const WORD: u64 = word(b"sdpReply");
}

pub(super) struct RepliesState {
    processors: Vec<Reply>,
}

struct Reply {
    prefix: Prefix,
    name: CString,
    results: Result<Vec<Lent<sdp_dal_results>>>,
}

impl Reply {
    fn new(processor: FoundProcessor, results: Result<Vec<Results>>) -> Reply {
        let lend = |results: Vec<Results>| {
            results.into_iter().map(|results| Lent::new(ResultsState::new(results))).collect()
        };
        // What is behind a NUL is left out.
        let name = CString::new(processor.name.split('\0').next().unwrap_or_default()).unwrap_or_default();
        Reply { prefix: processor.prefix, name, results: results.map(lend) }
    }
}

impl RepliesState {
    fn at(&self, site: Site, processor: usize) -> Result<&Reply> {
        let count = self.processors.len();
        let past = || {
            site.wrong(format_args!("'processor' is {processor}, but the call went to {count} processors"))
        };
        self.processors.get(processor).ok_or_else(past)
    }
}

impl Site {
    /// The arguments of each row.
    ///
    /// # Safety
    /// The header's rules for pointers, for the array and what is in it; the tensors' memory stays as it is as long as
    /// `'a`.
    unsafe fn rows<'a>(self, rows: *const *const sdp_dal_args, count: usize) -> Result<Vec<Args<'a>>> {
        // SAFETY: the caller's promise.
        let rows = unsafe { self.items(rows, count, "rows")? };
        let to_dal = |(row, args): (usize, &*const sdp_dal_args)| {
            // SAFETY: the caller's promise.
            Ok(unsafe { self.handle(*args, &format!("rows[{row}]"))?.to_dal() })
        };
        rows.iter().enumerate().map(to_dal).collect()
    }
}

/// Issues many calls of one function to one processor at once, as rows of one call object. Does not wait for them.
///
/// All rows are checked before anything is written, and errors name the row. Rows run one by one, in this order as far
/// as their inputs exist. A row that fails does not affect the others. A row is skipped if all references to its
/// outputs were freed, and freeing all references to all outputs cancels the rows that have not started. A batch counts
/// as one call for max_in_flight.
///
/// function: the name of one of the caller's functions or of a form, as in sdp_dal_caller_call(). All rows are of one
/// form.
/// rows: num_rows sets of arguments, up to 1048576. They are not freed, and one may be used for several rows. The same
/// output must not be given twice.
/// out: one processor with num_rows results. If num_rows is 0, nothing is issued and there is no processor. The caller
/// of this function owns *out and must call sdp_dal_replies_free().
/// out_count: the number of processors. May be NULL.
///
/// Errors and blocking: like sdp_dal_caller_call().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_batch(
    caller: *const sdp_dal_caller,
    function: *const c_char,
    rows: *const *const sdp_dal_args,
    num_rows: usize,
    out: *mut *mut sdp_dal_replies,
    out_count: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_caller_batch", |site| {
        // SAFETY: the header's rules for pointers; the tensors' memory is only used until we return.
        let ((out, out_count), caller, function, args) = unsafe {
            (
                (site.out(out, "out")?, site.out_or_none(out_count, "out_count")?),
                site.handle(caller, "caller")?,
                site.text(function, "function")?,
                site.rows(rows, num_rows)?,
            )
        };
        let sent = caller.batch_to(function, &args, caller.timeout())?;
        let processors = sent.into_iter().map(|(processor, results)| Reply::new(processor, Ok(results)));
        let processors: Vec<_> = processors.collect();
        if let Some(out_count) = out_count {
            out_count.set(processors.len());
        }
        out.set(make(RepliesState { processors }));
        Ok(())
    })
}

/// Issues the same rows to every processor that the caller found. Does not wait for them.
///
/// All rows are checked before anything is written. Tensors given by value are put once, for all processors. Every
/// processor has outputs of its own, so no output may be given if there is more than one processor. With max_in_flight
/// it waits until every processor can take the call. If one processor cannot get the call, this is not an error of this
/// function but the status of its reply, and the others get the call. The status is SDP_DAL_PROCESSOR_LOST if the
/// processor crashed or was closed (the caller drops it then), or SDP_DAL_TIMEOUT if max_in_flight is still reached.
///
/// function: the name of one of the caller's functions or of a form. rows: num_rows sets of arguments. Both are as in
/// sdp_dal_caller_batch(); a single call is one row.
/// out: the processors in the order of their prefixes, each with num_rows results. It is empty if the caller has no
/// processors. The caller of this function owns *out and must call sdp_dal_replies_free().
/// out_count: the number of processors. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_OBJECT_DELETED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to
/// full_timeout_ns of the options, and up to timeout_ns of the options while a processor has max_in_flight unfinished
/// calls.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_broadcast(
    caller: *const sdp_dal_caller,
    function: *const c_char,
    rows: *const *const sdp_dal_args,
    num_rows: usize,
    out: *mut *mut sdp_dal_replies,
    out_count: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_caller_broadcast", |site| {
        // SAFETY: the header's rules for pointers; the tensors' memory is only used until we return.
        let ((out, out_count), caller, function, args) = unsafe {
            (
                (site.out(out, "out")?, site.out_or_none(out_count, "out_count")?),
                site.handle(caller, "caller")?,
                site.text(function, "function")?,
                site.rows(rows, num_rows)?,
            )
        };
        let replies = caller.broadcast_batch(function, &args, caller.timeout())?;
        let processors = replies.into_iter().map(|reply| Reply::new(reply.processor, reply.results));
        let processors: Vec<_> = processors.collect();
        if let Some(out_count) = out_count {
            out_count.set(processors.len());
        }
        out.set(make(RepliesState { processors }));
        Ok(())
    })
}

/// Result of issuing the rows to one processor.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_reply {
    /// sizeof(sdp_dal_reply).
    pub struct_size: usize,
    /// The name of the processor. Borrowed: valid until the replies are freed.
    pub name: *const c_char,
    /// SDP_DAL_OK if it got the rows, or the error. sdp_dal_replies_get_results() then returns this status, and
    /// sdp_dal_last_error() has the message.
    pub status: i32,
    /// The prefix of the processor.
    pub prefix: [u8; 4],
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_reply {
    const NAME: &'static str = "sdp_dal_reply";
}
const _: () = assert!(size_of::<sdp_dal_reply>() == 2 * size_of::<usize>() + 4 + PREFIX_SIZE);

/// Returns the result of issuing the rows to one processor.
///
/// processor: from 0 to the number of processors, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_replies_get_reply(
    replies: *const sdp_dal_replies,
    processor: usize,
    out: *mut sdp_dal_reply,
) -> sdp_dal_status {
    guard("sdp_dal_replies_get_reply", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, replies) = unsafe { (site.out_struct(out, "out")?, site.handle(replies, "replies")?) };
        let reply = replies.at(site, processor)?;
        out.set(sdp_dal_reply {
            struct_size: 0,
            name: reply.name.as_ptr(),
            status: reply.results.as_ref().map_or_else(|error| error.kind().code(), |_| status::OK),
            prefix: reply.prefix,
        });
        Ok(())
    })
}

/// Returns references to the outputs of one row at one processor.
///
/// processor: from 0 to the number of processors, exclusive. row: from 0 to the number of rows, exclusive.
/// out: Borrowed: valid until the replies are freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, and the status of the reply if the processor did not get the rows
/// (SDP_DAL_PROCESSOR_LOST, SDP_DAL_TIMEOUT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_BUSY). Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_replies_get_results(
    replies: *const sdp_dal_replies,
    processor: usize,
    row: usize,
    out: *mut *const sdp_dal_results,
) -> sdp_dal_status {
    guard("sdp_dal_replies_get_results", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, replies) = unsafe { (site.out(out, "out")?, site.handle(replies, "replies")?) };
        let results = replies.at(site, processor)?.results.as_ref().map_err(Clone::clone)?;
        let past = || site.wrong(format_args!("'row' is {row}, but the call has {} rows", results.len()));
        out.set(results.get(row).ok_or_else(past)?.as_ptr().cast_const());
        Ok(())
    })
}

/// Frees the replies. Calls that have not started are cancelled if no references to their outputs are left. NULL is
/// allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_replies_free(replies: *mut sdp_dal_replies) {
    guard("sdp_dal_replies_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(replies, "replies") }
    });
}

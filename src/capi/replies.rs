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

/// References to the outputs of many calls: of each row at each processor. Made by sdp_dal_caller_batch() and
/// sdp_dal_caller_broadcast(), ended by sdp_dal_replies_free().
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
        let past = || site.wrong(format_args!("'processor' is {processor}, the call went to {count}"));
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

/// Issues many calls of one function to one processor at once, as rows of one call object, and does not wait for them.
///
/// All rows are checked before anything is written, and errors name the row. Rows run one by one, in this order as far
/// as their inputs exist; one that fails leaves the others alone. One whose outputs were all dropped is skipped, and
/// dropping all references to all outputs cancels what has not started. A batch is one call for max_in_flight.
///
/// function: the name of one of the caller's functions. rows: num_rows sets of arguments, up to 1048576; they stay
/// yours, and one may stand in several places. The same output must not be given twice.
/// out: one processor with num_rows results; no processor, and nothing issued, for no rows. The caller of this function
/// owns *out and must call sdp_dal_replies_free().
/// out_count: the number of processors; NULL if not asked for.
///
/// Errors and blocking: as sdp_dal_caller_call().
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

/// Issues the same rows to every processor that the caller found, and does not wait for them.
///
/// All rows are checked before anything is written. Tensors given by value are put once for all. Every processor has
/// outputs of its own: an output must not be given if there is more than one. With max_in_flight it waits until every
/// processor has room. What keeps one processor from getting the call is no error of this function but the status of
/// its place: SDP_DAL_PROCESSOR_LOST if it has gone (the caller forgets it then), SDP_DAL_TIMEOUT if it still has no
/// room; the others get the call.
///
/// function: the name of one of the caller's functions. rows: num_rows sets of arguments, as in sdp_dal_caller_batch();
/// a single call is one row.
/// out: the processors in the order of their prefixes, each with num_rows results; none if the caller has none. The
/// caller of this function owns *out and must call sdp_dal_replies_free().
/// out_count: the number of processors; NULL if not asked for.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_OBJECT_DELETED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to
/// SDP_DAL_FULL_TIMEOUT, and up to the options' timeout_ns while a processor has no room.
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

/// What became of the rows at one processor.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_reply {
    /// sizeof(sdp_dal_reply).
    pub struct_size: usize,
    /// The name of the processor. Borrowed: valid until the replies are freed.
    pub name: *const c_char,
    /// SDP_DAL_OK if it got the rows, or why not: sdp_dal_replies_get_results() then fails with that, and
    /// sdp_dal_last_error() has the sentence.
    pub status: i32,
    /// The prefix of the processor.
    pub prefix: [u8; 4],
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_reply {
    const NAME: &'static str = "sdp_dal_reply";
}
const _: () = assert!(size_of::<sdp_dal_reply>() == 2 * size_of::<usize>() + 4 + PREFIX_SIZE);

/// What became of the rows at one processor.
///
/// processor: from 0 to the number of processors, exclusive. out: filled; set its struct_size first.
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

/// References to the outputs of one row at one processor.
///
/// processor: from 0 to the number of processors, exclusive. row: from 0 to the number of rows, exclusive.
/// out: Borrowed: valid until the replies are freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, and the reply's status if the processor did not get the rows (SDP_DAL_PROCESSOR_LOST,
/// SDP_DAL_TIMEOUT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_BUSY). Does not block.
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
        let past = || site.wrong(format_args!("'row' is {row}, the call has {} rows", results.len()));
        out.set(results.get(row).ok_or_else(past)?.as_ptr().cast_const());
        Ok(())
    })
}

/// Ends the replies. Calls of which no output is referred to any more, and that have not started, are cancelled.
/// NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_replies_free(replies: *mut sdp_dal_replies) {
    guard("sdp_dal_replies_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(replies, "replies") }
    });
}

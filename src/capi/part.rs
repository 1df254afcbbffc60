//! References to parts of tensors.

use std::ffi::c_char;

use super::guard::{guard, Site};
use super::handle::make;
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::types::sdp_dal_count;
use crate::error::Result;
use crate::wire::{Along, Part, MAX_DIMS};

/// Creates a reference to a part of a tensor: count elements from start on along each dimension, step apart. Nothing is
/// copied. The tensor need not exist yet.
///
/// The new reference keeps the whole tensor, as a clone of the given one does. It is waited for like the whole, passed
/// to calls like any reference, and sdp_dal_ref_get_tensor() returns a view of the same bytes, which has the strides of
/// the whole, so that its elements are mostly not in C or F order. A part of a part is possible. A part has no ID. It
/// cannot be written, be the output of a call, or be disowned, and it ends if the whole is deleted.
///
/// ndim: the number of dimensions that are given, 0 to SDP_DAL_MAX_DIMS, outermost first. The others are whole.
/// start: ndim indices. A negative one is counted from the end, -1 is the last element. NULL: 0 everywhere.
/// count: ndim numbers of elements, all of which must exist. SDP_DAL_COUNT_REST: as many as there are from start on,
/// which may be none. NULL: SDP_DAL_COUNT_REST everywhere.
/// step: ndim distances from one element to the next, in elements. They may be negative. 0: only the element at start, and
/// the part does not have this dimension. Then count must be 1 or SDP_DAL_COUNT_REST. NULL: 1 everywhere.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, also if a table is expected, or the tensor is known not to have these elements. If
/// it does not exist yet, sdp_dal_ref_get_tensor() returns that error later, and a call that takes the part fails.
/// Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_part(
    reference: *const sdp_dal_ref,
    ndim: i32,
    start: *const i64,
    count: *const i64,
    step: *const i64,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_ref_part", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state, along) = unsafe {
            let out = site.out(out, "out")?;
            let state = site.handle(reference, "reference")?;
            let ndim = site.ndim(ndim, "ndim")?;
            let numbers = |numbers: *const i64, otherwise: i64, name: &str| {
                if numbers.is_null() {
                    return Ok([otherwise; MAX_DIMS][..ndim].to_vec());
                }
                site.items(numbers, ndim, name).map(<[i64]>::to_vec)
            };
            let start = numbers(start, 0, "start")?;
            let count = numbers(count, REST, "count")?;
            let step = numbers(step, 1, "step")?;
            let dims = (0..ndim).map(|dim| site.along(dim, start[dim], count[dim], step[dim]));
            (out, state, dims.collect::<Result<Vec<_>>>()?)
        };
        out.set(make(RefState::new(state.reference().part(&along)?)));
        Ok(())
    })
}

const REST: i64 = sdp_dal_count::SDP_DAL_COUNT_REST as i64;

impl Site {
    /// The elements of one dimension.
    fn along(self, dim: usize, start: i64, count: i64, step: i64) -> Result<Along> {
        match (step, count) {
            (0, 1 | REST) => Ok(Along::At(start)),
            (0, _) => Err(self.wrong(format_args!(
                "'step[{dim}]' is 0 and 'count[{dim}]' is {count}: a step of 0 is for a single element, without its dimension"
            ))),
            (_, REST) => Ok(Along::Range { start: Some(start), stop: None, step }),
            _ if count < 0 => Err(self.wrong(format_args!(
                "'count[{dim}]' is {count}, expected 0 or more, or SDP_DAL_COUNT_REST"
            ))),
            _ => Ok(Along::Count { start, count, step }),
        }
    }
}

/// Creates a reference to a part of a tensor that is given as a text, as sdp_dal_ref_part() does.
///
/// text: an index or a slice for each dimension, as in Python: "[0:100, -5:, ::2]", "[..., 3]". A slice leaves out what
/// does not exist, as in Python. "5+:10" means exactly ten elements from index 5 on. The part in sdp_dal_ref_info is such
/// a text, too.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: like sdp_dal_ref_part(). SDP_DAL_INVALID_ARGUMENT for a wrong text names the column, what was found and what
/// was expected. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_part_from_text(
    reference: *const sdp_dal_ref,
    text: *const c_char,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_ref_part_from_text", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state, part) = unsafe {
            let out = site.out(out, "out")?;
            (out, site.handle(reference, "reference")?, site.text(text, "text")?.parse::<Part>()?)
        };
        out.set(make(RefState::new(state.reference().part_of(&part)?)));
        Ok(())
    })
}

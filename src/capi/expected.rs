//! What a reference expects of its object.

use std::ffi::c_char;
use std::sync::Arc;

use crate::arrow::ffi::FFI_ArrowSchema;

use super::guard::Site;
use super::structs::Extensible;
use super::types::sdp_dal_param_kind as kind;
use crate::dal::{Expectation, ExpectedTable};
use crate::error::Result;

/// Describes the object that a reference expects. Zero bytes mean any object.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_expectation {
    /// sizeof(sdp_dal_expectation).
    pub struct_size: usize,
    /// The names of the dimensions of a tensor. NULL, or "" for a dimension, means any name.
    pub dim_names: *const *const c_char,
    /// The columns of a table, as a struct. NULL means any columns. It is not released by the library.
    pub columns: *const FFI_ArrowSchema,
    /// SDP_DAL_PARAM_TENSOR, SDP_DAL_PARAM_TABLE, or 0 for any object. With 0 the other fields are ignored.
    pub kind: i32,
    /// The element type of a tensor, one of sdp_dal_dtype.
    pub dtype: i32,
    /// The number of dimensions of a tensor.
    pub ndim: i32,
    /// 0.
    pub reserved: i32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_expectation {
    const NAME: &'static str = "sdp_dal_expectation";
}
const _: () = assert!(size_of::<sdp_dal_expectation>() == 3 * size_of::<usize>() + 4 * 4);

impl Site {
    /// # Safety
    /// The header's rules for pointers, for the expectation and what it points to.
    pub(super) unsafe fn expectation(
        self,
        expected: *const sdp_dal_expectation,
        name: &str,
    ) -> Result<Expectation> {
        const TENSOR: i32 = kind::SDP_DAL_PARAM_TENSOR as i32;
        const TABLE: i32 = kind::SDP_DAL_PARAM_TABLE as i32;
        // SAFETY: the caller's promise.
        unsafe {
            match self.in_struct(expected, name)? {
                None | Some(sdp_dal_expectation { kind: 0, .. }) => Ok(Expectation::default()),
                Some(expected) if expected.kind == TENSOR => {
                    let elem = self.elem(expected.dtype, format_args!("{name}.dtype"))?;
                    let ndim = self.ndim(expected.ndim, format_args!("{name}.ndim"))?;
                    let names = self.dim_names(expected.dim_names, ndim, format_args!("{name}.dim_names"))?;
                    Ok(Some((elem, names)).into())
                }
                Some(expected) if expected.kind == TABLE => {
                    let columns = self.columns_or_none(expected.columns, &format!("{name}.columns"))?;
                    Ok(ExpectedTable::new(columns.map(Arc::new)).into())
                }
                Some(expected) => Err(self.wrong(format_args!(
                    "'{name}.kind' is {}: pass SDP_DAL_PARAM_TENSOR, SDP_DAL_PARAM_TABLE or 0",
                    expected.kind
                ))),
            }
        }
    }
}

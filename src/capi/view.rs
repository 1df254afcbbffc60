//! Tensors as C sees them: pointer, element type, shape, byte strides.

use std::ffi::{c_char, c_void};
use std::fmt::Display;
use std::ptr;
use std::slice;

use super::guard::Site;
use super::structs::Extensible;
use super::types::{sdp_dal_order, sdp_dal_tensor_flag};
use crate::error::Result;
use crate::timeout::Timeout;
use crate::wire::{Elem, Layout, Order, TensorSource};

/// Description of a tensor in memory. A view owns nothing.
///
/// If the library fills it (sdp_dal_tensor_get_view(), sdp_dal_call_get_tensor()), the pointers are borrowed as
/// described at the function, and the data must not be written. If the program fills it (sdp_dal_tensor_put(),
/// sdp_dal_args_set_tensor()), it describes the program's own memory, in any layout. Set struct_size first in both
/// cases.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_tensor_view {
    /// sizeof(sdp_dal_tensor_view).
    pub struct_size: usize,
    /// The element whose indices are all 0. May be NULL if there are no elements.
    pub data: *const c_void,
    /// ndim sizes; may be NULL if ndim is 0.
    pub shape: *const i64,
    /// ndim distances in bytes from one index to the next. They may be negative or 0. If the program fills the view,
    /// NULL means C order.
    pub strides: *const i64,
    /// ndim names, "" for a dimension without one; NULL if none has a name.
    pub dim_names: *const *const c_char,
    /// One of sdp_dal_dtype.
    pub dtype: i32,
    /// Number of dimensions, 0 to SDP_DAL_MAX_DIMS.
    pub ndim: i32,
    /// One of sdp_dal_order. Ignored if the program fills the view, as the strides define the order.
    pub order: i32,
    /// 0.
    pub reserved: i32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_tensor_view {
    const NAME: &'static str = "sdp_dal_tensor_view";
}
const _: () = assert!(size_of::<sdp_dal_tensor_view>() == 5 * size_of::<usize>() + 4 * size_of::<i32>());

/// Describes a tensor to be created.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_tensor_spec {
    /// sizeof(sdp_dal_tensor_spec).
    pub struct_size: usize,
    /// ndim sizes; may be NULL if ndim is 0.
    pub shape: *const i64,
    /// ndim names, "" for a dimension without one; NULL if none has a name.
    pub dim_names: *const *const c_char,
    /// One of sdp_dal_dtype.
    pub dtype: i32,
    /// Number of dimensions, 0 to SDP_DAL_MAX_DIMS.
    pub ndim: i32,
    /// One of sdp_dal_order.
    pub order: i32,
    /// Bits of sdp_dal_tensor_flag.
    pub flags: u32,
    /// How long to wait for space when the store is full, in nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER. Default
    /// (0): that of the store or reference, see sdp_dal_store_set_full_timeout().
    pub full_timeout_ns: i64,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_tensor_spec {
    const NAME: &'static str = "sdp_dal_tensor_spec";
}
const _: () = assert!(size_of::<sdp_dal_tensor_spec>() == 3 * size_of::<usize>() + 4 * size_of::<i32>() + 8);

pub(super) const NO_VIEW: sdp_dal_tensor_view = sdp_dal_tensor_view {
    struct_size: 0,
    data: ptr::null(),
    shape: ptr::null(),
    strides: ptr::null(),
    dim_names: ptr::null(),
    dtype: 0,
    ndim: 0,
    order: 0,
    reserved: 0,
};

/// A spec in Rust's words.
pub(super) struct TensorSpec {
    pub elem: Elem,
    pub shape: Vec<i64>,
    pub names: Vec<String>,
    pub order: Order,
    pub zeroed: bool,
    pub full_timeout: Option<Timeout>,
}

/// Memory of the caller that a view describes.
pub(super) struct CallersTensor {
    /// The lowest byte of any element.
    start: *const u8,
    /// Bytes from there to behind the highest.
    size: usize,
    /// Where the element lies whose indices are all 0.
    origin: usize,
    layout: Layout,
}

// SAFETY: only read, and the caller promises to leave the memory alone as long as it is borrowed.
unsafe impl Send for CallersTensor {}
// SAFETY: as above.
unsafe impl Sync for CallersTensor {}

impl CallersTensor {
    /// What `dal` and `wire` read from.
    ///
    /// # Safety
    /// The memory that the view described is still there and stays unchanged as long as the source is used.
    pub(super) unsafe fn source(&self) -> TensorSource<'_> {
        let bytes = if self.size == 0 {
            &[]
        } else {
            // SAFETY: the caller's promise; Site::callers_tensor() computed start and size from the strides.
            unsafe { slice::from_raw_parts(self.start, self.size) }
        };
        TensorSource { bytes, origin: self.origin, layout: &self.layout }
    }
}

impl Site {
    /// Names of dimensions; empty if there are none.
    ///
    /// # Safety
    /// `names` is NULL or points to `ndim` texts.
    pub(super) unsafe fn dim_names(
        self,
        names: *const *const c_char,
        ndim: usize,
        name: impl Display + Copy,
    ) -> Result<Vec<String>> {
        if names.is_null() {
            return Ok(vec![String::new(); ndim]);
        }
        // SAFETY: the caller's promise.
        unsafe {
            let names = self.items(names, ndim, name)?;
            names
                .iter()
                .map(|text| Ok(self.text_or_none(*text, name)?.unwrap_or_default().to_owned()))
                .collect()
        }
    }

    /// The spec of a tensor to be made.
    ///
    /// # Safety
    /// The header's rules for pointers, for `spec` and what it points to.
    pub(super) unsafe fn tensor_spec(
        self,
        spec: *const sdp_dal_tensor_spec,
        name: &str,
    ) -> Result<TensorSpec> {
        // SAFETY: the caller's promise.
        unsafe {
            let spec = self.in_struct(spec, name)?.ok_or_else(|| {
                self.wrong(format_args!("'{name}' is NULL, expected the spec of the tensor"))
            })?;
            let ndim = self.ndim(spec.ndim, format_args!("{name}.ndim"))?;
            let zeroed = sdp_dal_tensor_flag::SDP_DAL_TENSOR_ZEROED as u32;
            Ok(TensorSpec {
                elem: self.elem(spec.dtype, format_args!("{name}.dtype"))?,
                shape: self.items(spec.shape, ndim, format_args!("{name}.shape"))?.to_vec(),
                names: self.dim_names(spec.dim_names, ndim, format_args!("{name}.dim_names"))?,
                order: self.order(spec.order, format_args!("{name}.order"))?.unwrap_or(Order::C),
                zeroed: self.flags(spec.flags, zeroed, format_args!("{name}.flags"))? & zeroed != 0,
                full_timeout: self.full_timeout(spec.full_timeout_ns)?,
            })
        }
    }

    /// The memory that a view of the caller describes.
    ///
    /// # Safety
    /// The header's rules for pointers, for `view` and its shape, strides and names; its data is not touched.
    pub(super) unsafe fn callers_tensor(
        self,
        view: *const sdp_dal_tensor_view,
        name: &str,
    ) -> Result<CallersTensor> {
        // SAFETY: the caller's promise.
        let (view, mut layout) = unsafe {
            let view = self
                .in_struct(view, name)?
                .ok_or_else(|| self.wrong(format_args!("'{name}' is NULL, expected a view of a tensor")))?;
            let ndim = self.ndim(view.ndim, format_args!("{name}.ndim"))?;
            let elem = self.elem(view.dtype, format_args!("{name}.dtype"))?;
            let shape = self.items(view.shape, ndim, format_args!("{name}.shape"))?;
            let names = if view.dim_names.is_null() {
                Vec::new()
            } else {
                self.dim_names(view.dim_names, ndim, format_args!("{name}.dim_names"))?
            };
            let mut layout = Layout::contiguous(elem, shape, Order::C, &names)?;
            if !view.strides.is_null() {
                layout.strides = self.items(view.strides, ndim, format_args!("{name}.strides"))?.to_vec();
            }
            (view, layout)
        };
        let Some((below, size)) = span(&layout) else {
            return Err(
                self.wrong(format_args!("'{name}': shape and strides span more than the address space"))
            );
        };
        if size != 0 && view.data.is_null() {
            return Err(self.wrong(format_args!("'{name}.data' is NULL, expected {size} bytes")));
        }
        if size == 0 {
            // Strides of nothing mean nothing; the wire room should not have to think about them.
            layout = Layout::contiguous(layout.elem, &layout.shape, Order::C, &layout.names)?;
        }
        let start = view.data.cast::<u8>().wrapping_sub(below);
        Ok(CallersTensor { start, size, origin: below, layout })
    }
}

/// Bytes below the first element, and bytes from the lowest to behind the highest.
fn span(layout: &Layout) -> Option<(usize, usize)> {
    if layout.shape.contains(&0) {
        return Some((0, 0));
    }
    let (mut below, mut above) = (0i64, i64::try_from(layout.elem.size()).ok()?);
    for (size, stride) in layout.shape.iter().zip(&layout.strides) {
        let reach = size.checked_sub(1)?.checked_mul(*stride)?;
        if reach < 0 {
            below = below.checked_sub(reach)?;
        } else {
            above = above.checked_add(reach)?;
        }
    }
    let size = isize::try_from(below.checked_add(above)?).ok()?;
    Some((usize::try_from(below).ok()?, usize::try_from(size).ok()?))
}

/// A layout's dimension names as C sees them.
pub(super) struct DimNames {
    /// Points into `_text`; empty if no dimension has a name.
    pointers: Vec<*const c_char>,
    /// The names, each with a NUL.
    _text: Vec<u8>,
}

// SAFETY: never changed after it was made; the pointers lead into `_text`, whose heap memory does not move.
unsafe impl Send for DimNames {}
// SAFETY: as above.
unsafe impl Sync for DimNames {}

impl DimNames {
    pub(super) fn new(names: &[String]) -> DimNames {
        if names.iter().all(String::is_empty) {
            return DimNames { pointers: Vec::new(), _text: Vec::new() };
        }
        let mut text = Vec::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        let starts: Vec<usize> = names
            .iter()
            .map(|name| {
                let start = text.len();
                text.extend_from_slice(name.as_bytes());
                text.push(0);
                start
            })
            .collect();
        let pointers = starts.into_iter().map(|start| text[start..].as_ptr().cast()).collect();
        DimNames { pointers, _text: text }
    }

    /// NULL if no dimension has a name.
    pub(super) fn as_ptr(&self) -> *const *const c_char {
        if self.pointers.is_empty() {
            ptr::null()
        } else {
            self.pointers.as_ptr()
        }
    }
}

/// The view of a tensor in the store: borrows from all three.
pub(super) fn view_of(layout: &Layout, names: &DimNames, bytes: &[u8]) -> sdp_dal_tensor_view {
    sdp_dal_tensor_view {
        struct_size: size_of::<sdp_dal_tensor_view>(),
        data: bytes.as_ptr().cast(),
        shape: layout.shape.as_ptr(),
        strides: layout.strides.as_ptr(),
        dim_names: names.as_ptr(),
        dtype: layout.elem as i32,
        // At most MAX_DIMS.
        ndim: i32::try_from(layout.shape.len()).unwrap_or(0),
        order: order_of(layout) as i32,
        ..NO_VIEW
    }
}

/// C if it is both, as vectors are.
fn order_of(layout: &Layout) -> sdp_dal_order {
    let item = i64::try_from(layout.elem.size()).unwrap_or(i64::MAX);
    let dims = || layout.shape.iter().zip(&layout.strides);
    let contiguous = |dims: &mut dyn Iterator<Item = (&i64, &i64)>| {
        let mut step = item;
        for (size, stride) in dims {
            if *size != 1 && *stride != step {
                return false;
            }
            step = step.saturating_mul((*size).max(1));
        }
        true
    };
    if contiguous(&mut dims().rev()) {
        sdp_dal_order::SDP_DAL_ORDER_C
    } else if contiguous(&mut dims()) {
        sdp_dal_order::SDP_DAL_ORDER_F
    } else {
        sdp_dal_order::SDP_DAL_ORDER_ANY
    }
}

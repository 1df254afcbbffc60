//! The structs of DLPack 1.0, as its ABI fixes them, and exporting them. The header only declares them, because
//! programs that use DLPack have its header.

use std::ffi::c_void;

use crate::dal::Tensor as DalTensor;
use crate::error::{Error, Result};
use crate::wire::{Elem, MAX_DIMS};

/// Device type of ordinary memory.
pub(super) const CPU: i32 = 1;
/// Type codes.
pub(super) const INT: u8 = 0;
pub(super) const UINT: u8 = 1;
pub(super) const FLOAT: u8 = 2;
pub(super) const BFLOAT: u8 = 4;
pub(super) const COMPLEX: u8 = 5;
pub(super) const BOOL: u8 = 6;
/// The version that is written. Readers of the same major version can read it.
pub(super) const VERSION: Version = Version { major: 1, minor: 0 };
/// Flag: the memory must not be written.
pub(super) const READ_ONLY: u64 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Device {
    pub(super) device_type: i32,
    pub(super) device_id: i32,
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct DataType {
    pub(super) code: u8,
    pub(super) bits: u8,
    pub(super) lanes: u16,
}

/// Where elements lie; shape and strides (in elements) have `ndim` numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Tensor {
    pub(super) data: *mut c_void,
    pub(super) device: Device,
    pub(super) ndim: i32,
    pub(super) dtype: DataType,
    pub(super) shape: *mut i64,
    pub(super) strides: *mut i64,
    pub(super) byte_offset: u64,
}

/// DLManagedTensor: without a version.
#[repr(C)]
pub struct Unversioned {
    pub(super) tensor: Tensor,
    pub(super) context: *mut c_void,
    pub(super) deleter: Option<unsafe extern "C" fn(*mut Unversioned)>,
}

/// DLManagedTensorVersioned.
#[repr(C)]
pub struct Versioned {
    pub(super) version: Version,
    pub(super) context: *mut c_void,
    pub(super) deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    pub(super) flags: u64,
    pub(super) tensor: Tensor,
}

#[cfg(target_pointer_width = "64")]
const _: () =
    assert!(size_of::<Tensor>() == 48 && size_of::<Unversioned>() == 64 && size_of::<Versioned>() == 80);

/// The type of a tensor's elements.
pub(super) fn dlpack_type(elem: Elem) -> DataType {
    let (code, bits) = match elem {
        Elem::Bool => (BOOL, 8),
        Elem::Int8 => (INT, 8),
        Elem::Int16 => (INT, 16),
        Elem::Int32 => (INT, 32),
        Elem::Int64 => (INT, 64),
        Elem::Uint8 => (UINT, 8),
        Elem::Uint16 => (UINT, 16),
        Elem::Uint32 => (UINT, 32),
        Elem::Uint64 => (UINT, 64),
        Elem::Float16 => (FLOAT, 16),
        Elem::Float32 => (FLOAT, 32),
        Elem::Float64 => (FLOAT, 64),
        Elem::Complex64 => (COMPLEX, 64),
        Elem::Complex128 => (COMPLEX, 128),
    };
    DataType { code, bits, lanes: 1 }
}

/// A tensor given out, and what its struct points to. The struct is the first field of its own: a pointer to one is a
/// pointer to the other.
#[repr(C)]
pub(super) struct Given<M> {
    managed: M,
    shape: [i64; MAX_DIMS],
    strides: [i64; MAX_DIMS],
    _tensor: DalTensor,
}

impl<M> Given<M> {
    /// Boxes a tensor. `managed` makes the struct from where the elements lie, and `part` finds that in it; C owns the
    /// result.
    fn give(
        tensor: DalTensor,
        managed: impl FnOnce(Tensor) -> M,
        part: fn(&mut M) -> &mut Tensor,
    ) -> Result<*mut M> {
        let layout = tensor.layout().clone();
        let mut shape = [0; MAX_DIMS];
        let mut strides = [0; MAX_DIMS];
        let ndim = layout.shape.len();
        let size = i64::try_from(layout.elem.size()).map_err(|_| Error::internal("an element's size"))?;
        shape[..ndim].copy_from_slice(&layout.shape);
        for (to, from) in strides.iter_mut().zip(&layout.strides) {
            *to = from / size;
        }
        // Only of parts: a field of larger records.
        if layout.shape.iter().zip(&layout.strides).any(|(len, stride)| *len > 1 && stride % size != 0) {
            return Err(Error::invalid(format!(
                "the byte strides {:?} are no multiples of the {size} bytes of an element, as DLPack requires: copy the part",
                layout.strides
            )));
        }
        let described = Tensor {
            data: tensor.bytes().as_ptr().wrapping_add(tensor.origin()).cast_mut().cast(),
            device: Device { device_type: CPU, device_id: 0 },
            ndim: i32::try_from(ndim).map_err(|_| Error::internal("a tensor's dimensions"))?,
            dtype: dlpack_type(layout.elem),
            shape: std::ptr::null_mut(),
            strides: std::ptr::null_mut(),
            byte_offset: 0,
        };
        let given = Given { managed: managed(described), shape, strides, _tensor: tensor };
        let given = Box::into_raw(Box::new(given));
        // SAFETY: just made; the arrays stay where they are as long as the box.
        unsafe {
            let described = part(&mut (*given).managed);
            described.shape = (&raw mut (*given).shape).cast();
            described.strides = (&raw mut (*given).strides).cast();
        }
        Ok(given.cast())
    }
}

/// The deleter of what was given out.
unsafe extern "C" fn delete<M>(managed: *mut M) {
    if !managed.is_null() {
        // SAFETY: made by Given::give(), whose first field it is; DLPack's consumers call the deleter once.
        drop(unsafe { Box::from_raw(managed.cast::<Given<M>>()) });
    }
}

impl Given<Versioned> {
    pub(super) fn versioned(tensor: DalTensor) -> Result<*mut Versioned> {
        let managed = |tensor| Versioned {
            version: VERSION,
            context: std::ptr::null_mut(),
            deleter: Some(delete::<Versioned>),
            flags: READ_ONLY,
            tensor,
        };
        Given::give(tensor, managed, |managed| &mut managed.tensor)
    }
}

impl Given<Unversioned> {
    pub(super) fn unversioned(tensor: DalTensor) -> Result<*mut Unversioned> {
        let managed = |tensor| Unversioned {
            tensor,
            context: std::ptr::null_mut(),
            deleter: Some(delete::<Unversioned>),
        };
        Given::give(tensor, managed, |managed| &mut managed.tensor)
    }
}

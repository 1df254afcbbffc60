//! Tensors as DLPack's structs, both ways, without a copy.

use std::ffi::c_void;

use super::dlpack_abi::{
    self as abi, dlpack_type, Given, Unversioned as DLManagedTensor, Versioned as DLManagedTensorVersioned,
};

use super::guard::{guard, Site};
use super::status::sdp_dal_status;
use super::structs::OutStruct;
use super::tensor::sdp_dal_tensor;
use super::view::{sdp_dal_tensor_view, NO_VIEW};
use crate::error::{Error, Result};
use crate::wire::Elem;

impl Site {
    /// Fills a view of somebody's DLPack tensor; byte strides go to `strides`, which has room for MAX_DIMS.
    ///
    /// # Safety
    /// The tensor's pointers are what DLPack says, and `strides` is NULL or has that room.
    unsafe fn view_dlpack(
        self,
        tensor: &abi::Tensor,
        strides: *mut i64,
        out: OutStruct<sdp_dal_tensor_view>,
    ) -> Result<()> {
        if strides.is_null() || !strides.is_aligned() {
            return Err(
                self.wrong("'strides' is NULL or not aligned, expected memory for SDP_DAL_MAX_DIMS numbers")
            );
        }
        if tensor.device.device_type != abi::CPU {
            return Err(self.wrong(format_args!(
                "the tensor is in the memory of a device of DLPack type {}, but only CPU memory (1) is supported",
                tensor.device.device_type
            )));
        }
        let elem = self.dlpack_elem(tensor.dtype)?;
        let ndim = self.ndim(tensor.ndim, "ndim")?;
        let size = i64::try_from(elem.size()).map_err(|_| Error::internal("an element's size"))?;
        // SAFETY: the caller's promise.
        let shape = unsafe { self.items(tensor.shape, ndim, "shape")? };
        let too_far = || self.wrong("the tensor's shape and strides span more than the address space");
        if tensor.strides.is_null() {
            let mut next = size;
            for (at, length) in shape.iter().enumerate().rev() {
                // SAFETY: there is room for MAX_DIMS, and there are at most as many dimensions.
                unsafe { strides.add(at).write(next) };
                next = next.checked_mul((*length).max(1)).ok_or_else(too_far)?;
            }
        } else {
            // SAFETY: the caller's promise.
            let elements = unsafe { self.items(tensor.strides, ndim, "strides")? };
            for (at, (stride, length)) in elements.iter().zip(shape).enumerate() {
                // Nobody steps along a dimension of one element: its stride may be anything.
                let bytes = if *length == 1 { Some(size) } else { stride.checked_mul(size) };
                let bytes = bytes.ok_or_else(too_far)?;
                // SAFETY: as above.
                unsafe { strides.add(at).write(bytes) };
            }
        }
        let offset = usize::try_from(tensor.byte_offset).map_err(|_| too_far())?;
        out.set(sdp_dal_tensor_view {
            data: tensor.data.cast::<u8>().wrapping_add(offset).cast::<c_void>(),
            shape: tensor.shape,
            strides,
            dtype: elem as i32,
            ndim: tensor.ndim,
            ..NO_VIEW
        });
        Ok(())
    }

    /// # Safety
    /// `tensor` is NULL or points to a `T`.
    unsafe fn dlpack_struct<'a, T>(self, tensor: *const c_void, name: &str) -> Result<&'a T> {
        let tensor = tensor.cast::<T>();
        if tensor.is_null() || !tensor.is_aligned() {
            return Err(self.wrong(format_args!("'tensor' is NULL or not aligned, expected a {name}")));
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { &*tensor })
    }

    fn dlpack_elem(self, found: abi::DataType) -> Result<Elem> {
        let abi::DataType { code, bits, lanes } = found;
        if lanes != 1 {
            return Err(
                self.wrong(format_args!("the tensor's elements have {lanes} lanes, but only 1 is supported"))
            );
        }
        if code == abi::BFLOAT {
            return Err(self.wrong(
                "the element type of the tensor is bfloat16, which is not supported: convert it to float32",
            ));
        }
        Elem::ALL.into_iter().find(|elem| dlpack_type(*elem) == found).ok_or_else(|| {
            self.wrong(format_args!(
                "the tensor has DLPack type code {code} with {bits} bits, for which there is no sdp_dal_dtype"
            ))
        })
    }
}

/// Returns a tensor as a DLPack struct. Nothing is copied, and the memory must not be written (from DLPack version 1
/// on, a flag says so). Strides are in elements. DLPack has no dimension names.
///
/// version: 1 for a DLManagedTensorVersioned, 0 for a DLManagedTensor, which programs before DLPack version 1 expect.
/// out: the struct. The caller, or the program that takes it over, must call its deleter, in any thread. It holds the
/// bytes of the tensor until then, even if handles are closed or the object is deleted, and may outlive tensor.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_to_dlpack(
    tensor: *const sdp_dal_tensor,
    version: i32,
    out: *mut *mut c_void,
) -> sdp_dal_status {
    guard("sdp_dal_tensor_to_dlpack", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, held) = unsafe { (site.out(out, "out")?, site.handle(tensor, "tensor")?) };
        let tensor = held.tensor().clone();
        out.set(match version {
            0 => Given::unversioned(tensor)?.cast(),
            1 => Given::versioned(tensor)?.cast(),
            _ => return Err(site.wrong(format_args!("'version' is {version}, expected 0 or 1"))),
        });
        Ok(())
    })
}

/// Returns the view of a DLPack tensor, to put it or to pass it as an argument.
///
/// tensor: not taken over. Its deleter is not called.
/// version: 1 for a DLManagedTensorVersioned, 0 for a DLManagedTensor.
/// strides: an array of SDP_DAL_MAX_DIMS numbers, for the strides in bytes.
/// out: filled in. Set its struct_size first. Borrowed: it points to strides and to the memory of tensor.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, also for a tensor that is not in CPU memory, has more than one lane, or has an
/// element type without a sdp_dal_dtype. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_view_from_dlpack(
    tensor: *const c_void,
    version: i32,
    strides: *mut i64,
    out: *mut sdp_dal_tensor_view,
) -> sdp_dal_status {
    guard("sdp_dal_tensor_view_from_dlpack", |site| {
        // SAFETY: the header's rules for pointers. Every version starts with its number.
        unsafe {
            let out = site.out_struct(out, "out")?;
            match version {
                0 => {
                    let tensor = site.dlpack_struct::<DLManagedTensor>(tensor, "DLManagedTensor")?;
                    site.view_dlpack(&tensor.tensor, strides, out)
                }
                1 => {
                    let tensor =
                        site.dlpack_struct::<DLManagedTensorVersioned>(tensor, "DLManagedTensorVersioned")?;
                    let abi::Version { major, minor } = tensor.version;
                    if major != abi::VERSION.major {
                        return Err(site.wrong(format_args!(
                            "'tensor' has DLPack version {major}.{minor}, but only version 1 is supported"
                        )));
                    }
                    site.view_dlpack(&tensor.tensor, strides, out)
                }
                _ => Err(site.wrong(format_args!("'version' is {version}, expected 0 or 1"))),
            }
        }
    })
}

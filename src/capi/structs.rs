//! Out-parameters, and structs that carry their own size.

use std::ptr;

use super::guard::Site;
use crate::error::Result;

/// A struct of the header that starts with `struct_size`, has no padding, and is right when all bytes are zero.
///
/// # Safety
/// The type is `repr(C)`, its first field is `struct_size: usize`, and every bit pattern is a value of it.
pub(super) unsafe trait Extensible: Copy {
    /// Its name in the header.
    const NAME: &'static str;
}

/// Larger than any struct of the header will ever be: more is a `struct_size` that was never set.
const STRUCT_SIZE_MAX: usize = 4096;

/// One value of the caller that is zero until it is set.
pub(super) struct Out<T> {
    place: *mut T,
}

impl<T> Out<T> {
    pub(super) fn set(self, value: T) {
        // SAFETY: Site::out() checked the pointer.
        unsafe { self.place.write(value) };
    }
}

/// A struct of the caller, of the size the caller knows, that is zero until it is set.
pub(super) struct OutStruct<T> {
    place: *mut T,
    size: usize,
}

impl<T: Extensible> OutStruct<T> {
    /// Writes the fields that the caller's struct has; its `struct_size` stays.
    pub(super) fn set(self, mut value: T) {
        // SAFETY: Site::out_struct() checked pointer and size; T starts with a usize by Extensible's contract.
        unsafe {
            (&raw mut value).cast::<usize>().write(self.size);
            let known = self.size.min(size_of::<T>());
            ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), self.place.cast::<u8>(), known);
        }
    }
}

impl Site {
    /// Where a result is to go; zeroed now, so that it is zero or NULL on failure.
    ///
    /// # Safety
    /// `place` is NULL or has room for a `T`; all bits zero is a `T`.
    pub(super) unsafe fn out<T>(self, place: *mut T, name: &str) -> Result<Out<T>> {
        if place.is_null() || !place.is_aligned() {
            let found = if place.is_null() { "NULL" } else { "not aligned" };
            return Err(self.wrong(format_args!("'{name}' is {found}, expected a pointer for the result")));
        }
        // SAFETY: the caller's promise.
        unsafe { ptr::write_bytes(place, 0, 1) };
        Ok(Out { place })
    }

    /// The same for a result that is not asked for by NULL.
    ///
    /// # Safety
    /// As [`Site::out`].
    pub(super) unsafe fn out_or_none<T>(self, place: *mut T, name: &str) -> Result<Option<Out<T>>> {
        if place.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        unsafe { self.out(place, name) }.map(Some)
    }

    /// Where two results are to go: both are zeroed, also when one of the two is NULL.
    ///
    /// # Safety
    /// As [`Site::out`].
    pub(super) unsafe fn outs<A, B>(
        self,
        (first, first_name): (*mut A, &str),
        (second, second_name): (*mut B, &str),
    ) -> Result<(Out<A>, Out<B>)> {
        // SAFETY: the caller's promise.
        let (first, second) = unsafe { (self.out(first, first_name), self.out(second, second_name)) };
        Ok((first?, second?))
    }

    /// Where an array of results is to go; nothing for a count of 0.
    ///
    /// # Safety
    /// As [`Site::out`], for `count` values.
    pub(super) unsafe fn out_array<T: Copy>(
        self,
        place: *mut T,
        count: usize,
        name: &str,
    ) -> Result<Vec<Out<T>>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: the caller's promise, for each of the values.
        (0..count).map(|i| unsafe { self.out(place.wrapping_add(i), name) }).collect()
    }

    /// A struct that the caller filled, completed with zeros; `None` for NULL.
    ///
    /// # Safety
    /// `place` is NULL or points to a `struct_size` and as many bytes as it says.
    pub(super) unsafe fn in_struct<T: Extensible>(self, place: *const T, name: &str) -> Result<Option<T>> {
        if place.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's promise; the tail is read only as far as struct_size says.
        unsafe {
            let size = self.struct_size(place, name)?;
            let known = size.min(size_of::<T>());
            let tail = std::slice::from_raw_parts(place.cast::<u8>().add(known), size - known);
            if let Some(i) = tail.iter().position(|byte| *byte != 0) {
                return Err(self.wrong(format_args!(
                    "'{name}' has {size} bytes, of which this version of the library knows {known}, but byte \
                     {} is not zero: it asks for a feature that this version does not have",
                    known + i
                )));
            }
            let mut value: T = std::mem::zeroed();
            ptr::copy_nonoverlapping(place.cast::<u8>(), (&raw mut value).cast::<u8>(), known);
            Ok(Some(value))
        }
    }

    /// A struct that the library is to fill; zeroed now, apart from its `struct_size`.
    ///
    /// # Safety
    /// `place` is NULL or points to a `struct_size` and room for as many bytes as it says.
    pub(super) unsafe fn out_struct<T: Extensible>(self, place: *mut T, name: &str) -> Result<OutStruct<T>> {
        if place.is_null() {
            return Err(self.wrong(format_args!("'{name}' is NULL, expected a struct to fill")));
        }
        // SAFETY: the caller's promise.
        unsafe {
            let size = self.struct_size(place, name)?;
            ptr::write_bytes(place.cast::<u8>().add(size_of::<usize>()), 0, size - size_of::<usize>());
            Ok(OutStruct { place, size })
        }
    }

    /// The same for a struct that is not asked for by NULL.
    ///
    /// # Safety
    /// As [`Site::out_struct`].
    pub(super) unsafe fn out_struct_or_none<T: Extensible>(
        self,
        place: *mut T,
        name: &str,
    ) -> Result<Option<OutStruct<T>>> {
        if place.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        unsafe { self.out_struct(place, name) }.map(Some)
    }

    /// # Safety
    /// `place` points to a `struct_size`.
    unsafe fn struct_size<T: Extensible>(self, place: *const T, name: &str) -> Result<usize> {
        if !place.is_aligned() {
            return Err(self.wrong(format_args!("'{name}' is not aligned, expected a struct")));
        }
        // SAFETY: aligned, readable by the caller's promise.
        let size = unsafe { ptr::read(place.cast::<usize>()) };
        if !(size_of::<usize>()..=STRUCT_SIZE_MAX).contains(&size) {
            return Err(self.wrong(format_args!(
                "'{name}' has a struct_size of {size}: zero the struct, then set struct_size to sizeof({})",
                T::NAME
            )));
        }
        Ok(size)
    }
}

//! Texts and bytes across the boundary.

use std::ffi::{c_char, CStr};
use std::fmt::Display;
use std::ptr;
use std::slice;

use super::guard::Site;
use crate::error::{Error, Kind, Result};
use crate::store::{ObjectId, Prefix, ID_SIZE, PREFIX_SIZE};

impl Site {
    /// A text that must be there.
    ///
    /// # Safety
    /// `text` is NULL or ends with a NUL, and stays as it is as long as `'a`.
    pub(super) unsafe fn text<'a>(self, text: *const c_char, name: &str) -> Result<&'a str> {
        // SAFETY: the caller's promise.
        unsafe { self.text_or_none(text, name)? }
            .ok_or_else(|| self.wrong(format_args!("'{name}' is NULL, expected a text")))
    }

    /// A text that may be left out by NULL.
    ///
    /// # Safety
    /// As [`Site::text`].
    pub(super) unsafe fn text_or_none<'a>(
        self,
        text: *const c_char,
        name: impl Display,
    ) -> Result<Option<&'a str>> {
        if text.is_null() {
            return Ok(None);
        }
        // SAFETY: not NULL; ends with a NUL by the caller's promise.
        let bytes = unsafe { CStr::from_ptr(text) };
        match bytes.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(wrong) => {
                Err(self
                    .wrong(format_args!("'{name}' is not UTF-8: byte {} is invalid", wrong.valid_up_to())))
            }
        }
    }

    /// Bytes: pointer and number. NULL is right for no bytes.
    ///
    /// # Safety
    /// `bytes` is NULL or points to `size` bytes that stay as they are as long as `'a`.
    pub(super) unsafe fn bytes<'a>(self, bytes: *const u8, size: usize, name: &str) -> Result<&'a [u8]> {
        if size == 0 {
            return Ok(&[]);
        }
        if bytes.is_null() {
            return Err(self.wrong(format_args!("'{name}' is NULL, expected {size} bytes")));
        }
        if isize::try_from(size).is_err() {
            return Err(self.wrong(format_args!("'{name}' has {size} bytes: no memory is that large")));
        }
        // SAFETY: not NULL, fits the address space, readable by the caller's promise.
        Ok(unsafe { slice::from_raw_parts(bytes, size) })
    }

    /// There is no private memory for a copy of an argument, whose size is the caller's.
    pub(super) fn no_memory(self, size: usize, name: &str) -> Error {
        let text = format!("{}: out of memory: a copy of '{name}' needs {size} bytes", self.function());
        Error::new(Kind::OutOfMemory, text)
    }

    /// An array of `count` values. NULL is right for none.
    ///
    /// # Safety
    /// `items` is NULL or points to `count` values that stay as they are as long as `'a`.
    pub(super) unsafe fn items<'a, T: Copy>(
        self,
        items: *const T,
        count: usize,
        name: impl Display,
    ) -> Result<&'a [T]> {
        if count == 0 {
            return Ok(&[]);
        }
        if items.is_null() || !items.is_aligned() {
            return Err(self.wrong(format_args!(
                "'{name}' is {}, expected an array of {count}",
                if items.is_null() { "NULL" } else { "not aligned" }
            )));
        }
        if count.checked_mul(size_of::<T>()).is_none_or(|size| isize::try_from(size).is_err()) {
            return Err(self.wrong(format_args!("'{name}' has {count} items: no memory is that large")));
        }
        // SAFETY: not NULL, aligned, fits the address space, readable by the caller's promise.
        Ok(unsafe { slice::from_raw_parts(items, count) })
    }

    /// An object ID of twenty bytes.
    ///
    /// # Safety
    /// `id` is NULL or points to 20 bytes.
    pub(super) unsafe fn id(self, id: *const u8, name: &str) -> Result<ObjectId> {
        // SAFETY: the caller's promise.
        ObjectId::from_slice(unsafe { self.bytes(id, ID_SIZE, name)? })
    }

    /// Where a text is to go. `*length` is the room there is and becomes 0 until [`TextOut::set`].
    ///
    /// # Safety
    /// `length` is NULL or valid; `buffer` is NULL or has `*length` bytes.
    pub(super) unsafe fn text_out(self, buffer: *mut c_char, length: *mut usize) -> Result<TextOut> {
        if length.is_null() || !length.is_aligned() {
            return Err(self.wrong("'length' is NULL: set it to the size of 'buffer' in bytes"));
        }
        // SAFETY: valid by the caller's promise.
        let room = unsafe { ptr::replace(length, 0) };
        if buffer.is_null() && room != 0 {
            return Err(self.wrong(format_args!("'buffer' is NULL, but '*length' is {room}")));
        }
        Ok(TextOut { buffer: buffer.cast(), room, length })
    }

    /// Where an object ID is to go; zeroed now.
    ///
    /// # Safety
    /// `id` is NULL or has room for 20 bytes.
    pub(super) unsafe fn id_out(self, id: *mut u8, name: &str) -> Result<IdOut> {
        if id.is_null() {
            return Err(self.wrong(format_args!("'{name}' is NULL, expected memory for {ID_SIZE} bytes")));
        }
        // SAFETY: valid by the caller's promise.
        unsafe { ptr::write_bytes(id, 0, ID_SIZE) };
        Ok(IdOut { id })
    }

    /// Where a prefix is to go; zeroed now.
    ///
    /// # Safety
    /// `prefix` is NULL or has room for 4 bytes.
    pub(super) unsafe fn prefix_out(self, prefix: *mut u8, name: &str) -> Result<PrefixOut> {
        if prefix.is_null() {
            return Err(self.wrong(format_args!("'{name}' is NULL, expected memory for {PREFIX_SIZE} bytes")));
        }
        // SAFETY: valid by the caller's promise.
        unsafe { ptr::write_bytes(prefix, 0, PREFIX_SIZE) };
        Ok(PrefixOut { prefix })
    }
}

/// A buffer of the caller for a text: made by [`Site::text_out`].
pub(super) struct TextOut {
    buffer: *mut u8,
    room: usize,
    length: *mut usize,
}

impl TextOut {
    /// Writes text and NUL if they fit, and always how much room they need.
    pub(super) fn set(self, text: &str) {
        let needed = text.len() + 1;
        // SAFETY: text_out() checked the pointers, and the caller promised `room` bytes.
        unsafe {
            if needed <= self.room {
                ptr::copy_nonoverlapping(text.as_ptr(), self.buffer, text.len());
                self.buffer.add(text.len()).write(0);
            }
            self.length.write(needed);
        }
    }
}

/// Room of the caller for an object ID: made by [`Site::id_out`].
pub(super) struct IdOut {
    id: *mut u8,
}

impl IdOut {
    pub(super) fn set(self, id: ObjectId) {
        // SAFETY: id_out() checked the pointer.
        unsafe { ptr::copy_nonoverlapping(id.as_bytes().as_ptr(), self.id, ID_SIZE) };
    }
}

/// Room of the caller for a prefix: made by [`Site::prefix_out`].
pub(super) struct PrefixOut {
    prefix: *mut u8,
}

impl PrefixOut {
    pub(super) fn set(self, prefix: Prefix) {
        // SAFETY: prefix_out() checked the pointer.
        unsafe { ptr::copy_nonoverlapping(prefix.as_ptr(), self.prefix, PREFIX_SIZE) };
    }
}

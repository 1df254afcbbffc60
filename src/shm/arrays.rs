//! Arrow buffers and arrays over bytes of the segment.
//!
//! Arrow accepts foreign memory, and arrays whose values were not validated, only from `unsafe` code. This is that
//! code. The bounds are checked before an array is created: every buffer lies within the object and is long enough for
//! the elements. The values (offsets, dictionary indices, UTF-8) are trusted, because every process that may write to
//! the store writes what Arrow's libraries write. Checking them would make getting a table as slow as copying it.

use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::arrow::array::{ArrayData, ArrayDataBuilder};
use crate::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use crate::arrow::error::ArrowError;

use super::span::ReadSpan;

impl ReadSpan {
    /// The first `length` bytes (at most all) as an Arrow buffer. It and its slices keep the mapping and `pin`, which is
    /// what keeps the bytes.
    pub fn arrow(&self, length: usize, pin: impl Send + Sync + 'static) -> Buffer {
        let bytes = self.bytes();
        let bytes = &bytes[..length.min(bytes.len())];
        let owner = Arc::new(AssertUnwindSafe((self.clone(), pin)));
        // SAFETY: the span, which is part of the owner, keeps the mapping; the bytes were checked against it, and are never
        // written while they are pinned.
        unsafe { Buffer::from_custom_allocation(NonNull::from(bytes).cast(), bytes.len(), owner) }
    }
}

/// The array of a builder, its bounds checked and its values not. What is not aligned is copied.
///
/// # Errors
/// What does not add up.
pub fn array_in_bounds(builder: ArrayDataBuilder) -> Result<ArrayData, ArrowError> {
    // SAFETY: validate() checks the number, the length and the alignment of the buffers, and the children, before the array
    // is used; the values are trusted: see the module's head.
    let mut data = unsafe { builder.build_unchecked() };
    data.align_buffers();
    data.validate()?;
    Ok(data)
}

/// The validity of elements of which, as their writer says, `nulls` are null.
///
/// # Errors
/// If there are fewer bits than elements, or fewer elements than nulls.
pub fn nulls_in_bounds(bits: Buffer, length: usize, nulls: usize) -> Result<NullBuffer, ArrowError> {
    if bits.len() < length.div_ceil(8) || nulls > length {
        return Err(ArrowError::InvalidArgumentError(format!(
            "{} bytes of validity with {nulls} nulls for {length} elements",
            bits.len()
        )));
    }
    // SAFETY: the bits were counted by their writer, whose values are trusted: see the module's head.
    Ok(unsafe { NullBuffer::new_unchecked(BooleanBuffer::new(bits, 0, length), nulls) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_has_a_bit_for_each_element_and_no_more_nulls_than_elements() {
        let nulls = |bytes: usize, length, nulls| {
            let made = nulls_in_bounds(Buffer::from(vec![0x55u8; bytes]), length, nulls);
            made.ok().map(|made| (made.len(), made.null_count()))
        };
        assert_eq!(nulls(1, 8, 4), Some((8, 4)));
        assert_eq!(nulls(2, 8, 8), Some((8, 8)));
        assert_eq!(nulls(2, 9, 4), Some((9, 4)));
        assert_eq!(nulls(0, 0, 0), Some((0, 0)));
        assert_eq!(nulls(1, 9, 4), None);
        assert_eq!(nulls(0, 1, 0), None);
        assert_eq!(nulls(1, 8, 9), None);
    }
}

//! Which Rust types the elements of tensors are.

use std::borrow::Cow;

use crate::error::{Error, Result};

use super::{Elem, Layout};

mod sealed {
    pub trait Sealed {}
}

/// A Rust type whose values are the elements of a tensor, as they lie in memory. Complex numbers are pairs of their real and
/// imaginary part, or `num_complex::Complex` with the feature `ndarray`. `u8` also reads the bytes of bools, which are 0 or 1.
pub trait Element: bytemuck::Pod + Send + Sync + sealed::Sealed {
    /// The element type of tensors that are made of such values.
    const ELEM: Elem;
}

macro_rules! elements {
    ($($rust:ty => $elem:ident),* $(,)?) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const ELEM: Elem = Elem::$elem;
        }
    )*};
}

elements! {
    i8 => Int8,
    i16 => Int16,
    i32 => Int32,
    i64 => Int64,
    u8 => Uint8,
    u16 => Uint16,
    u32 => Uint32,
    u64 => Uint64,
    half::f16 => Float16,
    f32 => Float32,
    f64 => Float64,
    [f32; 2] => Complex64,
    [f64; 2] => Complex128,
}

#[cfg(feature = "ndarray")]
elements! {
    num_complex::Complex<f32> => Complex64,
    num_complex::Complex<f64> => Complex128,
}

/// INVALID_ARGUMENT unless elements of this layout are values of `T`.
pub(crate) fn check_element<T: Element>(layout: &Layout) -> Result<()> {
    let is_bytes = layout.elem == Elem::Bool && T::ELEM == Elem::Uint8;
    if layout.elem == T::ELEM || is_bytes {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the tensor's elements are {}, not {}, which {} is for",
        layout.elem,
        T::ELEM,
        std::any::type_name::<T>()
    )))
}

/// A tensor in memory of this process, with its layout: made of slices, of vectors and, with the feature `ndarray`, of arrays
/// and views of any strides.
#[derive(Clone, Debug)]
pub struct ArraySource<'a> {
    bytes: Cow<'a, [u8]>,
    origin: usize,
    layout: Layout,
}

impl<'a> ArraySource<'a> {
    /// Elements in a slice, the first of all dimensions at `origin`; origin and strides in elements.
    #[cfg(feature = "ndarray")]
    pub(crate) fn strided<T: Element>(
        memory: &'a [T],
        origin: usize,
        shape: &[usize],
        strides: &[isize],
    ) -> ArraySource<'a> {
        let size = size_of::<T>();
        let strides = strides.iter().map(|stride| (stride * size.cast_signed()) as i64).collect();
        let layout = unnamed(T::ELEM, shape, strides);
        ArraySource { bytes: Cow::Borrowed(bytemuck::cast_slice(memory)), origin: origin * size, layout }
    }

    /// Elements that are gathered in C order.
    #[cfg(feature = "ndarray")]
    pub(crate) fn gathered<T: Element>(
        elements: impl Iterator<Item = T>,
        shape: &[usize],
    ) -> ArraySource<'a> {
        let mut bytes = Vec::with_capacity(shape.iter().product::<usize>() * size_of::<T>());
        elements.for_each(|element| bytes.extend_from_slice(bytemuck::bytes_of(&element)));
        let mut strides = vec![0; shape.len()];
        let mut step = size_of::<T>() as i64;
        for (stride, size) in strides.iter_mut().zip(shape).rev() {
            *stride = step;
            step *= *size as i64;
        }
        ArraySource { bytes: Cow::Owned(bytes), origin: 0, layout: unnamed(T::ELEM, shape, strides) }
    }

    /// The same with names for its dimensions, the first ones if there are fewer.
    pub fn named(mut self, names: &[&str]) -> ArraySource<'a> {
        for (name, given) in self.layout.names.iter_mut().zip(names) {
            (*given).clone_into(name);
        }
        self
    }

    /// Element type, shape, byte strides and dimension names.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What the functions that take tensors want.
    pub fn source(&self) -> super::TensorSource<'_> {
        super::TensorSource { bytes: &self.bytes, origin: self.origin, layout: &self.layout }
    }
}

fn unnamed(elem: Elem, shape: &[usize], strides: Vec<i64>) -> Layout {
    // No memory has more elements.
    let shape = shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect();
    Layout { elem, shape, names: vec![String::new(); strides.len()], strides }
}

impl<'a, T: Element> From<&'a [T]> for ArraySource<'a> {
    fn from(slice: &'a [T]) -> ArraySource<'a> {
        let layout = unnamed(T::ELEM, &[slice.len()], vec![size_of::<T>() as i64]);
        ArraySource { bytes: Cow::Borrowed(bytemuck::cast_slice(slice)), origin: 0, layout }
    }
}

impl<'a, T: Element> From<&'a Vec<T>> for ArraySource<'a> {
    fn from(vector: &'a Vec<T>) -> ArraySource<'a> {
        vector.as_slice().into()
    }
}

impl<'a, T: Element, const N: usize> From<&'a [T; N]> for ArraySource<'a> {
    fn from(array: &'a [T; N]) -> ArraySource<'a> {
        array.as_slice().into()
    }
}

//! Tensors as slices of Rust's numbers, values as arguments, closures as functions.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::wire::{check_element, ArraySource, CallSchema, Cell, Element};

use super::args::Arg;
use super::call::{Call, ParamKey};
use super::ownership::{Namespace, Ref};
use super::processor::Processor;
use super::tensor::Tensor;
use super::tensor_writer::TensorWriter;

impl Tensor {
    /// Returns all elements in the order in which they are stored, without a copy. INVALID_ARGUMENT if they are of another
    /// type, or are a part with other elements in between. [`Tensor::layout`] tells shape and order.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        check_element::<T>(self.layout())?;
        if self.layout().order().is_none() {
            return Err(Error::invalid(format!(
                "the elements of this part do not lie side by side: its shape is {:?} and its byte strides are {:?}; \
                 use them where they lie, or copy them",
                self.layout().shape,
                self.layout().strides
            )));
        }
        bytemuck::try_cast_slice(self.bytes()).map_err(misplaced)
    }
}

impl TensorWriter {
    /// Returns all elements in the order in which they are stored, to be written. INVALID_ARGUMENT if they are of another
    /// type.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T]> {
        check_element::<T>(self.layout())?;
        bytemuck::try_cast_slice_mut(self.bytes_mut()).map_err(misplaced)
    }
}

/// The library aligns every tensor's elements to 64 bytes; what others wrote may lie anywhere.
fn misplaced(error: bytemuck::PodCastError) -> Error {
    Error::invalid(format!("the tensor's elements cannot be used in place: {error}"))
}

impl Namespace {
    /// Puts a slice or an array as a new tensor, with one copy. Errors as [`Namespace::put_tensor`].
    pub fn put<'a>(&self, value: impl Into<ArraySource<'a>>) -> Result<Ref> {
        self.put_tensor(&value.into().source())
    }
}

impl Call {
    /// Returns a plain value that came with the call. INVALID_ARGUMENT if it is of another type, or does not fit into `T`.
    pub fn value<T>(&self, param: impl ParamKey) -> Result<T>
    where
        T: for<'a> TryFrom<&'a Cell, Error = Error>,
    {
        let index = param.index(self)?;
        T::try_from(self.cell(index)?).map_err(|error| self.wrong_value(index, &error))
    }

    /// Writes a tensor output with one copy and seals it. Errors as [`Call::put_tensor`].
    pub fn put<'a>(&self, param: impl ParamKey, value: impl Into<ArraySource<'a>>) -> Result<()> {
        self.put_tensor(param, &value.into().source())
    }

    fn wrong_value(&self, index: usize, error: &Error) -> Error {
        match self.spec(index) {
            Ok(spec) => self.wrong(spec, error.message()),
            Err(missing) => missing,
        }
    }
}

impl Processor {
    /// Offers a function by its signature, for example `add(x: int64, ys: int64[i]) -> (zs: int64[i])`. What it returns as
    /// an error, or panics with, fails its outputs. Errors as [`Processor::register`], and INVALID_ARGUMENT for a signature
    /// that cannot be read.
    pub fn add<F>(&mut self, signature: &str, function: F) -> Result<()>
    where
        F: Fn(&Call) -> Result<()> + Send + Sync + 'static,
    {
        self.register(CallSchema::parse(signature)?, Some(Arc::new(function)))
    }
}

// ---- arguments ------------------------------------------------------------------------------------------------------

macro_rules! arguments {
    ($($rust:ty => $cell:ident),* $(,)?) => {$(
        impl From<$rust> for Arg<'_> {
            fn from(value: $rust) -> Self {
                Arg::Cell(Cell::$cell(value.into()))
            }
        }
    )*};
}

arguments! {
    bool => Bool,
    i8 => Int,
    i16 => Int,
    i32 => Int,
    i64 => Int,
    u8 => Uint,
    u16 => Uint,
    u32 => Uint,
    u64 => Uint,
    f32 => Float,
    f64 => Float,
    &str => Utf8,
    String => Utf8,
}

impl From<Ref> for Arg<'_> {
    fn from(reference: Ref) -> Self {
        Arg::Ref(reference)
    }
}

impl From<&Ref> for Arg<'_> {
    fn from(reference: &Ref) -> Self {
        Arg::Ref(reference.clone())
    }
}

impl<'a> From<ArraySource<'a>> for Arg<'a> {
    fn from(value: ArraySource<'a>) -> Self {
        Arg::Array(Box::new(value))
    }
}

impl<'a, T: Element> From<&'a [T]> for Arg<'a> {
    fn from(value: &'a [T]) -> Self {
        Arg::Array(Box::new(value.into()))
    }
}

impl<'a, T: Element> From<&'a Vec<T>> for Arg<'a> {
    fn from(value: &'a Vec<T>) -> Self {
        Arg::Array(Box::new(value.into()))
    }
}

impl<'a, T: Element, const N: usize> From<&'a [T; N]> for Arg<'a> {
    fn from(value: &'a [T; N]) -> Self {
        Arg::Array(Box::new(value.into()))
    }
}

// ---- values ---------------------------------------------------------------------------------------------------------

fn not_of(cell: &Cell, wanted: &str) -> Error {
    Error::invalid(format!("is {}, not {wanted}", cell.describe()))
}

macro_rules! integers {
    ($($rust:ty),*) => {$(
        impl TryFrom<&Cell> for $rust {
            type Error = Error;
            fn try_from(cell: &Cell) -> Result<$rust> {
                let fitting = match cell {
                    Cell::Int(value) => <$rust>::try_from(*value).ok(),
                    Cell::Uint(value) => <$rust>::try_from(*value).ok(),
                    _ => None,
                };
                fitting.ok_or_else(|| not_of(cell, concat!("a value for ", stringify!($rust))))
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! plain {
    ($($rust:ty: $cell:ident, $name:literal);* $(;)?) => {$(
        impl TryFrom<&Cell> for $rust {
            type Error = Error;
            fn try_from(cell: &Cell) -> Result<$rust> {
                match cell {
                    Cell::$cell(value) => Ok(value.clone()),
                    _ => Err(not_of(cell, $name)),
                }
            }
        }
    )*};
}

plain! {
    f64: Float, "a float";
    bool: Bool, "a bool";
    String: Utf8, "a text";
}

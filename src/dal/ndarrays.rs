//! Tensors as `ndarray`'s arrays and views, of any strides, without copies.

use ndarray::{ArrayBase, ArrayView, ArrayViewMut, Axis, Data, Dimension, IxDyn, ShapeBuilder, StrideShape};

use crate::error::{Error, Result};
use crate::wire::{check_element, ArraySource, Element, Layout};

use super::args::Arg;
use super::tensor::Tensor;
use super::tensor_writer::TensorWriter;

impl Tensor {
    /// Returns the elements as a view of `D` dimensions (`ndarray::Ix2`, or `IxDyn` for any number), in C or in F order as
    /// they are stored, or with the strides of a part, without a copy. INVALID_ARGUMENT if their type or their number of
    /// dimensions is another one.
    pub fn view<T: Element, D: Dimension>(&self) -> Result<ArrayView<'_, T, D>> {
        let view = match self.layout().order() {
            Some(_) => {
                ArrayView::from_shape(shape(self.layout())?, self.as_slice::<T>()?).map_err(misshapen)?
            }
            None => strided(self)?,
        };
        view.into_dimensionality().map_err(|_| dimensions::<D>(self.layout()))
    }
}

impl TensorWriter {
    /// Returns the elements as a view to write into. Errors as [`Tensor::view`].
    pub fn view_mut<T: Element, D: Dimension>(&mut self) -> Result<ArrayViewMut<'_, T, D>> {
        let layout = self.layout().clone();
        let view = ArrayViewMut::from_shape(shape(&layout)?, self.as_mut_slice::<T>()?).map_err(misshapen)?;
        view.into_dimensionality().map_err(|_| dimensions::<D>(&layout))
    }
}

/// The shape with its order: a tensor in the store is C or F contiguous.
fn shape(layout: &Layout) -> Result<StrideShape<IxDyn>> {
    let sizes: Vec<usize> = layout
        .shape
        .iter()
        .map(|size| usize::try_from(*size))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::invalid("the tensor has a size that is no size of an array"))?;
    let is_c = layout.is_contiguous(crate::wire::Order::C);
    Ok(IxDyn(&sizes).set_f(!is_c).into())
}

/// The elements of a part, with its strides.
fn strided<T: Element>(tensor: &Tensor) -> Result<ArrayView<'_, T, IxDyn>> {
    let layout = tensor.layout();
    check_element::<T>(layout)?;
    let size = size_of::<T>() as u64;
    let fits = |number: u64| usize::try_from(number).ok();
    let sizes: Option<Vec<usize>> = layout.shape.iter().map(|size| fits(size.unsigned_abs())).collect();
    let even = |stride: &i64| stride.unsigned_abs().is_multiple_of(size);
    let steps: Option<Vec<usize>> = layout
        .strides
        .iter()
        .map(|stride| fits(stride.unsigned_abs() / size).filter(|_| even(stride)))
        .collect();
    let elements = bytemuck::try_cast_slice(tensor.bytes()).ok();
    let (Some(sizes), Some(steps), Some(elements)) = (sizes, steps, elements) else {
        return Err(Error::invalid(format!(
            "the part has the byte strides {:?}, and its elements {size} bytes: an array needs multiples of these",
            layout.strides
        )));
    };
    // The lowest element comes first; those that are counted downwards are turned round.
    let mut view =
        ArrayView::from_shape(IxDyn(&sizes).strides(IxDyn(&steps)), elements).map_err(misshapen)?;
    let downwards = layout.strides.iter().enumerate().filter(|(_, stride)| **stride < 0);
    downwards.for_each(|(axis, _)| view.invert_axis(Axis(axis)));
    Ok(view)
}

fn misshapen(error: ndarray::ShapeError) -> Error {
    Error::invalid(format!("the tensor's shape is none of an array: {error}"))
}

fn dimensions<D: Dimension>(layout: &Layout) -> Error {
    let wanted = D::NDIM.map_or_else(|| "another number".to_owned(), |number| number.to_string());
    Error::invalid(format!("the tensor has {} dimensions, not {wanted}", layout.shape.len()))
}

impl<'a, T: Element, S: Data<Elem = T>, D: Dimension> From<&'a ArrayBase<S, D>> for ArraySource<'a> {
    /// An array whose elements lie side by side, in any order of its axes, is used where it is. One with gaps between them, as
    /// a part of a larger array has, is gathered first: one copy more.
    fn from(array: &'a ArrayBase<S, D>) -> ArraySource<'a> {
        let sizes = array.shape().iter().zip(array.strides());
        match array.as_slice_memory_order() {
            Some(memory) => {
                let behind = |(&size, &stride): (&usize, &isize)| match stride {
                    ..0 => size.saturating_sub(1) * stride.unsigned_abs(),
                    _ => 0,
                };
                let origin = sizes.map(behind).sum();
                ArraySource::strided(memory, origin, array.shape(), array.strides())
            }
            None => ArraySource::gathered(array.iter().copied(), array.shape()),
        }
    }
}

impl<'a, T: Element, S: Data<Elem = T>, D: Dimension> From<&'a ArrayBase<S, D>> for Arg<'a> {
    fn from(array: &'a ArrayBase<S, D>) -> Self {
        Arg::Array(Box::new(array.into()))
    }
}

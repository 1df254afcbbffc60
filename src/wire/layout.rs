//! Where the elements of a tensor lie.

use crate::error::{Error, Result};

use super::Elem;

/// Maximum number of dimensions of a tensor.
pub const MAX_DIMS: usize = 8;

/// Order of the elements of a contiguous tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The last dimension is the innermost (C, numpy's default).
    C,
    /// The first dimension is the innermost (Fortran).
    F,
}

impl Order {
    /// The letter for it, as in signatures.
    pub fn name(self) -> &'static str {
        match self {
            Order::C => "C",
            Order::F => "F",
        }
    }

    /// The order with this letter.
    pub fn from_name(name: &str) -> Option<Order> {
        [Order::C, Order::F].into_iter().find(|order| order.name() == name)
    }
}

/// The layout of a tensor in memory. A tensor in a store is contiguous in C or F order. A [`TensorSource`] may have any
/// strides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Type of an element.
    pub elem: Elem,
    /// Elements along each dimension.
    pub shape: Vec<i64>,
    /// Bytes from one element to the next along each dimension.
    pub strides: Vec<i64>,
    /// A name for each dimension, empty for an unnamed one.
    pub names: Vec<String>,
}

impl Layout {
    /// A contiguous tensor. `names` has one name per dimension, or is empty (all unnamed).
    ///
    /// InvalidArgument for negative sizes, more than [`MAX_DIMS`] dimensions, a wrong number of names, or a tensor
    /// whose bytes do not fit 63 bits.
    pub fn contiguous(elem: Elem, shape: &[i64], order: Order, names: &[String]) -> Result<Layout> {
        check_shape(elem, shape)?;
        if !names.is_empty() && names.len() != shape.len() {
            return Err(Error::invalid(format!(
                "the tensor has {} dimensions and {} dimension names ({}): give one name per dimension, or none",
                shape.len(),
                names.len(),
                names.join(", ")
            )));
        }
        let names = if names.is_empty() { vec![String::new(); shape.len()] } else { names.to_vec() };
        Ok(Layout { elem, shape: shape.to_vec(), strides: contiguous_strides(elem, shape, order), names })
    }

    /// A tensor of any strides, as a caller describes one. Without `strides` it is contiguous in C order.
    ///
    /// InvalidArgument like [`Layout::contiguous`], and for a wrong number of strides.
    pub fn strided(elem: Elem, shape: &[i64], strides: Option<&[i64]>, names: &[String]) -> Result<Layout> {
        let mut layout = Layout::contiguous(elem, shape, Order::C, names)?;
        if let Some(strides) = strides {
            if strides.len() != shape.len() {
                return Err(Error::invalid(format!(
                    "the tensor has {} dimensions and {} strides: give one stride (in bytes) per dimension",
                    shape.len(),
                    strides.len()
                )));
            }
            layout.strides = strides.to_vec();
        }
        Ok(layout)
    }

    /// Elements in the tensor.
    pub fn len(&self) -> u64 {
        self.shape.iter().fold(1, |len, size| size.unsigned_abs().saturating_mul(len))
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size of the elements in bytes, if they were contiguous.
    pub fn byte_len(&self) -> u64 {
        self.len().saturating_mul(self.elem.size() as u64)
    }

    /// Whether the elements are contiguous in this order. A tensor with at most one dimension can be both. The stride
    /// of a dimension with one element, and all strides of an empty tensor, are ignored.
    pub fn is_contiguous(&self, order: Order) -> bool {
        if self.is_empty() {
            return true;
        }
        let dims = self.shape.iter().zip(&self.strides);
        match order {
            Order::C => no_gaps(dims.rev(), self.elem),
            Order::F => no_gaps(dims, self.elem),
        }
    }

    /// The order in which the elements are contiguous (C if both), or None.
    pub fn order(&self) -> Option<Order> {
        [Order::C, Order::F].into_iter().find(|order| self.is_contiguous(*order))
    }

    /// Where the elements lie if the first of all dimensions is at `origin`: the lowest byte, and the one behind the highest.
    pub(crate) fn reach(&self, origin: usize) -> (i128, i128) {
        let (mut first, mut last) = (origin as i128, origin as i128);
        if self.is_empty() {
            return (first, last);
        }
        for (&size, &stride) in self.shape.iter().zip(&self.strides) {
            let span = i128::from(size - 1) * i128::from(stride);
            first += span.min(0);
            last += span.max(0);
        }
        (first, last + self.elem.size() as i128)
    }

    /// Checks that the layout is well-formed, and that every element lies inside so many bytes.
    pub(crate) fn check_inside(&self, origin: usize, len: usize) -> Result<()> {
        check_shape(self.elem, &self.shape)?;
        if self.strides.len() != self.shape.len() || self.names.len() != self.shape.len() {
            return Err(Error::invalid(format!(
                "a tensor of {} dimensions has {} strides and {} names; it needs one of each per dimension",
                self.shape.len(),
                self.strides.len(),
                self.names.len()
            )));
        }
        let (first, last) = self.reach(origin);
        if !self.is_empty() && (first < 0 || last > len as i128) {
            return Err(Error::invalid(format!(
                "a {} tensor of shape {:?} and byte strides {:?} reaches from byte {first} to byte {last} of \
                 a buffer of {len} bytes: check the strides and the address of the first element",
                self.elem, self.shape, self.strides
            )));
        }
        Ok(())
    }

    /// The first elements of this contiguous tensor in the dimension that varies most slowly: the first one in C order, the last
    /// one in F order. InvalidArgument for a shape of any other elements.
    pub fn shrunk(&self, shape: &[i64]) -> Result<Layout> {
        let rank = self.shape.len();
        let may = |axis: usize| {
            shape.len() == rank
                && (0..rank).all(|at| match at == axis {
                    true => (0..=self.shape[at]).contains(&shape[at]),
                    false => shape[at] == self.shape[at],
                })
        };
        for (order, axis) in [(Order::C, 0), (Order::F, rank.saturating_sub(1))] {
            if rank > 0 && self.is_contiguous(order) && may(axis) {
                return Layout::contiguous(self.elem, shape, order, &self.names);
            }
        }
        let (order, which) = match self.order() {
            Some(Order::F) => ("F", "last"),
            _ => ("C", "first"),
        };
        Err(Error::invalid(format!(
            "a tensor of shape {:?} cannot be shrunk to {shape:?}: as its elements are in {order} order, only its {which} \
             dimension can become smaller",
            self.shape
        )))
    }

    /// The same tensor without gaps.
    pub fn packed(&self, order: Order) -> Layout {
        let strides = contiguous_strides(self.elem, &self.shape, order);
        Layout { elem: self.elem, shape: self.shape.clone(), strides, names: self.names.clone() }
    }
}

/// Whether each stride is the size of all that lies inside it. `dims` goes from the innermost outwards.
fn no_gaps<'a>(dims: impl Iterator<Item = (&'a i64, &'a i64)>, elem: Elem) -> bool {
    let mut expected = elem.size() as i64;
    for (&size, &stride) in dims {
        if size != 1 && stride != expected {
            return false;
        }
        expected = expected.saturating_mul(size);
    }
    true
}

/// Checks the number of dimensions, the signs, and that the bytes fit (so that later products cannot overflow).
fn check_shape(elem: Elem, shape: &[i64]) -> Result<()> {
    if shape.len() > MAX_DIMS {
        return Err(Error::invalid(format!(
            "the tensor has {} dimensions, but at most {MAX_DIMS} are allowed",
            shape.len()
        )));
    }
    let mut bytes = elem.size() as i64;
    for (dim, &size) in shape.iter().enumerate() {
        if size < 0 {
            return Err(Error::invalid(format!(
                "dimension {dim} of the tensor has size {size}, but sizes must be zero or more"
            )));
        }
        // An empty dimension must not hide an overflow of the others: strides are made from them.
        bytes = bytes.checked_mul(size.max(1)).ok_or_else(|| {
            Error::invalid(format!("a tensor of shape {shape:?} and type {elem} has more than 2^63 bytes"))
        })?;
    }
    Ok(())
}

/// Byte strides of a shape that [`check_shape`] has passed. Empty dimensions count as one element.
fn contiguous_strides(elem: Elem, shape: &[i64], order: Order) -> Vec<i64> {
    let mut strides = vec![0; shape.len()];
    let mut step = elem.size() as i64;
    let mut set = |dim: usize| {
        strides[dim] = step;
        step *= shape[dim].max(1);
    };
    match order {
        Order::C => (0..shape.len()).rev().for_each(&mut set),
        Order::F => (0..shape.len()).for_each(&mut set),
    }
    strides
}

/// A tensor in the memory of the program: `bytes` covers it, and element (0, …, 0) is at `origin`.
#[derive(Clone, Copy, Debug)]
pub struct TensorSource<'a> {
    /// All bytes in which the elements of the tensor may be.
    pub bytes: &'a [u8],
    /// Offset of the element with index zero in every dimension (not 0 if a stride is negative).
    pub origin: usize,
    /// Shape, byte strides (of any sign), element type and dimension names.
    pub layout: &'a Layout,
}

impl<'a> TensorSource<'a> {
    /// The elements as one run of bytes if they are contiguous in this order and lie inside `bytes`: then a single
    /// copy of it is the tensor's body.
    pub fn contiguous_bytes(&self, order: Order) -> Option<&'a [u8]> {
        if !self.layout.is_contiguous(order) {
            return None;
        }
        let size = usize::try_from(self.layout.byte_len()).ok()?;
        if size == 0 {
            return Some(&[]);
        }
        self.bytes.get(self.origin..self.origin.checked_add(size)?)
    }

    /// Checks that every element lies inside `bytes`, and that the layout is well-formed.
    pub fn check(&self) -> Result<()> {
        self.layout.check_inside(self.origin, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_layouts() {
        let c = Layout::contiguous(Elem::Complex128, &[2, 3, 4], Order::C, &[]).unwrap();
        assert_eq!(c.strides, [192, 64, 16]);
        assert_eq!(c.names, ["", "", ""]);
        assert_eq!((c.len(), c.byte_len()), (24, 384));
        assert_eq!(c.order(), Some(Order::C));
        let f = Layout::contiguous(Elem::Float32, &[2, 3, 4], Order::F, &[]).unwrap();
        assert_eq!(f.strides, [4, 8, 24]);
        assert_eq!(f.order(), Some(Order::F));
        assert_eq!(f.packed(Order::C).strides, [48, 16, 4]);
        let scalar = Layout::contiguous(Elem::Int8, &[], Order::F, &[]).unwrap();
        assert_eq!((scalar.len(), scalar.order()), (1, Some(Order::C)));
        let empty = Layout::contiguous(Elem::Int8, &[3, 0, 2], Order::C, &[]).unwrap();
        assert_eq!((empty.len(), empty.byte_len()), (0, 0));
        assert!(empty.is_contiguous(Order::F) && empty.is_empty());
    }

    #[test]
    fn wrong_shapes_are_named() {
        let message = |shape: &[i64], names: &[String]| {
            Layout::contiguous(Elem::Float64, shape, Order::C, names).unwrap_err().message().to_owned()
        };
        assert!(message(&[1; 9], &[]).contains("9 dimensions"));
        assert!(message(&[1, -2], &[]).contains("dimension 1 of the tensor has size -2"));
        assert!(message(&[1 << 31, 1 << 31], &[]).contains("2^63"));
        assert!(message(&[0, 1 << 31, 1 << 31], &[]).contains("2^63"));
        assert!(message(&[1, 2], &["x".into()]).contains("2 dimensions and 1 dimension names"));
        assert!(Layout::strided(Elem::Int8, &[2], Some(&[1, 2]), &[]).is_err());
    }

    #[test]
    fn contiguous_bytes_ignores_strides_that_say_nothing() {
        let bytes: Vec<u8> = (0..64).collect();
        let layout = Layout::strided(Elem::Int16, &[4, 1], Some(&[2, 99]), &[]).unwrap();
        let source = TensorSource { bytes: &bytes, origin: 6, layout: &layout };
        assert_eq!(source.contiguous_bytes(Order::C), Some(&bytes[6..14]));
        assert_eq!(source.contiguous_bytes(Order::F), Some(&bytes[6..14]));
        let rows = Layout::strided(Elem::Int16, &[4, 2], Some(&[8, 2]), &[]).unwrap();
        let source = TensorSource { bytes: &bytes, origin: 0, layout: &rows };
        assert_eq!(source.contiguous_bytes(Order::C), None);
        let long = TensorSource { bytes: &bytes, origin: 60, layout: &layout };
        assert_eq!(long.contiguous_bytes(Order::C), None);
    }

    #[test]
    fn check_finds_elements_outside() {
        let bytes = [0; 16];
        let layout = |stride| Layout::strided(Elem::Int32, &[4], Some(&[stride]), &[]).unwrap();
        let check = |origin, layout: &Layout| TensorSource { bytes: &bytes, origin, layout }.check();
        assert!(check(0, &layout(4)).is_ok());
        assert!(check(12, &layout(-4)).is_ok());
        assert!(check(1, &layout(4)).is_err());
        assert!(check(8, &layout(-4)).is_err());
        assert!(check(0, &layout(i64::MAX)).is_err());
        assert!(check(0, &layout(i64::MIN)).is_err());
        assert!(check(12, &layout(0)).is_ok());
    }
}

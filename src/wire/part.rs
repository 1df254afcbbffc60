//! Parts: which elements of an object a reference means.
//!
//! A part is a value. It says where the elements of a tensor lie in the object's data, or which of the object's own tensor
//! they are, as slices that are applied in turn. It knows nothing of the object, which may not exist yet: what it comes to is
//! found out when the object's layout is known, and whether every element lies in the object is checked then.

use std::borrow::Cow;

use crate::error::{Error, Result};

use super::{Layout, TensorSource, MAX_DIMS};

/// Maximum number of slices that are applied in turn.
pub const MAX_SLICES: usize = 16;

/// Maximum length of the dimension names of a part's layout, in bytes, all together.
const MAX_NAMES: usize = 4096;

/// Which elements along one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Along {
    /// The element with this index, counted from the end if it is negative. The dimension is dropped.
    At(i64),
    /// As a slice in Python: from `start` up to, but not including, `stop`, every `step`-th. Negative ones are counted from the
    /// end. What lies outside is left out, so that there may be fewer elements than asked for.
    Range {
        /// The first element. None: the first there is, or the last one for a negative step.
        start: Option<i64>,
        /// Behind the last element. None: up to the end.
        stop: Option<i64>,
        /// From one element to the next, not 0.
        step: i64,
    },
    /// Exactly so many elements, all of which must be there.
    Count {
        /// The first element, counted from the end if it is negative.
        start: i64,
        /// How many.
        count: i64,
        /// From one element to the next, not 0.
        step: i64,
    },
    /// As many dimensions as the others leave, whole. At most once in a slice.
    Rest,
}

impl Along {
    /// A whole dimension.
    pub const ALL: Along = Along::Range { start: None, stop: None, step: 1 };
}

/// A tensor's layout, and where in the object's data its first element lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Element type, shape, byte strides of any sign and dimension names.
    pub layout: Layout,
    /// Offset of the element with index zero in every dimension, in bytes from the start of the object's data.
    pub origin: usize,
}

/// Which elements of an object: the object's own tensor or a layout over its data, and slices of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    placed: Option<Placed>,
    slices: Vec<Vec<Along>>,
}

impl Part {
    /// Elements that lie somewhere in the object's data: reinterpreted, transposed, a column of a table.
    ///
    /// InvalidArgument if the layout is not well-formed, or an element would lie at an address that its type does not allow.
    /// (The data of an object start at a multiple of 64.)
    pub fn layout(origin: usize, layout: Layout) -> Result<Part> {
        let placed = Placed { layout, origin };
        placed.check(usize::MAX)?;
        let align = placed.layout.elem.stored().size();
        let strides = placed.layout.shape.iter().zip(&placed.layout.strides).filter(|(size, _)| **size > 1);
        let mut steps = strides.map(|(_, stride)| stride.unsigned_abs());
        if !origin.is_multiple_of(align) || steps.any(|step| !step.is_multiple_of(align as u64)) {
            return Err(Error::invalid(format!(
                "elements of type {} lie at multiples of {align} bytes; those from byte {origin} on with the byte strides \
                 {:?} do not",
                placed.layout.elem, placed.layout.strides
            )));
        }
        if placed.layout.names.iter().map(String::len).sum::<usize>() > MAX_NAMES {
            return Err(Error::invalid(format!(
                "the dimension names of a part have at most {MAX_NAMES} bytes, all together"
            )));
        }
        Ok(Part { placed: Some(placed), slices: Vec::new() })
    }

    /// Elements of the object's own tensor, by dimension, outermost first. Dimensions behind the last one are whole.
    ///
    /// InvalidArgument for a step of 0, a negative count, more than [`MAX_DIMS`] dimensions, or two [`Along::Rest`].
    pub fn slice(along: &[Along]) -> Result<Part> {
        Part { placed: None, slices: Vec::new() }.then(along)
    }

    /// A part of this part. InvalidArgument as [`Part::slice`], and for more than [`MAX_SLICES`] slices.
    pub fn then(&self, along: &[Along]) -> Result<Part> {
        check_slice(along)?;
        if self.slices.len() == MAX_SLICES {
            return Err(Error::invalid(format!(
                "a part of a part of a part: at most {MAX_SLICES} slices are applied in turn; take the part of the whole"
            )));
        }
        let mut slices = self.slices.clone();
        slices.push(along.to_vec());
        Ok(Part { placed: self.placed.clone(), slices })
    }

    /// The part `inner` of this part: a layout takes the place of everything before.
    pub fn join(&self, inner: &Part) -> Result<Part> {
        match inner.placed {
            Some(_) => Ok(inner.clone()),
            None => inner.slices.iter().try_fold(self.clone(), |part, along| part.then(along)),
        }
    }

    /// The layout from which it starts; none: the object's own tensor.
    pub fn placed(&self) -> Option<&Placed> {
        self.placed.as_ref()
    }

    /// The slices, which are applied in turn.
    pub fn slices(&self) -> &[Vec<Along>] {
        &self.slices
    }

    /// Where the elements lie in an object whose data have so many bytes. `whole` is the object's own tensor, which a part that
    /// has a layout does not need.
    ///
    /// InvalidArgument if there is no tensor to take a part of, a dimension or an index is not there, or an element lies
    /// outside of the data.
    pub fn resolve(&self, whole: Option<&Placed>, data: usize) -> Result<Placed> {
        let start = match (&self.placed, whole) {
            (Some(placed), _) => {
                placed.check(data)?;
                placed
            }
            (None, Some(whole)) => whole,
            (None, None) => return Err(Error::invalid("only a tensor has parts that are given by slices")),
        };
        let mut placed = Cow::Borrowed(start);
        for along in &self.slices {
            placed =
                Cow::Owned(sliced(&placed, along).map_err(|error| error.context(format!("part {self}")))?);
        }
        Ok(placed.into_owned())
    }

    /// The dimension names of the part of a tensor with these names. InvalidArgument for more dimensions than it has.
    pub(crate) fn names(&self, whole: &[String]) -> Result<Vec<String>> {
        let mut names =
            self.placed.as_ref().map_or_else(|| whole.to_vec(), |placed| placed.layout.names.clone());
        for along in &self.slices {
            let all = expand(along, names.len()).map_err(|error| error.context(format!("part {self}")))?;
            let kept = names.into_iter().zip(all).filter(|(_, along)| !matches!(along, Along::At(_)));
            names = kept.map(|(name, _)| name).collect();
        }
        Ok(names)
    }
}

impl Placed {
    /// Checks that the layout is well-formed, and that every element lies inside so many bytes.
    pub fn check(&self, data: usize) -> Result<()> {
        self.layout.check_inside(self.origin, data)?;
        // No element can lie outside, but what is sliced of it begins here.
        if self.origin > data {
            return Err(Error::invalid(format!("a tensor from byte {} on of {data} bytes", self.origin)));
        }
        Ok(())
    }

    /// The bytes from the lowest element to behind the highest one. The layout was checked.
    pub fn span(&self) -> std::ops::Range<usize> {
        let (first, last) = self.layout.reach(self.origin);
        let place = |at: i128| usize::try_from(at).unwrap_or(0);
        place(first)..place(last)
    }
}

impl From<&TensorSource<'_>> for Placed {
    fn from(source: &TensorSource<'_>) -> Placed {
        Placed { layout: source.layout.clone(), origin: source.origin }
    }
}

/// What can be wrong with a slice whatever it is applied to.
pub(crate) fn check_slice(along: &[Along]) -> Result<()> {
    let dims = along.iter().filter(|along| **along != Along::Rest).count();
    if dims > MAX_DIMS {
        return Err(Error::invalid(format!("a part of {dims} dimensions: a tensor has at most {MAX_DIMS}")));
    }
    if along.len() - dims > 1 {
        return Err(Error::invalid(
            "'...' stands for all dimensions that are not given: it can be used only once",
        ));
    }
    for (dim, along) in along.iter().enumerate() {
        match along {
            Along::Range { step: 0, .. } | Along::Count { step: 0, .. } => {
                return Err(Error::invalid(format!(
                    "dimension {dim} of the part has step 0: a step must not be 0"
                )));
            }
            Along::Count { count: ..0, .. } => {
                return Err(Error::invalid(format!(
                    "dimension {dim} of the part has a negative count: a count must be 0 or more"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// One for each of so many dimensions.
fn expand(along: &[Along], ndim: usize) -> Result<Vec<Along>> {
    let given = along.iter().filter(|along| **along != Along::Rest).count();
    let Some(rest) = ndim.checked_sub(given) else {
        return Err(Error::invalid(format!("it has {given} dimensions, but the tensor has {ndim}")));
    };
    let place = along.iter().position(|along| *along == Along::Rest);
    let (before, behind) = match place {
        Some(place) => (&along[..place], &along[place + 1..]),
        None => (along, &[][..]),
    };
    let whole = std::iter::repeat_n(Along::ALL, rest);
    Ok(before.iter().copied().chain(whole).chain(behind.iter().copied()).collect())
}

fn sliced(from: &Placed, along: &[Along]) -> Result<Placed> {
    let Layout { elem, shape, strides, names } = &from.layout;
    let mut to = Placed {
        layout: Layout { elem: *elem, shape: Vec::new(), strides: Vec::new(), names: Vec::new() },
        origin: from.origin,
    };
    // Bytes from the first element of the one to the first of the other.
    let mut moved: i128 = 0;
    for (dim, along) in expand(along, shape.len())?.into_iter().enumerate() {
        let (size, stride) = (shape[dim], strides[dim]);
        let (start, count, step) = elements(along, size).map_err(|wrong| in_dim(&wrong, dim, &names[dim]))?;
        moved += i128::from(start) * i128::from(stride);
        if matches!(along, Along::At(_)) {
            continue;
        }
        to.layout.shape.push(count);
        // The stride of a single element is not used.
        to.layout.strides.push(stride.checked_mul(step).unwrap_or(stride));
        to.layout.names.push(names[dim].clone());
    }
    if !to.layout.is_empty() {
        let origin = usize::try_from(to.origin as i128 + moved);
        to.origin = origin.map_err(|_| Error::invalid("an element lies outside of the object"))?;
    }
    Ok(to)
}

/// Of so many elements: the first, how many, and from one to the next.
fn elements(along: Along, size: i64) -> std::result::Result<(i64, i64, i64), String> {
    let whole = i128::from(size);
    let from_end = |at: i64| i128::from(at) + if at < 0 { whole } else { 0 };
    // All are sizes or places of elements that are there.
    let narrow = |value: i128| i64::try_from(value).unwrap_or(0);
    match along {
        Along::Rest => Ok((0, size, 1)),
        Along::At(index) => match from_end(index) {
            at if (0..whole).contains(&at) => Ok((narrow(at), 1, 1)),
            _ => Err(format!("index {index} is out of range: it has size {size}")),
        },
        Along::Range { start, stop, step } => {
            let (low, high) = if step > 0 { (0, whole) } else { (-1, whole - 1) };
            let clamp = |at: i64| from_end(at).clamp(low, high);
            let (first, last) = if step > 0 { (low, high) } else { (high, low) };
            let (start, stop) = (start.map_or(first, clamp), stop.map_or(last, clamp));
            let step_wide = i128::from(step);
            let span = if step > 0 { stop - start } else { start - stop };
            let count = if span > 0 { (span - 1) / step_wide.abs() + 1 } else { 0 };
            Ok((if count > 0 { narrow(start) } else { 0 }, narrow(count), step))
        }
        Along::Count { start, count, step } => {
            let first = from_end(start);
            let last = first + (i128::from(count) - 1) * i128::from(step);
            let fits = if count == 0 {
                (0..=whole).contains(&first)
            } else {
                (0..whole).contains(&first) && (0..whole).contains(&last)
            };
            if !fits {
                let by = if step == 1 { String::new() } else { format!(" in steps of {step}") };
                return Err(format!(
                    "it has size {size}, so there are no {count} elements from {start} on{by}"
                ));
            }
            Ok((if count > 0 { narrow(first) } else { 0 }, count, step))
        }
    }
}

fn in_dim(wrong: &str, dim: usize, name: &str) -> Error {
    let called = if name.is_empty() { dim.to_string() } else { format!("{dim} ('{name}')") };
    Error::invalid(format!("dimension {called}: {wrong}"))
}

#[cfg(test)]
mod tests;

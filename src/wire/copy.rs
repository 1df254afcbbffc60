//! Copying a tensor of any strides into a contiguous body.
//!
//! Dimensions are first sorted by how the body lies, and merged where both sides step evenly through two of them.
//! Then one of three inner loops does the work: whole runs of bytes where the source's innermost dimension is
//! contiguous too, small square tiles where another dimension of the source is (a transposition, where a plain loop
//! would touch one cache line an element), and single elements otherwise.

use crate::error::{Error, Result};

use super::{Layout, TensorSource};

/// Elements along the side of a tile of a transposition: 64 runs of the source, which the nearest cache holds.
const TILE: usize = 64;

/// One dimension of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// Elements.
    count: usize,
    /// Bytes between them in the source.
    from: isize,
    /// Bytes between them in the body.
    to: usize,
}

/// Copies a (possibly strided) source into a contiguous body of the layout `to`, which must have the source's shape
/// and element type.
///
/// InvalidArgument if shapes or types differ, `to` has gaps, the body has the wrong size, or the source reaches
/// outside its bytes; nothing is written then.
pub fn copy_tensor(from: &TensorSource<'_>, to: &Layout, body: &mut [u8]) -> Result<()> {
    from.check()?;
    if from.layout.elem != to.elem || from.layout.shape != to.shape {
        return Err(Error::invalid(format!(
            "cannot copy a {} tensor of shape {:?} into a {} tensor of shape {:?}: types and shapes must be equal",
            from.layout.elem, from.layout.shape, to.elem, to.shape
        )));
    }
    let order = to.order().filter(|_| to.strides.len() == to.shape.len());
    let order =
        order.ok_or_else(|| Error::invalid("a tensor in the store must be contiguous in C or F order"))?;
    if body.len() as u64 != to.byte_len() {
        return Err(Error::invalid(format!(
            "the tensor's body has {} bytes, but a {} tensor of shape {:?} needs {}",
            body.len(),
            to.elem,
            to.shape,
            to.byte_len()
        )));
    }
    if body.is_empty() {
        return Ok(());
    }
    if let Some(bytes) = from.contiguous_bytes(order) {
        body.copy_from_slice(bytes);
        return Ok(());
    }
    let steps = steps(from.layout, &to.packed(order))?;
    match to.elem.size() {
        1 => copy_steps::<1>(from.bytes, from.origin, body, 0, &steps),
        2 => copy_steps::<2>(from.bytes, from.origin, body, 0, &steps),
        4 => copy_steps::<4>(from.bytes, from.origin, body, 0, &steps),
        8 => copy_steps::<8>(from.bytes, from.origin, body, 0, &steps),
        _ => copy_steps::<16>(from.bytes, from.origin, body, 0, &steps),
    }
    Ok(())
}

/// The dimensions with more than one element, outermost of the body first, merged where possible.
fn steps(from: &Layout, to: &Layout) -> Result<Vec<Step>> {
    let too_large = |_| Error::invalid("the tensor is larger than this machine's address space");
    let mut steps = Vec::with_capacity(to.shape.len());
    for dim in (0..to.shape.len()).filter(|dim| to.shape[*dim] > 1) {
        steps.push(Step {
            count: usize::try_from(to.shape[dim]).map_err(too_large)?,
            from: isize::try_from(from.strides[dim]).map_err(too_large)?,
            to: usize::try_from(to.strides[dim]).map_err(too_large)?,
        });
    }
    steps.sort_by_key(|step| std::cmp::Reverse(step.to));
    let mut merged: Vec<Step> = Vec::with_capacity(steps.len());
    for inner in steps {
        match merged.last_mut() {
            // Both sides have passed `check`, so that the product is an offset inside the source.
            Some(outer) if outer.from == inner.from.wrapping_mul(inner.count as isize) => {
                *outer = Step { count: outer.count * inner.count, ..inner };
            }
            _ => merged.push(inner),
        }
    }
    // Tiles need the source's contiguous dimension next to the body's.
    if let Some(inner) = merged.pop() {
        let fastest = (0..merged.len()).min_by_key(|at| merged[*at].from.unsigned_abs());
        if let Some(fastest) =
            fastest.filter(|at| merged[*at].from.unsigned_abs() < inner.from.unsigned_abs())
        {
            let across = merged.remove(fastest);
            merged.push(across);
        }
        merged.push(inner);
    }
    Ok(merged)
}

/// `at` plus `index` steps. `TensorSource::check` has shown that this is an offset inside the source.
fn offset(at: usize, step: isize, index: usize) -> usize {
    at.wrapping_add_signed(step.wrapping_mul(index as isize))
}

/// Copies elements of `N` bytes along `steps`, from `at` in `source` to `start` in `body`.
fn copy_steps<const N: usize>(source: &[u8], at: usize, body: &mut [u8], start: usize, steps: &[Step]) {
    match steps {
        [] => body[start..start + N].copy_from_slice(&source[at..at + N]),
        [row] => copy_row::<N>(source, at, &mut body[start..start + row.count * N], row),
        [across, row] if across.from.unsigned_abs() < row.from.unsigned_abs() && row.to == N => {
            copy_tiles::<N>(source, at, body, start, *across, *row);
        }
        [outer, inner @ ..] => {
            for index in 0..outer.count {
                copy_steps::<N>(source, offset(at, outer.from, index), body, start + index * outer.to, inner);
            }
        }
    }
}

/// Copies one run of the body. The innermost step of a packed body is always one element.
fn copy_row<const N: usize>(source: &[u8], at: usize, body: &mut [u8], row: &Step) {
    if row.from == N as isize {
        body.copy_from_slice(&source[at..at + row.count * N]);
        return;
    }
    if row.from == 0 {
        let element = &source[at..at + N];
        body.chunks_exact_mut(N).for_each(|to| to.copy_from_slice(element));
        return;
    }
    let mut at = at;
    for to in body.chunks_exact_mut(N) {
        to.copy_from_slice(&source[at..at + N]);
        at = at.wrapping_add_signed(row.from);
    }
}

/// Copies a plane in which the source's faster dimension (`across`) is not the body's (`row`).
fn copy_tiles<const N: usize>(
    source: &[u8],
    at: usize,
    body: &mut [u8],
    start: usize,
    across: Step,
    row: Step,
) {
    for first_row in (0..across.count).step_by(TILE) {
        let rows = TILE.min(across.count - first_row);
        for first in (0..row.count).step_by(TILE) {
            let columns = TILE.min(row.count - first);
            let corner = offset(offset(at, across.from, first_row), row.from, first);
            for index in 0..rows {
                let begin = start + (first_row + index) * across.to + first * N;
                let tile_row = Step { count: columns, ..row };
                let from = offset(corner, across.from, index);
                copy_row::<N>(source, from, &mut body[begin..begin + columns * N], &tile_row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Random;
    use super::super::{Elem, Order};
    use super::*;

    /// The slow truth: element by element.
    fn copy_slowly(from: &TensorSource<'_>, to: &Layout, body: &mut [u8]) {
        let size = to.elem.size();
        let mut index = vec![0_i64; to.shape.len()];
        for _ in 0..to.len() {
            let dot = |strides: &[i64]| index.iter().zip(strides).map(|(i, s)| i * s).sum::<i64>();
            let source = usize::try_from(from.origin as i64 + dot(&from.layout.strides)).unwrap();
            let target = usize::try_from(dot(&to.strides)).unwrap();
            body[target..target + size].copy_from_slice(&from.bytes[source..source + size]);
            for dim in (0..index.len()).rev() {
                index[dim] += 1;
                if index[dim] < to.shape[dim] {
                    break;
                }
                index[dim] = 0;
            }
        }
    }

    #[test]
    fn any_strides_into_any_order() {
        let mut random = Random::new(7);
        let bytes: Vec<u8> = (0..1 << 16).map(|_| random.byte()).collect();
        for round in 0..3000 {
            let elem = Elem::ALL[random.below(Elem::ALL.len())];
            let dims = random.below(5);
            let shape: Vec<i64> = (0..dims).map(|_| random.below(6) as i64).collect();
            let limit = 4000 / (dims * 6 + 1);
            let strides: Vec<i64> =
                (0..dims).map(|_| random.below(limit) as i64 - limit as i64 / 2).collect();
            let layout = Layout::strided(elem, &shape, Some(&strides), &[]).unwrap();
            let source = TensorSource { bytes: &bytes, origin: 30_000, layout: &layout };
            check(&source, if round % 2 == 0 { Order::C } else { Order::F });
        }
    }

    #[test]
    fn permuted_reversed_and_broadcast_arrays() {
        let mut random = Random::new(8);
        let bytes: Vec<u8> = (0..1 << 20).map(|_| random.byte()).collect();
        for elem in [Elem::Uint8, Elem::Int16, Elem::Float32, Elem::Complex64, Elem::Complex128] {
            let whole = Layout::contiguous(elem, &[3, 67, 5, 41], Order::C, &[]).unwrap();
            for _ in 0..60 {
                let mut dims: Vec<usize> = (0..4).collect();
                for i in 0..4 {
                    dims.swap(i, random.below(4));
                }
                let mut layout = whole.clone();
                layout.shape = dims.iter().map(|d| whole.shape[*d]).collect();
                layout.strides = dims.iter().map(|d| whole.strides[*d]).collect();
                let mut origin = 0;
                for dim in 0..4 {
                    match random.below(4) {
                        0 => {
                            origin += usize::try_from(layout.strides[dim] * (layout.shape[dim] - 1)).unwrap();
                            layout.strides[dim] = -layout.strides[dim];
                        }
                        1 if random.below(3) == 0 => layout.strides[dim] = 0,
                        _ => {}
                    }
                }
                let source = TensorSource { bytes: &bytes, origin, layout: &layout };
                check(&source, Order::C);
                check(&source, Order::F);
            }
        }
    }

    fn check(source: &TensorSource<'_>, order: Order) {
        let to = source.layout.packed(order);
        let mut fast = vec![0; usize::try_from(to.byte_len()).unwrap()];
        let mut slow = fast.clone();
        copy_tensor(source, &to, &mut fast).unwrap();
        copy_slowly(source, &to, &mut slow);
        assert!(fast == slow, "{:?} into {order:?}", source.layout);
    }

    #[test]
    fn wrong_arguments_are_refused_and_write_nothing() {
        let bytes = [1; 32];
        let layout = Layout::contiguous(Elem::Int32, &[4, 2], Order::C, &[]).unwrap();
        let source = TensorSource { bytes: &bytes, origin: 0, layout: &layout };
        let mut body = vec![0; 32];
        let other = Layout::contiguous(Elem::Int32, &[2, 4], Order::C, &[]).unwrap();
        assert!(copy_tensor(&source, &other, &mut body).unwrap_err().message().contains("[2, 4]"));
        let other = Layout::contiguous(Elem::Float32, &[4, 2], Order::C, &[]).unwrap();
        assert!(copy_tensor(&source, &other, &mut body).unwrap_err().message().contains("float32"));
        let gaps = Layout::strided(Elem::Int32, &[4, 2], Some(&[16, 4]), &[]).unwrap();
        assert!(copy_tensor(&source, &gaps, &mut body).unwrap_err().message().contains("contiguous"));
        assert!(copy_tensor(&source, &layout, &mut body[..31]).unwrap_err().message().contains("31 bytes"));
        let outside = TensorSource { bytes: &bytes[..31], ..source };
        assert!(copy_tensor(&outside, &layout, &mut body).unwrap_err().message().contains("31 bytes"));
        assert_eq!(body, [0; 32]);
    }
}

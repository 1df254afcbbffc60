//! Tensor objects: an Arrow IPC Tensor message whose body starts 64-byte aligned.
//!
//! Arrow has neither complex numbers nor bytes that are truth values: a complex tensor has one more dimension,
//! `re_im` of size 2, and a bool tensor is one of uint8. The object's metadata says which it is.

use std::cell::RefCell;
use std::sync::Arc;

use crate::arrow::ipc;
use flatbuffers::FlatBufferBuilder;

use crate::error::{Error, Result};

use super::message::{corrupt, encapsulate, Head};
use super::recent::Recent;
use super::{metadata, Elem, Layout, Order, MAX_DIMS};

/// Name of the dimension that holds real and imaginary part.
const RE_IM: &str = "re_im";

/// The bytes before the body of a tensor. The object is `bytes`, then `body_size` bytes of elements. If its start is
/// 64-byte aligned, so is the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorHeader {
    /// The bytes before the body, a multiple of 64.
    pub bytes: Vec<u8>,
    /// The object's metadata.
    pub metadata: Vec<u8>,
    /// Size of the body in bytes.
    pub body_size: u64,
}

thread_local! {
    /// The headers of layouts.
    static WRITTEN: RefCell<Recent<Layout, Arc<TensorHeader>>> = const { RefCell::new(Recent::new()) };
    /// What headers say.
    static READ: RefCell<Recent<ReadHeader, (Arc<Layout>, usize)>> = const { RefCell::new(Recent::new()) };
}

/// The header of a tensor of this layout, which must be contiguous in C or F order (InvalidArgument otherwise).
pub fn tensor_header(layout: &Layout) -> Result<Arc<TensorHeader>> {
    // A thread that is ending may have forgotten them.
    if let Ok(Some(header)) = WRITTEN.try_with(|recent| recent.borrow().find(|known| known == layout)) {
        return Ok(header);
    }
    let header = Arc::new(encoded(layout)?);
    let _ = WRITTEN.try_with(|recent| recent.borrow_mut().remember(layout.clone(), header.clone()));
    Ok(header)
}

fn encoded(layout: &Layout) -> Result<TensorHeader> {
    let Layout { elem, shape, names, .. } = layout;
    // The fields are public: shape and names may be anything.
    let packed = Layout::contiguous(*elem, shape, Order::C, names)?;
    if layout.strides.len() != packed.strides.len() || layout.order().is_none() {
        return Err(Error::invalid(format!(
            "a tensor in the store must be contiguous in C or F order; shape {shape:?} with byte strides {:?} is not",
            layout.strides
        )));
    }
    let mut fbb = FlatBufferBuilder::new();
    let part = elem.stored();
    let mut sizes: Vec<(i64, &str)> =
        shape.iter().copied().zip(packed.names.iter().map(String::as_str)).collect();
    let mut strides = layout.strides.clone();
    if elem.is_complex() {
        sizes.push((2, RE_IM));
        strides.push(part.size() as i64);
    }
    let dims: Vec<_> = sizes
        .into_iter()
        .map(|(size, name)| {
            let name = fbb.create_string(name);
            ipc::TensorDim::create(&mut fbb, &ipc::TensorDimArgs { size, name: Some(name) })
        })
        .collect();
    let dims = fbb.create_vector(&dims);
    let strides = fbb.create_vector(&strides);
    let (type_type, type_) = arrow_type(&mut fbb, part);
    let body_size = layout.byte_len();
    let body_length = i64::try_from(body_size)
        .map_err(|_| Error::invalid(format!("a tensor of {body_size} bytes is too large")))?;
    let data = ipc::Buffer::new(0, body_length);
    let mut tensor = ipc::TensorBuilder::new(&mut fbb);
    tensor.add_type_type(type_type);
    tensor.add_type_(type_);
    tensor.add_shape(dims);
    tensor.add_strides(strides);
    tensor.add_data(&data);
    let tensor = tensor.finish();
    let mut message = ipc::MessageBuilder::new(&mut fbb);
    message.add_version(ipc::MetadataVersion::V5);
    message.add_header_type(ipc::MessageHeader::Tensor);
    message.add_header(tensor.as_union_value());
    message.add_bodyLength(body_length);
    let message = message.finish();
    fbb.finish(message, None);
    Ok(TensorHeader {
        bytes: encapsulate(fbb.finished_data())?,
        metadata: metadata::tensor_metadata(*elem),
        body_size,
    })
}

/// The type of the numbers in the body.
fn arrow_type(
    fbb: &mut FlatBufferBuilder<'_>,
    part: Elem,
) -> (ipc::Type, flatbuffers::WIPOffset<flatbuffers::UnionWIPOffset>) {
    let float = |fbb: &mut FlatBufferBuilder<'_>, precision| {
        let args = ipc::FloatingPointArgs { precision };
        (ipc::Type::FloatingPoint, ipc::FloatingPoint::create(fbb, &args).as_union_value())
    };
    let mut int = |width, signed| {
        let args = ipc::IntArgs { bitWidth: width, is_signed: signed };
        (ipc::Type::Int, ipc::Int::create(fbb, &args).as_union_value())
    };
    match part {
        Elem::Int8 => int(8, true),
        Elem::Int16 => int(16, true),
        Elem::Int32 => int(32, true),
        Elem::Int64 => int(64, true),
        Elem::Uint8 | Elem::Bool => int(8, false),
        Elem::Uint16 => int(16, false),
        Elem::Uint32 => int(32, false),
        Elem::Uint64 => int(64, false),
        Elem::Float16 => float(fbb, ipc::Precision::HALF),
        Elem::Float32 | Elem::Complex64 => float(fbb, ipc::Precision::SINGLE),
        Elem::Float64 | Elem::Complex128 => float(fbb, ipc::Precision::DOUBLE),
    }
}

/// The bytes of a tensor object that its layout was read from, as they were then.
struct ReadHeader {
    /// The message in front of the body.
    message: Vec<u8>,
    metadata: Vec<u8>,
    /// Where the body ends.
    end: usize,
}

impl ReadHeader {
    /// Whether another object has the same: then it says the same.
    fn is_that_of(&self, data: &[u8], metadata: &[u8]) -> bool {
        self.end <= data.len() && data.starts_with(&self.message) && metadata == self.metadata
    }
}

/// The layout of a tensor object and the offset of its body, which has `layout.byte_len()` bytes and is inside `data`.
///
/// InvalidArgument if this is an object of another kind. Corrupt if the bytes are invalid.
pub fn read_tensor(data: &[u8], metadata: &[u8]) -> Result<(Arc<Layout>, usize)> {
    let known = |recent: &RefCell<Recent<ReadHeader, _>>| {
        recent.borrow().find(|known: &ReadHeader| known.is_that_of(data, metadata))
    };
    if let Ok(Some(found)) = READ.try_with(known) {
        return Ok(found);
    }
    let head = Head::read(data, 0)?.ok_or_else(|| corrupt("the tensor object is empty"))?;
    let metadata = metadata.to_vec();
    let (layout, start, end) = decoded(&head, data, &metadata)?;
    let found = (Arc::new(layout), start);
    if let Some(message) = head.encapsulated() {
        let key = ReadHeader { message, metadata, end };
        let _ = READ.try_with(|recent| recent.borrow_mut().remember(key, found.clone()));
    }
    Ok(found)
}

/// The layout, and where the elements begin and the body ends.
fn decoded(head: &Head, data: &[u8], metadata: &[u8]) -> Result<(Layout, usize, usize)> {
    let named = metadata::tensor_elem(metadata)?;
    let message = head.message()?;
    let body = head.body(&message, data)?;
    let tensor = message.header_as_tensor().ok_or_else(|| {
        corrupt(format!("the object holds an Arrow {:?} message, expected a Tensor", message.header_type()))
    })?;
    let part = stored_type(&tensor)?;
    let elem = named.unwrap_or(part);
    if elem.stored() != part {
        return Err(corrupt(format!(
            "the metadata say that the element type is {elem}, but the message says {part}"
        )));
    }
    let (shape, names) = dimensions(&tensor, elem)?;
    // Only what is damaged can have a wrong shape here: the writer checks it.
    let as_corrupt = |wrong: Error| corrupt(wrong.message());
    let order = order_of(&tensor, elem, &shape, &names).map_err(as_corrupt)?;
    let layout = Layout::contiguous(elem, &shape, order, &names).map_err(as_corrupt)?;
    let placed = || {
        let start = usize::try_from(tensor.data().offset()).ok()?;
        let start = body.start.checked_add(start)?;
        let end = start.checked_add(usize::try_from(layout.byte_len()).ok()?)?;
        (end <= body.end).then_some(start)
    };
    let start = placed().ok_or_else(|| {
        corrupt(format!(
            "a {elem} tensor of shape {shape:?} needs {} bytes from byte {} of its body, which has {}",
            layout.byte_len(),
            tensor.data().offset(),
            body.len()
        ))
    })?;
    Ok((layout, start, body.end))
}

/// The type of the numbers that the message names.
fn stored_type(tensor: &ipc::Tensor<'_>) -> Result<Elem> {
    let int = tensor.type_as_int().map(|int| (int.bitWidth(), int.is_signed()));
    let float = tensor.type_as_floating_point().map(|float| float.precision());
    match (int, float) {
        (Some((8, true)), _) => Ok(Elem::Int8),
        (Some((16, true)), _) => Ok(Elem::Int16),
        (Some((32, true)), _) => Ok(Elem::Int32),
        (Some((64, true)), _) => Ok(Elem::Int64),
        (Some((8, false)), _) => Ok(Elem::Uint8),
        (Some((16, false)), _) => Ok(Elem::Uint16),
        (Some((32, false)), _) => Ok(Elem::Uint32),
        (Some((64, false)), _) => Ok(Elem::Uint64),
        (_, Some(ipc::Precision::HALF)) => Ok(Elem::Float16),
        (_, Some(ipc::Precision::SINGLE)) => Ok(Elem::Float32),
        (_, Some(ipc::Precision::DOUBLE)) => Ok(Elem::Float64),
        _ => Err(corrupt(format!(
            "the tensor's element type ({:?}) is not supported for tensors",
            tensor.type_type()
        ))),
    }
}

/// Sizes and names, without the dimension of the parts of complex numbers.
fn dimensions(tensor: &ipc::Tensor<'_>, elem: Elem) -> Result<(Vec<i64>, Vec<String>)> {
    let dims = tensor.shape();
    let most = MAX_DIMS + usize::from(elem.is_complex());
    if dims.len() > most {
        return Err(corrupt(format!(
            "the tensor has {} dimensions, but at most {most} are allowed",
            dims.len()
        )));
    }
    let mut shape: Vec<i64> = dims.iter().map(|dim| dim.size()).collect();
    let mut names: Vec<String> = dims.iter().map(|dim| dim.name().unwrap_or_default().to_owned()).collect();
    if elem.is_complex() {
        names.pop();
        let parts = shape.pop();
        if parts != Some(2) {
            return Err(corrupt(format!(
                "the last dimension of a {elem} tensor holds the two parts of each number, found {parts:?}"
            )));
        }
    }
    Ok((shape, names))
}

/// The order in which the message's strides say that the elements lie. Without strides it is C.
fn order_of(tensor: &ipc::Tensor<'_>, elem: Elem, shape: &[i64], names: &[String]) -> Result<Order> {
    let Some(strides) = tensor.strides() else {
        return Ok(Order::C);
    };
    let mut strides: Vec<i64> = strides.iter().collect();
    // Arrow's libraries leave the strides away, or empty, in tensors of no dimension.
    if strides.is_empty() {
        return Ok(Order::C);
    }
    if elem.is_complex() && strides.len() == shape.len() + 1 {
        let part = strides.pop();
        if part != Some(elem.stored().size() as i64) && !shape.contains(&0) {
            return Err(Error::invalid(format!("the parts of the {elem} numbers are {part:?} bytes apart")));
        }
    }
    let layout = Layout::strided(elem, shape, Some(&strides), names)?;
    layout.order().ok_or_else(|| {
        Error::invalid(format!(
            "the tensor of shape {shape:?} has byte strides {strides:?}: a tensor in a store must be \
             contiguous in C or F order"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::mutations;
    use super::*;
    use crate::error::Kind;

    fn object(layout: &Layout) -> (Vec<u8>, Vec<u8>) {
        let header = tensor_header(layout).unwrap();
        assert_eq!(header.bytes.len() % 64, 0);
        let mut data = header.bytes.clone();
        data.resize(data.len() + usize::try_from(header.body_size).unwrap(), 9);
        (data, header.metadata.clone())
    }

    #[test]
    fn every_type_rank_and_order_comes_back() {
        let shapes: [&[i64]; 7] =
            [&[], &[5], &[2, 3], &[3, 0, 4], &[1, 4, 1], &[1, 2, 1, 3, 1, 2, 1, 2], &[0]];
        for elem in Elem::ALL {
            for shape in shapes {
                for order in [Order::C, Order::F] {
                    let names: Vec<String> = (0..shape.len()).map(|dim| format!("d{dim}")).collect();
                    let layout = Layout::contiguous(elem, shape, order, &names).unwrap();
                    let (data, metadata) = object(&layout);
                    let (back, start) = read_tensor(&data, &metadata).unwrap();
                    assert_eq!((&back.elem, &back.shape, &back.names), (&elem, &layout.shape, &names));
                    assert!(back.is_contiguous(order), "{layout:?} {back:?}");
                    assert_eq!(start % 64, 0);
                    assert_eq!((data.len() - start) as u64, layout.byte_len());
                }
            }
        }
    }

    #[test]
    fn a_message_without_our_metadata_is_a_tensor_of_its_own_type() {
        let layout = Layout::contiguous(Elem::Complex64, &[3], Order::C, &["t".into()]).unwrap();
        let (data, _) = object(&layout);
        let (plain, _) = read_tensor(&data, b"").unwrap();
        assert_eq!((plain.elem, &plain.shape[..]), (Elem::Float32, &[3, 2][..]));
        assert_eq!(plain.names, ["t", "re_im"]);
    }

    #[test]
    fn other_objects_are_refused() {
        let layout = Layout::contiguous(Elem::Int16, &[3], Order::C, &[]).unwrap();
        let (data, metadata) = object(&layout);
        assert_eq!(read_tensor(&data, b"sdp:kind=table").unwrap_err().kind(), Kind::InvalidArgument);
        assert_eq!(read_tensor(&data, b"sdp:kind=tensor;sdp:elem=int32").unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(
            read_tensor(&data, b"sdp:kind=tensor;sdp:elem=complex64").unwrap_err().kind(),
            Kind::Corrupt
        );
        assert_eq!(read_tensor(&[], &metadata).unwrap_err().kind(), Kind::Corrupt);
        let gaps = Layout::strided(Elem::Int16, &[3, 2], Some(&[8, 2]), &[]).unwrap();
        assert!(tensor_header(&gaps).unwrap_err().message().contains("contiguous"));
        let mut nine = layout.clone();
        nine.shape = vec![1; 9];
        assert!(tensor_header(&nine).is_err());
    }

    #[test]
    fn what_was_read_before_is_said_of_equal_bytes_only() {
        let layout = Layout::contiguous(Elem::Float32, &[5], Order::C, &["i".into()]).unwrap();
        let (data, metadata) = object(&layout);
        let (first, start) = read_tensor(&data, &metadata).unwrap();
        let (again, same) = read_tensor(&data, &metadata).unwrap();
        assert!(Arc::ptr_eq(&first, &again) && start == same, "it was worked out again");
        // Its header fits, its body does not; its header has changed; its metadata say otherwise.
        assert_eq!(read_tensor(&data[..data.len() - 1], &metadata).unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(read_tensor(&data[..start - 1], &metadata).unwrap_err().kind(), Kind::Corrupt);
        let mut longer = data.clone();
        longer.extend_from_slice(&[0; 64]);
        assert_eq!(read_tensor(&longer, &metadata).unwrap(), (first, start));
        let other = Layout::contiguous(Elem::Float32, &[5], Order::C, &["j".into()]).unwrap();
        let (renamed, _) = object(&other);
        assert_eq!(read_tensor(&renamed, &metadata).unwrap().0.names, ["j"]);
        assert!(read_tensor(&data, b"sdp:kind=table").is_err());
        // The same to write: another layout is another header.
        assert_ne!(tensor_header(&layout).unwrap(), tensor_header(&other).unwrap());
        assert!(Arc::ptr_eq(&tensor_header(&layout).unwrap(), &tensor_header(&layout).unwrap()));
    }

    #[test]
    fn damaged_bytes_never_reach_outside() {
        for elem in [Elem::Complex128, Elem::Bool] {
            let names = ["row".into(), "chan".into()];
            let layout = Layout::contiguous(elem, &[4, 3], Order::F, &names).unwrap();
            let (data, metadata) = object(&layout);
            mutations(&data, |bytes| {
                if let Ok((layout, start)) = read_tensor(bytes, &metadata) {
                    assert!(start as u64 + layout.byte_len() <= bytes.len() as u64);
                    assert!(layout.shape.len() <= MAX_DIMS && layout.order().is_some());
                }
            });
            mutations(&metadata, |changed| {
                let _ = read_tensor(&data, changed);
            });
        }
    }
}

//! `.npy` files, as NumPy documents them: versions 1 to 3 are read, version 1 is written (2 where it must be).
//!
//! A file begins with `\x93NUMPY`, two bytes of version, the length of a header, and the header: a Python dictionary
//! literal of the element type, the order and the shape. The elements follow, without gaps.

use std::path::Path;

use sdp_dal::error::{Error, Result};
use sdp_dal::wire::{Elem, Layout, Order};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The header is filled with blanks, so that the elements begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// A tensor that was read.
pub struct Array {
    /// Type, shape and order.
    pub layout: Layout,
    /// The elements, little-endian.
    pub bytes: Vec<u8>,
}

/// Reads a file.
///
/// # Errors
/// `InvalidArgument` that names the file.
pub fn read(path: &Path) -> Result<Array> {
    let bytes = std::fs::read(path);
    let bytes =
        bytes.map_err(|error| Error::invalid(format!("{} cannot be read: {error}", path.display())))?;
    parse(&bytes).map_err(|error| error.context(path.display()))
}

/// Writes a file.
///
/// # Errors
/// `Io` that names the file.
pub fn write(path: &Path, layout: &Layout, bytes: &[u8]) -> Result<()> {
    let file = [header(layout), bytes.to_vec()].concat();
    std::fs::write(path, file).map_err(|error| Error::io(format!("writing {}", path.display()), &error))
}

fn parse(file: &[u8]) -> Result<Array> {
    let short = || Error::invalid("the file ends before its .npy header does");
    let rest = file.strip_prefix(MAGIC).ok_or_else(|| Error::invalid("this is not a .npy file"))?;
    let (version, rest) = rest.split_at_checked(2).ok_or_else(short)?;
    let (length, rest) = match version[0] {
        1 => rest.split_at_checked(2).ok_or_else(short)?,
        2 | 3 => rest.split_at_checked(4).ok_or_else(short)?,
        other => {
            return Err(Error::invalid(format!(
                "its .npy version is {other}, but only versions 1 to 3 are supported"
            )));
        }
    };
    let length = length.iter().rev().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    let (text, body) = rest.split_at_checked(length).ok_or_else(short)?;
    // Version 1 has Latin-1: its names of fields are of no concern here.
    let text = String::from_utf8_lossy(text);
    let (elem, swapped) = elem_of(field(&text, "descr")?)?;
    let order = match field(&text, "fortran_order")? {
        "True" => Order::F,
        "False" => Order::C,
        other => {
            return Err(Error::invalid(format!("its fortran_order is '{other}', neither True nor False")))
        }
    };
    let shape = shape_of(field(&text, "shape")?)?;
    let names = vec![String::new(); shape.len()];
    let layout = Layout::contiguous(elem, &shape, order, &names)?;
    let size = usize::try_from(layout.byte_len()).unwrap_or(usize::MAX);
    let body = body.get(..size).ok_or_else(|| {
        Error::invalid(format!("it has {} bytes of elements, but {elem}{shape:?} needs {size}", body.len()))
    })?;
    let mut bytes = body.to_vec();
    if swapped {
        let part = if elem.is_complex() { elem.size() / 2 } else { elem.size() };
        bytes.chunks_exact_mut(part).for_each(<[u8]>::reverse);
    }
    Ok(Array { layout, bytes })
}

/// The value of a key in the header's dictionary, as it is written.
fn field<'a>(text: &'a str, key: &str) -> Result<&'a str> {
    let missing = || Error::invalid(format!("its .npy header has no '{key}'"));
    let (at, quoted) = ["'", "\""]
        .iter()
        .find_map(|quote| {
            let quoted = format!("{quote}{key}{quote}");
            text.find(&quoted).map(|at| (at, quoted))
        })
        .ok_or_else(missing)?;
    let value = text[at + quoted.len()..].trim_start().strip_prefix(':').ok_or_else(missing)?.trim_start();
    let end = match value.chars().next() {
        Some('(') => value.find(')').map(|end| end + 1),
        Some('[') => value.rfind(']').map(|end| end + 1),
        Some(quote @ ('\'' | '"')) => value[1..].find(quote).map(|end| end + 2),
        _ => value.find([',', '}']),
    };
    Ok(value[..end.ok_or_else(missing)?].trim())
}

/// The element type, and whether its bytes are big-endian.
fn elem_of(descr: &str) -> Result<(Elem, bool)> {
    let unknown = || Error::invalid(format!("its elements are {descr}, which is not supported for tensors"));
    let name = descr.trim_matches(['\'', '"']);
    let (order, kind) = name.split_at_checked(1).ok_or_else(unknown)?;
    let elem = CODES.iter().find(|(_, code)| *code == kind).map(|(elem, _)| *elem).ok_or_else(unknown)?;
    match order {
        "<" | "|" | "=" => Ok((elem, false)),
        ">" => Ok((elem, true)),
        _ => Err(unknown()),
    }
}

/// NumPy's codes.
const CODES: [(Elem, &str); 14] = [
    (Elem::Bool, "b1"),
    (Elem::Int8, "i1"),
    (Elem::Int16, "i2"),
    (Elem::Int32, "i4"),
    (Elem::Int64, "i8"),
    (Elem::Uint8, "u1"),
    (Elem::Uint16, "u2"),
    (Elem::Uint32, "u4"),
    (Elem::Uint64, "u8"),
    (Elem::Float16, "f2"),
    (Elem::Float32, "f4"),
    (Elem::Float64, "f8"),
    (Elem::Complex64, "c8"),
    (Elem::Complex128, "c16"),
];

fn shape_of(text: &str) -> Result<Vec<i64>> {
    let wrong = || Error::invalid(format!("its shape is {text}, which is not a shape"));
    let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).ok_or_else(wrong)?;
    let sizes = inside.split(',').map(str::trim).filter(|size| !size.is_empty());
    // Python 2 wrote long numbers as `3L`.
    sizes.map(|size| size.trim_end_matches('L').parse().map_err(|_| wrong())).collect()
}

fn header(layout: &Layout) -> Vec<u8> {
    let code = CODES.iter().find(|(elem, _)| *elem == layout.elem).map_or("", |(_, code)| code);
    let order = if layout.elem.size() == 1 { '|' } else { '<' };
    let fortran = if layout.order() == Some(Order::F) { "True" } else { "False" };
    let shape: String = layout.shape.iter().map(|size| format!("{size}, ")).collect();
    let shape = if layout.shape.len() == 1 { shape.trim_end() } else { shape.trim_end_matches(", ") };
    let text = format!("{{'descr': '{order}{code}', 'fortran_order': {fortran}, 'shape': ({shape}), }}");
    // A header of a tensor's at most 32 sizes fits into version 1's 64 KB.
    let before = MAGIC.len() + 4;
    let length = (before + text.len() + 1).next_multiple_of(ALIGNMENT) - before;
    let length_bytes = u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    let mut header = [MAGIC, &[1, 0], &length_bytes, text.as_bytes()].concat();
    header.resize(before + length - 1, b' ');
    header.push(b'\n');
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, text: &str, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        let length = if version == 1 { &length[..2] } else { &length };
        [MAGIC, &[version, 0], length, text.as_bytes(), body].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        for (elem, _) in CODES {
            for (shape, order) in
                [(vec![], Order::C), (vec![3], Order::C), (vec![2, 3], Order::F), (vec![0, 4], Order::C)]
            {
                let names = vec![String::new(); shape.len()];
                let layout = Layout::contiguous(elem, &shape, order, &names).unwrap();
                let bytes = vec![1; usize::try_from(layout.byte_len()).unwrap()];
                let head = header(&layout);
                assert_eq!(head.len() % ALIGNMENT, 0);
                let array = parse(&[head, bytes.clone()].concat()).unwrap();
                assert_eq!((array.layout.shape, array.layout.strides), (layout.shape, layout.strides));
                assert_eq!((array.layout.elem, array.bytes), (elem, bytes));
            }
        }
    }

    #[test]
    fn other_writers_are_understood() {
        // Big-endian, another order of the keys, double quotes, version 2 and 3.
        for version in [1, 2, 3] {
            let text = "{\"shape\": (2,), \"fortran_order\": False, \"descr\": \">c8\"}\n";
            let array =
                parse(&file(version, text, &[1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9])).unwrap();
            assert_eq!(array.bytes, [4, 3, 2, 1, 8, 7, 6, 5, 0, 0, 0, 0, 9, 0, 0, 0]);
        }
        let wrong = |text: &str| parse(&file(1, text, &[0; 8])).err().unwrap().message().to_owned();
        let head = |descr: &str, order: &str, shape: &str| {
            wrong(&format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"))
        };
        assert!(head("'<M8[ns]'", "False", "(1,)").contains("M8"));
        assert!(head("[('a', '<i4'), ('b', '<i4')]", "False", "(1,)").contains("not supported for tensors"));
        assert!(head("'<f8'", "Maybe", "(1,)").contains("Maybe"));
        assert!(head("'<f8'", "False", "(-1,)").contains("-1"));
        assert!(head("'<f8'", "False", "(x,)").contains("(x,)"));
        assert!(head("'<f8'", "False", "(2,)").contains("8 bytes of elements"));
        assert!(wrong("{}").contains("'descr'"));
        assert!(parse(b"PK").err().unwrap().message().contains("not a .npy file"));
        assert!(parse(MAGIC).is_err() && parse(&file(9, "", &[])).is_err());
    }
}

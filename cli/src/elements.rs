//! Elements of tensors as text, both ways.

use half::f16;
use sdp_dal::error::{Error, Result};
use sdp_dal::wire::{Elem, Layout};

/// An element as text; its bytes are little-endian.
pub fn text(elem: Elem, bytes: &[u8]) -> String {
    macro_rules! number {
        ($type:ty) => {{
            let size = size_of::<$type>();
            bytes
                .get(..size)
                .and_then(|bytes| bytes.try_into().ok())
                .map(<$type>::from_le_bytes)
                .unwrap_or_default()
        }};
    }
    let part = |at: usize| bytes.get(at..).unwrap_or_default();
    match elem {
        Elem::Bool => (number!(u8) != 0).to_string(),
        Elem::Int8 => number!(i8).to_string(),
        Elem::Int16 => number!(i16).to_string(),
        Elem::Int32 => number!(i32).to_string(),
        Elem::Int64 => number!(i64).to_string(),
        Elem::Uint8 => number!(u8).to_string(),
        Elem::Uint16 => number!(u16).to_string(),
        Elem::Uint32 => number!(u32).to_string(),
        Elem::Uint64 => number!(u64).to_string(),
        Elem::Float16 => format!("{:?}", number!(f16).to_f32()),
        Elem::Float32 => format!("{:?}", number!(f32)),
        Elem::Float64 => format!("{:?}", number!(f64)),
        Elem::Complex64 => complex(&text(Elem::Float32, bytes), &text(Elem::Float32, part(4))),
        Elem::Complex128 => complex(&text(Elem::Float64, bytes), &text(Elem::Float64, part(8))),
    }
}

fn complex(re: &str, im: &str) -> String {
    let sign = if im.starts_with('-') { "" } else { "+" };
    format!("{re}{sign}{im}j")
}

/// The first elements in C order, as `[1.0, 2.0, ...]`; of a tensor without dimensions the one it has.
pub fn first(layout: &Layout, bytes: &[u8], most: usize) -> String {
    let count = usize::try_from(layout.len()).unwrap_or(usize::MAX);
    let mut index = vec![0_i64; layout.shape.len()];
    let mut texts = Vec::new();
    for _ in 0..count.min(most) {
        let at: i64 = index.iter().zip(&layout.strides).map(|(index, stride)| index * stride).sum();
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        texts.push(text(layout.elem, bytes.get(from..).unwrap_or_default()));
        for dim in (0..index.len()).rev() {
            index[dim] += 1;
            if index[dim] < layout.shape[dim] {
                break;
            }
            index[dim] = 0;
        }
    }
    if layout.shape.is_empty() {
        return texts.concat();
    }
    let more = if count > most { ", ..." } else { "" };
    format!("[{}{more}]", texts.join(", "))
}

/// Appends an element that people wrote.
///
/// # Errors
/// `InvalidArgument` that says what was expected.
pub fn parse(elem: Elem, word: &str, out: &mut Vec<u8>) -> Result<()> {
    let wrong = || Error::invalid(format!("'{word}' is not a value of type {elem}"));
    macro_rules! number {
        ($type:ty) => {
            out.extend_from_slice(&word.parse::<$type>().map_err(|_| wrong())?.to_le_bytes())
        };
    }
    match elem {
        Elem::Bool => out.push(match word {
            "true" | "True" | "1" => 1,
            "false" | "False" | "0" => 0,
            _ => return Err(wrong()),
        }),
        Elem::Int8 => number!(i8),
        Elem::Int16 => number!(i16),
        Elem::Int32 => number!(i32),
        Elem::Int64 => number!(i64),
        Elem::Uint8 => number!(u8),
        Elem::Uint16 => number!(u16),
        Elem::Uint32 => number!(u32),
        Elem::Uint64 => number!(u64),
        Elem::Float16 => {
            let value = f16::from_f32(word.parse().map_err(|_| wrong())?);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Elem::Float32 => number!(f32),
        Elem::Float64 => number!(f64),
        Elem::Complex64 | Elem::Complex128 => {
            let (re, im) = parts(word).ok_or_else(wrong)?;
            let part = if elem == Elem::Complex64 { Elem::Float32 } else { Elem::Float64 };
            parse(part, re, out).and_then(|()| parse(part, im, out)).map_err(|_| wrong())?;
        }
    }
    Ok(())
}

/// Real and imaginary part of `1+2j`, `1`, `2j`, `-1e-3-2e+5j`.
fn parts(word: &str) -> Option<(&str, &str)> {
    let word = word.trim_start_matches('(').trim_end_matches(')');
    let Some(rest) = word.strip_suffix(['j', 'J', 'i']) else { return Some((word, "0")) };
    let signs = rest.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    let is_exponent = |at: usize| rest[..at].ends_with(['e', 'E']);
    match signs.map(|(at, _)| at).filter(|at| !is_exponent(*at)).last() {
        Some(at) => Some(rest.split_at(at)),
        None => Some(("0", rest)),
    }
}

/// Shape and elements of nested brackets, `[[1, 2], [3, 4]]`, or of one number.
///
/// # Errors
/// `InvalidArgument` if it is not a box of numbers of this type.
pub fn parse_tensor(elem: Elem, text: &str) -> Result<(Vec<i64>, Vec<u8>)> {
    let mut reader = Reader { elem, rest: text.trim(), bytes: Vec::new() };
    let shape = reader.value()?;
    if !reader.rest.is_empty() {
        return Err(Error::invalid(format!("found '{}' after the last bracket of the tensor", reader.rest)));
    }
    Ok((shape, reader.bytes))
}

struct Reader<'a> {
    elem: Elem,
    rest: &'a str,
    bytes: Vec<u8>,
}

impl Reader<'_> {
    fn skip(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        let found = self.rest.strip_prefix(c);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn value(&mut self) -> Result<Vec<i64>> {
        if !self.skip('[') {
            let end = self.rest.find([',', ']', '[']).unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            // JSON has no complex numbers: they come as texts.
            parse(self.elem, word.trim().trim_matches('"'), &mut self.bytes)?;
            return Ok(vec![]);
        }
        let mut inner: Option<Vec<i64>> = None;
        let mut count = 0;
        while !self.skip(']') {
            if count > 0 && !self.skip(',') {
                return Err(Error::invalid("a bracket of the tensor is not closed, or a comma is missing"));
            }
            let shape = self.value()?;
            if inner.as_ref().is_some_and(|inner| *inner != shape) {
                return Err(Error::invalid("the rows of the tensor have different lengths"));
            }
            inner = Some(shape);
            count += 1;
        }
        Ok([vec![count], inner.unwrap_or_default()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdp_dal::wire::Order;

    #[test]
    fn elements_go_both_ways() {
        for (elem, words) in [
            (Elem::Bool, vec!["true", "false"]),
            (Elem::Int8, vec!["-128", "7"]),
            (Elem::Uint64, vec!["18446744073709551615"]),
            (Elem::Float16, vec!["0.5", "-2.0", "inf"]),
            (Elem::Float32, vec!["1e-20", "NaN"]),
            (Elem::Float64, vec!["0.1", "-0.0"]),
            (Elem::Complex64, vec!["1.0+2.0j", "0.0-1.5j"]),
            (Elem::Complex128, vec!["-1e-30-2e100j"]),
        ] {
            for word in words {
                let mut bytes = Vec::new();
                parse(elem, word, &mut bytes).unwrap();
                assert_eq!(bytes.len(), elem.size());
                assert_eq!(text(elem, &bytes), word, "{elem}");
            }
        }
        let mut bytes = Vec::new();
        for (word, read) in
            [("3", "3.0+0.0j"), ("2j", "0.0+2.0j"), ("(1-2j)", "1.0-2.0j"), ("1e-3+1e+2j", "0.001+100.0j")]
        {
            bytes.clear();
            parse(Elem::Complex128, word, &mut bytes).unwrap();
            assert_eq!(text(Elem::Complex128, &bytes), read);
        }
        for (elem, word) in
            [(Elem::Int8, "128"), (Elem::Bool, "2"), (Elem::Float64, "x"), (Elem::Complex64, "1+xj")]
        {
            assert!(parse(elem, word, &mut bytes).unwrap_err().message().contains(word));
        }
    }

    #[test]
    fn brackets_are_tensors() {
        let shape = |text| parse_tensor(Elem::Int8, text).map(|(shape, bytes)| (shape, bytes.len()));
        assert_eq!(shape("7").unwrap(), (vec![], 1));
        assert_eq!(shape(" [1, 2 ,3] ").unwrap(), (vec![3], 3));
        assert_eq!(shape("[[1,2],[3,4],[5,6]]").unwrap(), (vec![3, 2], 6));
        assert_eq!(shape("[]").unwrap(), (vec![0], 0));
        for wrong in ["[1", "[1 2]", "[[1],[2,3]]", "[1]]", "[1,]", "", "[1,[2]]"] {
            assert!(shape(wrong).is_err(), "{wrong}");
        }
        let (shape, bytes) = parse_tensor(Elem::Complex64, "[\"1+2j\", 3j]").unwrap();
        assert_eq!((shape, bytes.len()), (vec![2], 16));
    }

    #[test]
    fn the_first_elements_are_in_c_order() {
        let layout =
            |order| Layout::contiguous(Elem::Int8, &[2, 3], order, &[String::new(), String::new()]).unwrap();
        let bytes = [1, 2, 3, 4, 5, 6];
        assert_eq!(first(&layout(Order::C), &bytes, 4), "[1, 2, 3, 4, ...]");
        assert_eq!(first(&layout(Order::F), &bytes, 6), "[1, 3, 5, 2, 4, 6]");
        let one = Layout::contiguous(Elem::Int8, &[], Order::C, &[]).unwrap();
        assert_eq!(first(&one, &bytes, 6), "1");
    }
}

//! Texts that C borrows from a handle.

use std::ffi::{c_char, CString};
use std::ptr;

use crate::wire::Metadata;

/// Texts, and arrays of them, that stay where they are as long as this lives.
#[derive(Default)]
pub(super) struct Texts {
    texts: Vec<CString>,
    arrays: Vec<Box<[*const c_char]>>,
}

// SAFETY: the pointers lead to the texts of this, which nothing changes once they are here.
unsafe impl Send for Texts {}
// SAFETY: as above.
unsafe impl Sync for Texts {}

impl Texts {
    /// A text; what lies behind its first NUL is left out.
    pub(super) fn lend(&mut self, text: &str) -> *const c_char {
        let end = text.find('\0').unwrap_or(text.len());
        // What a CString points to does not move with it.
        let text = CString::new(&text[..end]).unwrap_or_default();
        let at = text.as_ptr();
        self.texts.push(text);
        at
    }

    /// An array of texts; NULL for none.
    pub(super) fn lend_all<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> *const *const c_char {
        let array: Box<[_]> = texts.into_iter().map(|text| self.lend(text)).collect();
        if array.is_empty() {
            return ptr::null();
        }
        let at = array.as_ptr();
        self.arrays.push(array);
        at
    }

    /// The keys and the values of metadata.
    pub(super) fn lend_metadata(&mut self, metadata: &Metadata) -> LentMetadata {
        LentMetadata {
            keys: self.lend_all(metadata.keys().map(String::as_str)),
            values: self.lend_all(metadata.values().map(String::as_str)),
            count: metadata.len(),
        }
    }
}

/// Metadata as infos have them.
#[derive(Clone, Copy)]
pub(super) struct LentMetadata {
    pub keys: *const *const c_char,
    pub values: *const *const c_char,
    pub count: usize,
}

/// Infos of the header, with the texts that they point to: what a list is made of.
pub(super) struct Infos<T> {
    infos: Vec<T>,
    _texts: Texts,
}

// SAFETY: the infos point to the texts beside them, or to nothing.
unsafe impl<T> Send for Infos<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Infos<T> {}

impl<T: Copy> Infos<T> {
    /// An info for each item; `info` makes it and lends it its texts.
    pub(super) fn new<I>(items: &[I], info: impl Fn(&I, &mut Texts) -> T) -> Infos<T> {
        let mut texts = Texts::default();
        Infos { infos: items.iter().map(|item| info(item, &mut texts)).collect(), _texts: texts }
    }

    pub(super) fn len(&self) -> usize {
        self.infos.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<T> {
        self.infos.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn read<'a>(text: *const c_char) -> &'a str {
        // SAFETY: lent by the texts of the test, which live longer.
        unsafe { CStr::from_ptr(text) }.to_str().unwrap()
    }

    #[test]
    fn texts_stay_where_they_are() {
        let mut texts = Texts::default();
        let first = texts.lend("first");
        let array = texts.lend_all(["a", "", "c\0d"]);
        let more: Vec<_> = (0..1000).map(|nth| texts.lend(&nth.to_string())).collect();
        let texts = Box::new(texts);
        assert_eq!((read(first), read(more[999])), ("first", "999"));
        // SAFETY: an array of three.
        let array = unsafe { std::slice::from_raw_parts(array, 3) };
        assert_eq!(array.iter().map(|text| read(*text)).collect::<Vec<_>>(), ["a", "", "c"]);
        drop(texts);
        assert!(Texts::default().lend_all([]).is_null());
    }
}

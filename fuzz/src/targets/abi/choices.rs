//! What a program passes: handles, texts, numbers and memory, each chosen by bytes of the input.

use std::ffi::CString;
use std::ptr::null_mut;

use super::by_hand::function;
use super::generated::{self as c, HANDLES};
use super::{kind_of, Machine, Made, Out, ARRAY, BYTES, GARBAGE, P};
use crate::targets::damage::SIGNATURE;

pub(super) const SIGNATURES: [&str; 7] = [
    SIGNATURE,
    "keep(t: table, n: utf8?) -> (o: oid)",
    "notify(x: int64)",
    "grid(vis: complex64[row,chan] F, w: float64[row]?, id: id) -> (img: float32[x,y] F)",
    "f(",
    "any(v: list<int64>?, c: complex128) -> (o: oid?)",
    "simple_fn(x: float64)",
];
const WORDS: [&str; 16] = [
    "x",
    "ys",
    "zs",
    "simple_fn",
    "keep",
    "notify",
    "t",
    "n",
    "o",
    "i",
    "row",
    "",
    "sdp:kind=tensor",
    "int64",
    "000102030405060708090a0b0c0d0e0f10111213",
    "proc:name",
];
pub(super) const SHAPES: [i64; 12] = [3, 0, 1, 2, 5, 64, -1, 1 << 40, i64::MAX, i64::MIN, 1 << 62, 1000];
const NUMBERS: [u64; 12] = [0, 1, 2, 3, 100, 4096, 1 << 20, 1 << 31, 1 << 62, 1 << 63, u64::MAX, 7];

impl Machine<'_, '_> {
    pub(super) fn byte(&mut self) -> usize {
        usize::from(self.bytes.arbitrary::<u8>().unwrap_or(1))
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.byte() % from.len()]
    }

    /// Once in so many times.
    pub(super) fn rarely(&mut self, times: usize) -> bool {
        self.byte() % times == times - 1
    }

    pub(super) fn chunk(&mut self, bytes: usize) -> *mut u64 {
        self.memory.push(vec![0; bytes.div_ceil(8)].into());
        self.memory.last_mut().map_or(null_mut(), |memory| memory.as_mut_ptr())
    }

    pub(super) fn handle(&mut self, kind: usize) -> P {
        if self.rarely(40) {
            // NULL, or a handle of another kind; DLPack's structs say nothing about themselves.
            let other = self.byte() % HANDLES.len();
            let of_ours = HANDLES[other].starts_with("sdp_dal") && HANDLES[kind].starts_with("sdp_dal");
            return self.pools[other].last().copied().filter(|_| of_ours).unwrap_or(null_mut());
        }
        let nth = self.byte();
        let pool = &self.pools[kind];
        if pool.is_empty() {
            null_mut()
        } else {
            // The youngest are more often used.
            pool[pool.len() - 1 - (nth % pool.len()).min(nth % 7)]
        }
    }

    /// A handle that ends with the call.
    pub(super) fn take(&mut self, kind: usize) -> P {
        if self.rarely(8) || self.pools[kind].is_empty() {
            return null_mut();
        }
        let nth = self.byte() % self.pools[kind].len();
        self.pools[kind].remove(nth)
    }

    pub(super) fn handles(&mut self, kind: usize) -> P {
        if self.rarely(16) {
            return null_mut();
        }
        let place = self.chunk(8 * ARRAY);
        for nth in 0..8 {
            let handle = self.handle(kind);
            // SAFETY: inside the chunk.
            unsafe { place.add(nth).write(handle as u64) };
        }
        place.cast()
    }

    pub(super) fn out_handle(&mut self, kind: usize, made: Made) -> P {
        if self.rarely(64) {
            return null_mut();
        }
        let mut place = Box::new([GARBAGE; ARRAY]);
        let at = place.as_mut_ptr();
        self.outs.push(Out { kind, made, place });
        at.cast()
    }

    /// Which of DLPack's structs: what was chosen for the same call, if it was.
    pub(super) fn version(&mut self) -> i32 {
        if self.rarely(16) {
            return self.pick(&[2, -1, i32::MAX]);
        }
        let versioned = self.versioned.unwrap_or_else(|| self.flag());
        self.versioned = Some(versioned);
        i32::from(versioned)
    }

    pub(super) fn in_dlpack(&mut self) -> P {
        let versioned = self.flag();
        self.versioned = Some(versioned);
        self.dlpack_of(versioned).map_or(null_mut(), |kind| self.handle(kind))
    }

    pub(super) fn out_dlpack(&mut self) -> P {
        // A version that is none makes none.
        let kind = self.dlpack_of(self.versioned.unwrap_or(false));
        kind.map_or(null_mut(), |kind| self.out_handle(kind, Made::One))
    }

    fn dlpack_of(&self, versioned: bool) -> Option<usize> {
        let name = if versioned { "DLManagedTensorVersioned" } else { "DLManagedTensor" };
        HANDLES.iter().position(|handle| *handle == name)
    }

    /// A handle that belongs to another one.
    pub(super) fn out_borrowed(&mut self) -> P {
        self.out()
    }

    pub(super) fn out(&mut self) -> P {
        if self.rarely(64) {
            return null_mut();
        }
        self.chunk(8 * ARRAY).cast()
    }

    pub(super) fn c_text(&mut self, bytes: Vec<u8>) -> P {
        let text = CString::new(bytes).unwrap_or_default();
        let at = text.as_ptr();
        self.strings.push(text);
        at.cast_mut().cast()
    }

    pub(super) fn text(&mut self, name: &str) -> P {
        let how = self.byte();
        match how % 32 {
            0 => return null_mut(),
            1 => return self.c_text(vec![b'a', 0xff, 0xc0, 0x80]),
            2 => return self.c_text(vec![b'x'; 5000]),
            3 | 4 if name != "path" => {
                if let Some(said) = self.said.clone() {
                    return self.c_text(said.into_bytes());
                }
            }
            _ => {}
        }
        let text = match name {
            "path" => {
                let [path, other] = self.paths.clone();
                [path.clone(), other, path, "/dev/shm".into(), String::new()][(how >> 5) % 5].clone()
            }
            "signature" => self.pick(&SIGNATURES).to_owned(),
            "type_text" => self
                .pick(&["int64", "utf8", "list<int8>", "table", "nonsense<", "float64[i,j=3] F", "oid", "id"])
                .to_owned(),
            _ => self.pick(&WORDS).to_owned(),
        };
        self.c_text(text.into_bytes())
    }

    pub(super) fn texts(&mut self) -> P {
        if self.rarely(8) {
            return null_mut();
        }
        let signatures = self.rarely(2);
        let place = self.chunk(8 * ARRAY);
        for nth in 0..ARRAY {
            let text =
                if nth < 4 { self.text(if signatures { "signature" } else { "" }) } else { null_mut() };
            // SAFETY: inside the chunk.
            unsafe { place.add(nth).write(text as u64) };
        }
        place.cast()
    }

    /// Room for a text.
    pub(super) fn buffer(&mut self) -> P {
        self.length = self.pick(&[BYTES, BYTES, BYTES, 1, 2, 0]);
        if self.length == 0 && self.rarely(2) {
            return null_mut();
        }
        // As many numbers, for those who count them.
        let at = self.chunk(4 * BYTES);
        self.text = Some(self.memory.len() - 1);
        at.cast()
    }

    pub(super) fn length(&mut self) -> P {
        let length = std::mem::take(&mut self.length);
        let at = self.chunk(8);
        // SAFETY: inside the chunk.
        unsafe { at.write(length as u64) };
        at.cast()
    }

    /// Bytes, the first of them IDs that there are.
    pub(super) fn bytes(&mut self) -> P {
        if self.rarely(24) {
            return null_mut();
        }
        let at = self.chunk(BYTES).cast::<u8>();
        for nth in 0..8 {
            let id = self.an_id();
            // SAFETY: inside the chunk.
            unsafe { at.add(20 * nth).copy_from(id.as_ptr(), 20) };
        }
        at.cast()
    }

    fn an_id(&mut self) -> [u8; 20] {
        let mut id = [u8::try_from(self.byte()).unwrap_or(0); 20];
        if self.rarely(3) {
            return id;
        }
        let reference = self.handle(kind_of("sdp_dal_ref"));
        let info = self.chunk(56);
        // SAFETY: a living handle or none, and room for a sdp_dal_ref_info, in which the ID is the last but one.
        unsafe {
            info.write(56);
            if c::sdp_dal_ref_get_info(reference, info.cast()) == 0 {
                id.as_mut_ptr().copy_from(info.cast::<u8>().add(32), id.len());
            }
        }
        id
    }

    pub(super) fn size(&mut self) -> usize {
        self.pick(&[0, 1, 4, 5, 20, 64, 4000, 3])
    }

    pub(super) fn count(&mut self) -> usize {
        self.count = self.pick(&[0, 1, 2, 3, 8, 1]);
        self.count
    }

    /// For as many IDs as the last count says.
    pub(super) fn room_for_ids(&mut self) -> P {
        if self.count == 0 && self.rarely(2) {
            return null_mut();
        }
        self.chunk(self.count * 20).cast()
    }

    pub(super) fn index(&mut self) -> usize {
        self.pick(&[0, 1, 2, 3, 7, usize::MAX, 1 << 40, 0])
    }

    pub(super) fn small(&mut self) -> i32 {
        self.pick(&[0, 1, 2, 5, 12, 13, 14, 3, -1, 99, i32::MAX, i32::MIN, -2, -7, 6, 10])
    }

    pub(super) fn ndim(&mut self) -> i32 {
        self.pick(&[1, 2, 0, 1, 3, 8, 9, 64, -1])
    }

    pub(super) fn flag(&mut self) -> bool {
        self.rarely(2)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.pick(&NUMBERS)
    }

    pub(super) fn double(&mut self) -> f64 {
        self.pick(&[0.5, 0.0, -1.0, f64::NAN, f64::INFINITY, 1e308, 1.0])
    }

    pub(super) fn timeout(&mut self) -> i64 {
        self.pick(&[0, 0, 0, 1, 100_000, -2, i64::MIN])
    }

    pub(super) fn user_data(&mut self) -> P {
        std::ptr::without_provenance_mut(self.byte() % 8)
    }

    pub(super) fn function(&mut self) -> P {
        if self.rarely(4) {
            null_mut()
        } else {
            function as P
        }
    }

    pub(super) fn shape(&mut self) -> P {
        if self.rarely(24) {
            return null_mut();
        }
        let at = self.chunk(8 * ARRAY);
        for nth in 0..ARRAY {
            let size = if nth > 8 || !self.rarely(6) { [3, 2, 1][nth % 3] } else { self.pick(&SHAPES) };
            // SAFETY: inside the chunk.
            unsafe { at.cast::<i64>().add(nth).write(size) };
        }
        at.cast()
    }
}

//! Calls: which function is next, what its status and its out-parameters must be, and how the handles that it made end.

use std::ffi::CString;
use std::ptr::null_mut;

use super::generated::{self as c, FUNCTIONS, HANDLES};
use super::{kind_of, Machine, Made, Out, ARRAY, GARBAGE, P};

/// Most handles of a kind at a time.
const MOST_HANDLES: usize = 24;
/// The lowest status that the header names.
const LAST_STATUS: i32 = -23;
const INTERNAL: i32 = -22;

impl Machine<'_, '_> {
    /// What every status is looked at for.
    pub(super) fn ended(&mut self, name: &str, status: i32) {
        assert!((LAST_STATUS..=0).contains(&status), "{name} returned {status}");
        let said = last_error();
        assert_ne!(status, INTERNAL, "{name}: {said}");
        assert!(status == 0 || !said.is_empty(), "{name} returned {status} and says nothing");
        for out in std::mem::take(&mut self.outs) {
            let made = match out.made {
                Made::One => 1,
                _ if status != 0 => 0,
                Made::Counted => self.count,
                Made::Some => out.place.iter().take_while(|value| **value != GARBAGE).count(),
            };
            let (found, many) = (&out.place[..made], out.made != Made::One);
            for value in found {
                assert_ne!(*value, GARBAGE, "{name} returned {status} and left its out-parameter as it was");
                assert!(status == 0 || *value == 0, "{name} returned {status} and a handle");
                assert!(status != 0 || many || *value != 0, "{name} returned OK and no handle");
                if *value != 0 {
                    self.arrived(
                        out.kind,
                        std::ptr::with_exposed_provenance_mut(usize::try_from(*value).unwrap_or(0)),
                    );
                }
            }
        }
        if let Some(text) = self.text.take().filter(|_| status == 0) {
            let words = &self.memory[text];
            let bytes: Vec<u8> =
                words.iter().flat_map(|word| word.to_le_bytes()).take_while(|byte| *byte != 0).collect();
            self.said = CString::new(bytes).ok().filter(|text| !text.is_empty()).or(self.said.take());
        }
        self.ended_otherwise();
    }

    pub(super) fn ended_otherwise(&mut self) {
        self.outs.clear();
        self.text = None;
        self.value_type = None;
        self.versioned = None;
        self.schemas.clear();
        self.arrays.clear();
        self.streams.clear();
    }

    /// A new handle: what can be read of it is read.
    fn arrived(&mut self, kind: usize, handle: P) {
        if HANDLES[kind] == "sdp_dal_buffer" {
            // The fields of sdp_dal_buffer_info: its size, data and how much, metadata and how much, ID.
            let mut info = [64_usize, 0, 0, 0, 0, 0, 0, 0];
            // SAFETY: a living handle, and room for the struct.
            if unsafe { c::sdp_dal_buffer_get_info(handle, info.as_mut_ptr().cast()) } == 0 {
                read(std::ptr::with_exposed_provenance(info[1]), info[2]);
                read(std::ptr::with_exposed_provenance(info[3]), info[4]);
            }
        }
        self.pools[kind].push(handle);
        if self.pools[kind].len() > MOST_HANDLES {
            let oldest = self.pools[kind].remove(0);
            finish(kind, oldest);
        }
    }

    pub(super) fn step(&mut self) {
        let chosen = self.bytes.arbitrary::<u16>().unwrap_or(0);
        if chosen.is_multiple_of(4) {
            self.by_hand(chosen / 4);
            return;
        }
        let (first, anything) = (usize::from(chosen) % FUNCTIONS.len(), chosen >> 12 == 0);
        // The next function for which there are handles.
        let usable = |function: &usize| {
            let (_, needs) = FUNCTIONS[*function];
            anything || needs.iter().all(|kind| !self.pools[*kind].is_empty())
        };
        let function = (0..32).map(|more| (first + more) % FUNCTIONS.len()).find(usable);
        if let Some(function) = function {
            // SAFETY: the header's rules are kept: living handles, pointers to enough memory.
            unsafe { c::call(function, self) };
        }
    }

    /// A call with these places for handles, whatever it returns.
    pub(super) fn made(&mut self, kind: &str, make: impl FnOnce(P) -> i32) -> P {
        let mut place = Box::new([GARBAGE; ARRAY]);
        let status = make(place.as_mut_ptr().cast());
        self.outs.push(Out { kind: kind_of(kind), made: Made::One, place });
        let before = self.pools[kind_of(kind)].len();
        self.ended(kind, status);
        let pool = &self.pools[kind_of(kind)];
        pool.last().copied().filter(|_| pool.len() > before).unwrap_or(null_mut())
    }

    pub(super) fn newest(&self, kind: &str) -> P {
        self.pools[kind_of(kind)].last().copied().unwrap_or(null_mut())
    }

    /// Frees everything, stores last or first, as the program says.
    pub(super) fn end(&mut self) {
        let backwards = self.rarely(2);
        for store in self.pools[kind_of("sdp_dal_store")].clone() {
            // SAFETY: a living handle.
            unsafe { c::sdp_dal_store_interrupt(store, false) };
        }
        // SAFETY: a living handle.
        unsafe { c::sdp_dal_store_interrupt(self.store, false) };
        let mut kinds: Vec<usize> = (0..HANDLES.len()).collect();
        if backwards {
            kinds.reverse();
        }
        let store = kind_of("sdp_dal_store");
        self.pools[store].push(self.store);
        for kind in kinds {
            for handle in std::mem::take(&mut self.pools[kind]) {
                finish(kind, handle);
            }
        }
    }
}

/// Ends a handle.
fn finish(kind: usize, handle: P) {
    // SAFETY: a living handle of this kind, which nothing names any more.
    unsafe {
        match HANDLES[kind] {
            // Behind the tensor's eight words and the context; behind version and context.
            "DLManagedTensor" => delete(handle, 7),
            "DLManagedTensorVersioned" => delete(handle, 2),
            _ => c::end(kind, handle),
        }
    }
}

/// Calls the deleter that stands in this word of a DLPack struct.
unsafe fn delete(managed: P, word: usize) {
    // SAFETY: the struct has that word, and in it a function or nothing.
    let deleter = unsafe { managed.cast::<Option<unsafe extern "C" fn(P)>>().add(word).read() };
    if let Some(deleter) = deleter {
        // SAFETY: called once, with its own struct.
        unsafe { deleter(managed) };
    }
}

pub(super) fn read(data: *const u8, size: usize) {
    for at in 0..if data.is_null() { 0 } else { size } {
        // SAFETY: the library says that so many bytes are there; if they are not, that is what is looked for.
        std::hint::black_box(unsafe { data.add(at).read_volatile() });
    }
}

pub(super) fn last_error() -> String {
    let (mut buffer, mut length) = ([0_u8; 2049], 2049_usize);
    // SAFETY: room for so many bytes.
    unsafe { c::sdp_dal_last_error(buffer.as_mut_ptr().cast(), (&raw mut length).cast()) };
    String::from_utf8_lossy(buffer.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

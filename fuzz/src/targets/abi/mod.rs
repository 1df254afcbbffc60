//! Programs of calls of the C ABI, within the header's rules: a handle is not used after its end, pointers are NULL or point
//! to as much as they must. Everything else is fair: NULL, handles of another kind, bad UTF-8, huge shapes, wrong sizes.
//!
//! `build.rs` makes of the header a call of every function; what it passes, a `Machine` chooses by the parameter's type and
//! name. Each status must be one that the header knows, and not INTERNAL. In the end everything is freed, and the store must be
//! sound and empty.
//!
//! `choices` takes handles, texts and numbers from the input, `structs` and `arrow` fill structs with them, `calls` makes the
//! calls and checks how they end, and `by_hand` makes those that chance hardly ever makes together.

mod arrow;
mod by_hand;
mod calls;
mod choices;
mod structs;

use std::ffi::{c_void, CString};
use std::ptr::null_mut;

use arbitrary::Unstructured;
use sdp_dal::arrow::datatypes::DataType;
use sdp_dal::arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use sdp_dal::arrow::ffi_stream::FFI_ArrowArrayStream;
use sdp_dal::store::{DeleteMode, Store};

use super::damage::{options, random_seeds};
use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "abi",
    about: "programs of calls of the C interface",
    run,
    words: &[&[0xff; 2], &[0; 8]],
    longest: 4096,
    seeds: || random_seeds(12, 600),
};

/// A pointer of any type.
type P = *mut c_void;

#[allow(clippy::undocumented_unsafe_blocks, reason = "declarations, and calls whose rules the machine keeps")]
mod generated {
    use super::{null_mut as null, Machine, Made, P};

    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

use generated::HANDLES;

/// Most calls of a program.
const MOST: usize = 150;
/// Elements of every array that is passed; counts are at most that.
const ARRAY: usize = 64;
/// Bytes of every buffer that is passed, and of every struct.
const BYTES: usize = 4096;
/// Names that out-parameters are told from.
const GARBAGE: u64 = 0xaaaa_aaaa_aaaa_aaaa;

/// Runs an input.
pub fn run(input: &[u8]) {
    let (path, other) = (super::path("abi"), super::path("abi-other"));
    // SAFETY: no other thread of this process reads it now: those of an event descriptor have ended with their stores.
    unsafe { std::env::set_var("SDP_DAL_STORE", &other) };
    let witness = Store::open(&path, &sdp_dal::store::StoreOptions { size: Some(4 << 20), ..options() });
    let witness = witness.unwrap_or_else(|error| panic!("{error}"));
    let mut bytes = Unstructured::new(input);
    let mut machine = Machine::new(&mut bytes, [&path, &other].map(|path| path.display().to_string()));
    machine.begin();
    for _ in 0..MOST {
        if machine.bytes.is_empty() {
            break;
        }
        machine.step();
    }
    machine.end();
    is_empty(&witness);
}

/// Nothing is left but what is kept, or stays until it is evicted, and that can be deleted.
fn is_empty(store: &Store) {
    let good = |what: &str, error| -> ! { panic!("after everything was freed, {what}: {error}") };
    assert_eq!(store.check().unwrap_or_else(|error| good("check", error)), Vec::<String>::new());
    let mut objects = store.list(b"").unwrap_or_else(|error| good("list", error));
    // A declaration goes with the last object of its namespace, if it is not kept itself.
    objects.sort_by_key(|object| object.id.is_declaration());
    for object in &objects {
        let stays = object.keep || object.evictable;
        assert!(stays || object.id.is_declaration(), "{} is left: {object:?}", object.id);
        if stays {
            store.delete(&object.id, DeleteMode::Now).unwrap_or_else(|error| good("delete", error));
        }
    }
    let stat = store.stat().unwrap_or_else(|error| good("stat", error));
    assert_eq!((stat.objects, stat.used), (0, 0), "left: {:?}", store.list(b""));
    assert_eq!(store.check().unwrap_or_else(|error| good("check", error)), Vec::<String>::new());
}

/// Where a function writes a handle.
struct Out {
    kind: usize,
    made: Made,
    place: Box<[u64; ARRAY]>,
}

/// How many handles a function makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    One,
    /// As many as were asked for.
    Counted,
    /// As many as it writes.
    Some,
}

/// Chooses arguments, and knows the handles.
struct Machine<'a, 'b> {
    bytes: &'a mut Unstructured<'b>,
    /// Living handles by kind.
    pools: Vec<Vec<P>>,
    /// The program's own handle of the store.
    store: P,
    paths: [String; 2],
    /// Memory that was passed: args may point to it until they are used.
    memory: Vec<Box<[u64]>>,
    strings: Vec<CString>,
    /// Of the call that is being made.
    outs: Vec<Out>,
    count: usize,
    length: usize,
    text: Option<usize>,
    said: Option<CString>,
    #[allow(clippy::vec_box, reason = "C has their addresses")]
    schemas: Vec<Box<FFI_ArrowSchema>>,
    #[allow(clippy::vec_box, reason = "C has their addresses")]
    arrays: Vec<Box<FFI_ArrowArray>>,
    streams: Vec<Vec<FFI_ArrowArrayStream>>,
    value_type: Option<DataType>,
    /// Which of DLPack's structs this call is about.
    versioned: Option<bool>,
}

fn kind_of(name: &str) -> usize {
    HANDLES.iter().position(|handle| *handle == name).unwrap_or_else(|| panic!("there is no {name}"))
}

impl<'a, 'b> Machine<'a, 'b> {
    fn new(bytes: &'a mut Unstructured<'b>, paths: [String; 2]) -> Machine<'a, 'b> {
        Machine {
            bytes,
            pools: vec![Vec::new(); HANDLES.len()],
            store: null_mut(),
            paths,
            memory: Vec::new(),
            strings: Vec::new(),
            outs: Vec::new(),
            count: 0,
            length: 0,
            text: None,
            said: None,
            schemas: Vec::new(),
            arrays: Vec::new(),
            streams: Vec::new(),
            value_type: None,
            versioned: None,
        }
    }
}

//! Programs of calls of the C ABI, within the header's rules: a handle is not used after its end, pointers are NULL or point
//! to as much as they must. Everything else is fair: NULL, handles of another kind, bad UTF-8, huge shapes, wrong sizes.
//!
//! `build.rs` makes of the header a call of every function; what it passes, a `Machine` chooses by the parameter's type and
//! name. Each status must be one that the header knows, and not INTERNAL. In the end everything is freed, and the store must be
//! sound and empty.

use std::ffi::{c_void, CString};
use std::ptr::null_mut;
use std::sync::Arc;

use arbitrary::Unstructured;
use sdp_dal::arrow::array::{
    make_array, new_null_array, Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray,
};
use sdp_dal::arrow::datatypes::{DataType, Field, Schema};
use sdp_dal::arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use sdp_dal::arrow::ffi_stream::FFI_ArrowArrayStream;
use sdp_dal::store::{DeleteMode, Store};

use super::damage::{options, random_seeds, SIGNATURE};
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

use generated::{self as c, FUNCTIONS, HANDLES, STRUCTS};

/// Most calls of a program.
const MOST: usize = 150;
/// Most handles of a kind at a time.
const MOST_HANDLES: usize = 24;
/// Elements of every array that is passed; counts are at most that.
const ARRAY: usize = 64;
/// Bytes of every buffer that is passed, and of every struct.
const BYTES: usize = 4096;
/// More than any array of values has that is asked for.
const VALUES: usize = 128;
/// The lowest status that the header names.
const LAST_STATUS: i32 = -23;
const INTERNAL: i32 = -22;
/// Names that out-parameters are told from.
const GARBAGE: u64 = 0xaaaa_aaaa_aaaa_aaaa;

const SIGNATURES: [&str; 7] = [
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
const SHAPES: [i64; 12] = [3, 0, 1, 2, 5, 64, -1, 1 << 40, i64::MAX, i64::MIN, 1 << 62, 1000];
const NUMBERS: [u64; 12] = [0, 1, 2, 3, 100, 4096, 1 << 20, 1 << 31, 1 << 62, 1 << 63, u64::MAX, 7];

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

/// Nothing is left but what is kept, and that can be deleted.
fn is_empty(store: &Store) {
    let good = |what: &str, error| -> ! { panic!("after everything was freed, {what}: {error}") };
    assert_eq!(store.check().unwrap_or_else(|error| good("check", error)), Vec::<String>::new());
    let mut objects = store.list(b"").unwrap_or_else(|error| good("list", error));
    // A declaration goes with the last object of its namespace, if it is not kept itself.
    objects.sort_by_key(|object| object.id.is_declaration());
    for object in &objects {
        assert!(object.keep || object.id.is_declaration(), "{} is left: {object:?}", object.id);
        if object.keep {
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

    // ---- choices ----------------------------------------------------------------------------------------------------

    fn byte(&mut self) -> usize {
        usize::from(self.bytes.arbitrary::<u8>().unwrap_or(1))
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.byte() % from.len()]
    }

    /// Once in so many times.
    fn rarely(&mut self, times: usize) -> bool {
        self.byte() % times == times - 1
    }

    fn chunk(&mut self, bytes: usize) -> *mut u64 {
        self.memory.push(vec![0; bytes.div_ceil(8)].into());
        self.memory.last_mut().map_or(null_mut(), |memory| memory.as_mut_ptr())
    }

    fn handle(&mut self, kind: usize) -> P {
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
    fn take(&mut self, kind: usize) -> P {
        if self.rarely(8) || self.pools[kind].is_empty() {
            return null_mut();
        }
        let nth = self.byte() % self.pools[kind].len();
        self.pools[kind].remove(nth)
    }

    fn handles(&mut self, kind: usize) -> P {
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

    fn out_handle(&mut self, kind: usize, made: Made) -> P {
        if self.rarely(64) {
            return null_mut();
        }
        let mut place = Box::new([GARBAGE; ARRAY]);
        let at = place.as_mut_ptr();
        self.outs.push(Out { kind, made, place });
        at.cast()
    }

    /// Which of DLPack's structs: what was chosen for the same call, if it was.
    fn version(&mut self) -> i32 {
        if self.rarely(16) {
            return self.pick(&[2, -1, i32::MAX]);
        }
        let versioned = self.versioned.unwrap_or_else(|| self.flag());
        self.versioned = Some(versioned);
        i32::from(versioned)
    }

    fn in_dlpack(&mut self) -> P {
        let versioned = self.flag();
        self.versioned = Some(versioned);
        self.dlpack_of(versioned).map_or(null_mut(), |kind| self.handle(kind))
    }

    fn out_dlpack(&mut self) -> P {
        // A version that is none makes none.
        let kind = self.dlpack_of(self.versioned.unwrap_or(false));
        kind.map_or(null_mut(), |kind| self.out_handle(kind, Made::One))
    }

    fn dlpack_of(&self, versioned: bool) -> Option<usize> {
        let name = if versioned { "DLManagedTensorVersioned" } else { "DLManagedTensor" };
        HANDLES.iter().position(|handle| *handle == name)
    }

    /// A handle that belongs to another one.
    fn out_borrowed(&mut self) -> P {
        self.out()
    }

    fn out(&mut self) -> P {
        if self.rarely(64) {
            return null_mut();
        }
        self.chunk(8 * ARRAY).cast()
    }

    fn c_text(&mut self, bytes: Vec<u8>) -> P {
        let text = CString::new(bytes).unwrap_or_default();
        let at = text.as_ptr();
        self.strings.push(text);
        at.cast_mut().cast()
    }

    fn text(&mut self, name: &str) -> P {
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

    fn texts(&mut self) -> P {
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
    fn buffer(&mut self) -> P {
        self.length = self.pick(&[BYTES, BYTES, BYTES, 1, 2, 0]);
        if self.length == 0 && self.rarely(2) {
            return null_mut();
        }
        // As many numbers, for those who count them.
        let at = self.chunk(4 * BYTES);
        self.text = Some(self.memory.len() - 1);
        at.cast()
    }

    fn length(&mut self) -> P {
        let length = std::mem::take(&mut self.length);
        let at = self.chunk(8);
        // SAFETY: inside the chunk.
        unsafe { at.write(length as u64) };
        at.cast()
    }

    /// Bytes, the first of them IDs that there are.
    fn bytes(&mut self) -> P {
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

    fn size(&mut self) -> usize {
        self.pick(&[0, 1, 4, 5, 20, 64, 4000, 3])
    }

    fn count(&mut self) -> usize {
        self.count = self.pick(&[0, 1, 2, 3, 8, 1]);
        self.count
    }

    fn index(&mut self) -> usize {
        self.pick(&[0, 1, 2, 3, 7, usize::MAX, 1 << 40, 0])
    }

    fn small(&mut self) -> i32 {
        self.pick(&[0, 1, 2, 5, 12, 13, 14, 3, -1, 99, i32::MAX, i32::MIN, -2, -7, 6, 10])
    }

    fn ndim(&mut self) -> i32 {
        self.pick(&[1, 2, 0, 1, 3, 8, 9, 64, -1])
    }

    fn flag(&mut self) -> bool {
        self.rarely(2)
    }

    fn number(&mut self) -> u64 {
        self.pick(&NUMBERS)
    }

    fn double(&mut self) -> f64 {
        self.pick(&[0.5, 0.0, -1.0, f64::NAN, f64::INFINITY, 1e308, 1.0])
    }

    fn timeout(&mut self) -> i64 {
        self.pick(&[0, 0, 0, 1, 100_000, -2, i64::MIN])
    }

    fn user_data(&mut self) -> P {
        std::ptr::without_provenance_mut(self.byte() % 8)
    }

    fn function(&mut self) -> P {
        if self.rarely(4) {
            null_mut()
        } else {
            function as P
        }
    }

    fn shape(&mut self) -> P {
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

    // ---- structs ----------------------------------------------------------------------------------------------------

    fn struct_size(&mut self, real: usize) -> usize {
        let how = self.byte();
        match how % 16 {
            0 => 0,
            1 => real.saturating_sub(8),
            2 => real + 8,
            3 => 1024,
            // A pointer that is cut in two would be the caller's mistake.
            4 => how / 16 * 8,
            5 => 8,
            _ if real == 0 => [16, 24, 32, 40, 48, 56, 64, 72, 96, 128][how / 16 % 10],
            _ => real,
        }
    }

    fn out_struct(&mut self, place: usize) -> P {
        if self.rarely(24) {
            return null_mut();
        }
        let size = self.struct_size(layout_of(place).1);
        let at = self.chunk(BYTES);
        // SAFETY: inside the chunk.
        unsafe { at.write(size as u64) };
        at.cast()
    }

    fn in_struct(&mut self, place: usize) -> P {
        if self.rarely(5) {
            return null_mut();
        }
        let (fields, real) = layout_of(place);
        let at = self.chunk(BYTES);
        let write = |offset: usize, value: u64, width: usize| {
            // SAFETY: inside the chunk.
            unsafe { at.cast::<u8>().add(offset).copy_from(value.to_le_bytes().as_ptr(), width) };
        };
        write(0, self.struct_size(real) as u64, 8);
        if self.rarely(24) {
            // Behind what the library knows.
            write(1000, 1, 8);
        }
        let view = STRUCTS[place].0 == "sdp_dal_tensor_view";
        for (nth, (name, ty)) in STRUCTS[place].1.iter().enumerate().skip(1) {
            let (offset, width) = fields[nth];
            let value = match (*name, *ty) {
                ("data", _) if view => self.elements(),
                ("strides", _) => self.strides(),
                ("reserved" | "reserved_0", _) => u64::from(self.rarely(40)),
                ("size", "uint64_t") => self.pick(&[0, 1, 4096, 1 << 20, 4 << 20, 1 << 63, u64::MAX]),
                ("max_objects" | "max_clients", _) => self.pick(&[0, 1, 64, 1000, 1024, u64::from(u32::MAX)]),
                ("full_timeout_ns" | "timeout_ns", _) => self.timeout().cast_unsigned(),
                ("dtype", _) if !self.rarely(12) => self.pick(&[5, 12, 13, 1, 6, 11]),
                ("ndim", _) => self.ndim().cast_unsigned().into(),
                ("flags", _) => self.pick(&[0, 1, 2, 4, 8, 16, 0xffff_ffff, 3]),
                ("order" | "create" | "select", _) if !self.rarely(12) => self.pick(&[0, 1, 2]),
                ("minimum_processors" | "max_in_flight", _) if !self.rarely(8) => self.pick(&[0, 1, 2]),
                ("max_chunksize", _) => self.pick(&[0, 1, 2, u64::MAX]),
                ("name", _) => self.text("name") as u64,
                ("shape", _) if view => self.view_shape(),
                ("shape", _) => self.shape() as u64,
                ("kind", _) => self.pick(&[0, 2, 3, 2, 3, 99]),
                ("columns", _) => self.in_schema() as u64,
                ("schemas", _) => self.handles(kind_of("sdp_dal_schema")) as u64,
                (_, "const char *const *") => self.texts() as u64,
                (_, "const uint8_t *" | "const void *") => self.bytes() as u64,
                (name, "size_t") if name.starts_with("num_") => self.pick(&[0, 0, 1, 2, 3]),
                (_, "size_t") => self.size() as u64,
                (_, "int32_t") => i64::from(self.small()).cast_unsigned(),
                _ => self.number(),
            };
            write(offset, value, width);
        }
        at.cast()
    }

    /// As many values as any call of ours has: eight rows of a dozen.
    fn values(&mut self) -> P {
        if self.rarely(24) {
            return null_mut();
        }
        let place = STRUCTS.iter().position(|(name, _)| *name == "sdp_dal_value").unwrap_or_default();
        let (fields, size) = layout_of(place);
        let at = self.chunk(VALUES * size).cast::<u8>();
        let given = self.byte() % 16;
        for nth in 0..given {
            for (field, (name, _)) in STRUCTS[place].1.iter().enumerate() {
                let value = match *name {
                    "kind" => self.byte() as u64 % 18,
                    "flags" => u64::from(self.rarely(40)),
                    "data" => self.bytes() as u64,
                    "size" => self.pick(&[20, 20, 0, 1, 19, 160]),
                    "view" => {
                        let view = STRUCTS.iter().position(|(name, _)| *name == "sdp_dal_tensor_view");
                        self.in_struct(view.unwrap_or_default()) as u64
                    }
                    "reference" => self.handle(kind_of("sdp_dal_ref")) as u64,
                    "array" => self.in_array() as u64,
                    "schema" => self.in_schema() as u64,
                    "stream" => self.in_arraystream() as u64,
                    _ => self.number(),
                };
                let (offset, width) = fields[field];
                // SAFETY: inside the chunk.
                unsafe { at.add(nth * size + offset).copy_from(value.to_le_bytes().as_ptr(), width) };
            }
        }
        at.cast()
    }

    fn out_values(&mut self) -> P {
        if self.rarely(24) {
            return null_mut();
        }
        self.chunk(VALUES * 128).cast()
    }

    /// The middle of a buffer: no small strides lead out of it.
    fn elements(&mut self) -> u64 {
        if self.rarely(24) {
            return 0;
        }
        let at = self.chunk(1 << 20).cast::<u8>();
        let apart = self.pick(&[0, 0, 0, 0, 1, 4]);
        // SAFETY: inside the chunk.
        unsafe { at.add((1 << 19) + apart) as u64 }
    }

    /// Sizes of which one may be odd: what is not refused for its size must be there.
    fn view_shape(&mut self) -> u64 {
        let at = self.chunk(8 * ARRAY);
        let odd = (self.byte() % 9, self.pick(&SHAPES));
        for nth in 0..ARRAY {
            let size = if nth == odd.0 { odd.1 } else { [3, 2].get(nth).copied().unwrap_or(1) };
            // SAFETY: inside the chunk.
            unsafe { at.cast::<i64>().add(nth).write(size) };
        }
        at as u64
    }

    /// Distances that stay within the buffer for the small sizes; tensors of the huge ones are larger than any store.
    fn strides(&mut self) -> u64 {
        if self.rarely(2) {
            return 0;
        }
        let at = self.chunk(8 * ARRAY);
        for nth in 0..ARRAY {
            let stride: i64 = self.pick(&[8, 16, -8, 0, 24, 4, 1, -16]);
            // SAFETY: inside the chunk.
            unsafe { at.cast::<i64>().add(nth).write(stride) };
        }
        at as u64
    }

    // ---- Arrow ------------------------------------------------------------------------------------------------------

    fn a_type(&mut self) -> DataType {
        match self.byte() % 7 {
            0 => DataType::Int64,
            1 => DataType::Utf8,
            2 => DataType::new_list(DataType::Int64, true),
            3 => DataType::Struct(vec![Field::new("a", DataType::Int64, true)].into()),
            4 => DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
            5 => DataType::FixedSizeBinary(20),
            _ => DataType::Null,
        }
    }

    fn in_schema(&mut self) -> P {
        if self.rarely(12) {
            return null_mut();
        }
        let released = self.rarely(12);
        let made = match self.value_type.take() {
            _ if released => None,
            Some(data_type) => FFI_ArrowSchema::try_from(&data_type).ok(),
            None if self.rarely(2) => FFI_ArrowSchema::try_from(&Schema::new(columns())).ok(),
            None => {
                let data_type = self.a_type();
                FFI_ArrowSchema::try_from(&data_type).ok()
            }
        };
        self.keep_schema(made.unwrap_or_else(FFI_ArrowSchema::empty))
    }

    fn keep_schema(&mut self, schema: FFI_ArrowSchema) -> P {
        let mut schema = Box::new(schema);
        let at: *mut FFI_ArrowSchema = &mut *schema;
        self.schemas.push(schema);
        at.cast()
    }

    fn out_schema(&mut self) -> P {
        self.keep_schema(FFI_ArrowSchema::empty())
    }

    fn keep_array(&mut self, array: FFI_ArrowArray) -> P {
        let mut array = Box::new(array);
        let at: *mut FFI_ArrowArray = &mut *array;
        self.arrays.push(array);
        at.cast()
    }

    fn in_array(&mut self) -> P {
        if self.rarely(12) {
            return null_mut();
        }
        if self.rarely(12) {
            return self.keep_array(FFI_ArrowArray::empty());
        }
        let data_type = self.a_type();
        let length = self.pick(&[1, 1, 1, 0, 2]);
        let array = match data_type {
            DataType::Int64 => Arc::new(Int64Array::from(vec![7; length])),
            DataType::Utf8 => make_array(StringArray::from(vec!["text"; length]).to_data()),
            ref other => new_null_array(other, length),
        };
        self.value_type = Some(data_type);
        self.keep_array(FFI_ArrowArray::new(&array.to_data()))
    }

    fn out_array(&mut self) -> P {
        self.keep_array(FFI_ArrowArray::empty())
    }

    fn keep_streams(&mut self, mut streams: Vec<FFI_ArrowArrayStream>) -> P {
        let at = streams.as_mut_ptr();
        self.streams.push(streams);
        at.cast()
    }

    fn a_stream(&mut self) -> FFI_ArrowArrayStream {
        if self.rarely(12) {
            return FFI_ArrowArrayStream::empty();
        }
        let schema = Arc::new(Schema::new(columns()));
        let columns: Vec<sdp_dal::arrow::array::ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some("text")])),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns);
        let batches: Vec<_> = batch.into_iter().cycle().take(self.byte() % 3).map(Ok).collect();
        FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new(batches, schema)))
    }

    fn in_arraystream(&mut self) -> P {
        if self.rarely(12) {
            return null_mut();
        }
        let stream = self.a_stream();
        self.keep_streams(vec![stream])
    }

    fn in_arraystreams(&mut self) -> P {
        let streams = (0..8).map(|_| self.a_stream()).collect();
        self.keep_streams(streams)
    }

    fn out_arraystream(&mut self) -> P {
        self.keep_streams(vec![FFI_ArrowArrayStream::empty()])
    }

    // ---- calls ------------------------------------------------------------------------------------------------------

    /// What every status is looked at for.
    fn ended(&mut self, name: &str, status: i32) {
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

    fn ended_otherwise(&mut self) {
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

    fn step(&mut self) {
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
    fn made(&mut self, kind: &str, make: impl FnOnce(P) -> i32) -> P {
        let mut place = Box::new([GARBAGE; ARRAY]);
        let status = make(place.as_mut_ptr().cast());
        self.outs.push(Out { kind: kind_of(kind), made: Made::One, place });
        let before = self.pools[kind_of(kind)].len();
        self.ended(kind, status);
        let pool = &self.pools[kind_of(kind)];
        pool.last().copied().filter(|_| pool.len() > before).unwrap_or(null_mut())
    }

    fn newest(&self, kind: &str) -> P {
        self.pools[kind_of(kind)].last().copied().unwrap_or(null_mut())
    }

    /// A store with a processor, a caller and some objects.
    #[allow(
        clippy::undocumented_unsafe_blocks,
        reason = "each call has living handles, texts, and places that outlive it"
    )]
    fn begin(&mut self) {
        let path = self.c_text(self.paths[0].clone().into_bytes());
        for own in [true, false] {
            let store =
                self.made("sdp_dal_store", |out| unsafe { c::sdp_dal_store_open(path, null_mut(), out) });
            if own {
                self.store = self.pools[kind_of("sdp_dal_store")].pop().unwrap_or(store);
            }
        }
        let store = self.store;
        let signatures: Vec<P> =
            SIGNATURES[..3].iter().map(|text| self.c_text(text.as_bytes().to_vec())).collect();
        let processor = self
            .made("sdp_dal_processor", |out| unsafe { c::sdp_dal_processor_open(store, null_mut(), out) });
        for (nth, signature) in signatures.iter().enumerate() {
            let data = std::ptr::without_provenance_mut(nth);
            let status = unsafe {
                c::sdp_dal_processor_register(
                    processor,
                    *signature,
                    null_mut(),
                    function as P,
                    data,
                    null_mut(),
                )
            };
            assert_eq!(status, 0, "{}", last_error());
        }
        assert_eq!(unsafe { c::sdp_dal_processor_start(processor) }, 0, "{}", last_error());
        let place = self.chunk(8 * signatures.len());
        for (nth, signature) in signatures.iter().enumerate() {
            unsafe { place.add(nth).write(*signature as u64) };
        }
        self.made("sdp_dal_caller", |out| unsafe {
            c::sdp_dal_caller_open(store, place.cast(), 3, null_mut(), out)
        });
        let schema = signatures[0];
        self.made("sdp_dal_schema", |out| unsafe { c::sdp_dal_schema_parse(schema, out) });
        self.put_vector();
        self.made("sdp_dal_ref", |out| unsafe {
            c::sdp_dal_object_put(store, signatures[0], 10, null_mut(), 0, out)
        });
    }

    /// A tensor as simple_fn takes it.
    #[allow(
        clippy::undocumented_unsafe_blocks,
        reason = "each call has living handles, texts, and places that outlive it"
    )]
    fn put_vector(&mut self) -> P {
        let (store, view, shape) = (self.store, self.chunk(64), self.chunk(8));
        let data = self.chunk(64);
        unsafe {
            shape.write(3);
            view.write(56);
            view.add(1).write(data as u64);
            view.add(2).write(shape as u64);
            // int64, one dimension.
            view.add(5).write(5 | 1 << 32);
        }
        self.made("sdp_dal_ref", |out| unsafe { c::sdp_dal_tensor_put(store, view.cast(), out) })
    }

    /// What calls chosen one by one hardly ever do together.
    #[allow(
        clippy::undocumented_unsafe_blocks,
        reason = "each call has living handles, texts, and places that outlive it"
    )]
    fn by_hand(&mut self, chosen: u16) {
        let (caller, processor) = (self.newest("sdp_dal_caller"), self.newest("sdp_dal_processor"));
        match chosen % 8 {
            0 | 1 => {
                let args = self.made("sdp_dal_args", |out| unsafe { c::sdp_dal_args_create(out) });
                let x = self.c_text(b"x".to_vec());
                let ys = self.c_text(b"ys".to_vec());
                let name = self.c_text(SIGNATURE.split('(').next().unwrap_or_default().as_bytes().to_vec());
                let mut reference = self.handle(kind_of("sdp_dal_ref"));
                if chosen & 8 == 0 {
                    reference = self.put_vector();
                }
                let value = self.byte();
                unsafe {
                    c::sdp_dal_args_set_int64(args, x, value.try_into().unwrap_or(0));
                    c::sdp_dal_args_set_ref(args, ys, reference);
                }
                self.made("sdp_dal_results", |out| unsafe {
                    c::sdp_dal_caller_call(caller, name, args, out)
                });
                let args = self.pools[kind_of("sdp_dal_args")].pop().unwrap_or(null_mut());
                unsafe { c::sdp_dal_args_free(args) };
            }
            2 => {
                let status = unsafe { c::sdp_dal_processor_process(processor, 0) };
                self.ended("sdp_dal_processor_process", status);
            }
            3 => {
                self.made("sdp_dal_call", |out| unsafe {
                    c::sdp_dal_processor_next(processor, 0, out, null_mut())
                });
            }
            4 => {
                let results = self.newest("sdp_dal_results");
                let mut borrowed: P = null_mut();
                if unsafe {
                    c::sdp_dal_results_get_ref(
                        results,
                        c"zs".as_ptr().cast_mut().cast(),
                        (&raw mut borrowed).cast(),
                    )
                } == 0
                {
                    self.made("sdp_dal_ref", |out| unsafe { c::sdp_dal_ref_clone(borrowed, out) });
                }
            }
            5 => {
                let call = self.newest("sdp_dal_call");
                let user_data = self.user_data();
                if !call.is_null() {
                    function(call, user_data);
                    let status = unsafe { c::sdp_dal_call_finish(call, null_mut(), 0) };
                    self.ended("sdp_dal_call_finish", status);
                }
            }
            6 => {
                let stream = self.in_arraystream();
                let store = self.store;
                self.made("sdp_dal_ref", |out| unsafe {
                    c::sdp_dal_table_put(store, stream, null_mut(), out)
                });
            }
            _ => {
                let tensor = self.newest("sdp_dal_tensor");
                let view = self.chunk(64);
                unsafe { view.write(56) };
                if unsafe { c::sdp_dal_tensor_get_view(tensor, view.cast()) } == 0 {
                    // SAFETY: the library filled it: data, shape; the innermost run of elements is there.
                    let (data, ndim) = unsafe { (view.add(1).read(), view.add(5).read() >> 32) };
                    let shape = unsafe { usize::try_from(view.add(2).read()).unwrap_or(0) };
                    let shape: *const i64 = std::ptr::with_exposed_provenance(shape);
                    let sizes = (0..usize::try_from(ndim).unwrap_or(0)).map(|dim| unsafe { *shape.add(dim) });
                    let elements: i64 = sizes.product();
                    let data = std::ptr::with_exposed_provenance(usize::try_from(data).unwrap_or(0));
                    read(data, usize::try_from(elements).unwrap_or(0));
                }
            }
        }
    }

    /// Frees everything, stores last or first, as the program says.
    fn end(&mut self) {
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

fn columns() -> Vec<Field> {
    vec![Field::new("a", DataType::Int64, true), Field::new("t", DataType::Utf8, true)]
}

/// Offset and width of each field of a struct, and its size.
fn layout_of(place: usize) -> (Vec<(usize, usize)>, usize) {
    let mut at = 0_usize;
    let width = |ty: &str| match ty {
        "int32_t" | "uint32_t" => 4,
        "uint8_t" => 1,
        _ => 8,
    };
    let mut fields = Vec::new();
    for (_, ty) in STRUCTS[place].1 {
        at = at.next_multiple_of(width(ty));
        fields.push((at, width(ty)));
        at += width(ty);
    }
    (fields, at.next_multiple_of(8))
}

fn read(data: *const u8, size: usize) {
    for at in 0..if data.is_null() { 0 } else { size } {
        // SAFETY: the library says that so many bytes are there; if they are not, that is what is looked for.
        std::hint::black_box(unsafe { data.add(at).read_volatile() });
    }
}

fn last_error() -> String {
    let (mut buffer, mut length) = ([0_u8; 2049], 2049_usize);
    // SAFETY: room for so many bytes.
    unsafe { c::sdp_dal_last_error(buffer.as_mut_ptr().cast(), (&raw mut length).cast()) };
    String::from_utf8_lossy(buffer.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// The function that processors offer: it makes `zs`, or does not, as `user_data` says.
extern "C" fn function(call: P, user_data: P) -> i32 {
    let how = user_data.addr();
    let (mut data, shape) = (null_mut::<u8>(), [3_i64, 2, 1]);
    // SAFETY: a living call, a shape, a place for a pointer, texts.
    unsafe {
        if how != 3 {
            let name = c"zs".as_ptr().cast_mut().cast();
            let shape = shape.as_ptr().cast_mut().cast();
            if c::sdp_dal_call_create_tensor(call, name, 1, shape, null_mut(), (&raw mut data).cast()) == 0 {
                data.write_bytes(7, 24);
            }
        }
        if how == 4 {
            c::sdp_dal_call_fail(call, -8, c"it fails".as_ptr().cast_mut().cast());
        }
    }
    match how {
        4 => -8,
        5 => 12345,
        6 => -7,
        _ => 0,
    }
}

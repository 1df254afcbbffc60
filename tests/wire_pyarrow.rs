//! What lies in a store is plain Arrow: stock pyarrow reads every kind of object from its raw bytes.
//!
//! This test puts objects as programs do and writes their bytes, and in `expected.json` what they are, into a folder;
//! `tests/python/read_objects.py`, which knows only pyarrow and docs/wire-format.md, reads them there. A further case is
//! one more [`Dump::add`], a further kind one more function there.

mod common;
mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, FixedSizeListArray, Float32Array, Int64Array, Int8Array,
    ListArray, RecordBatch, StringArray, StructArray, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Int8Type, Schema};
use arrow::ipc::writer::StreamWriter;
use sdp_dal::dal::{Arg, Args, Caller, CallerOptions, Namespace, Processor, ProcessorOptions, Ref};
use sdp_dal::store::{Buffer, ObjectId, Store};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{
    CallEncoder, CallSchema, Cell, Declaration, Elem, Layout, Order, TensorSource, TABLE_METADATA,
};

use common::TestStore;
use support::{python, root, run, scratch};

/// What pyarrow needs to be here: the versions that are known to read everything. numpy is what its tensors become.
const PACKAGES: [&str; 2] = ["pyarrow>=17,<27", "numpy>=1.26,<3"];

/// Objects' bytes in files, and what they are.
struct Dump {
    folder: PathBuf,
    expected: BTreeMap<String, String>,
}

impl Dump {
    fn new() -> Dump {
        let folder = scratch("wire-pyarrow");
        std::fs::remove_dir_all(&folder).expect("it was just made");
        Dump { folder: scratch("wire-pyarrow"), expected: BTreeMap::new() }
    }

    /// An object as it lies in the store, and in JSON what it is.
    fn add(&mut self, name: &str, object: &Buffer, expected: String) {
        std::fs::write(self.folder.join(format!("{name}.data")), object.data()).unwrap();
        std::fs::write(self.folder.join(format!("{name}.meta")), object.metadata()).unwrap();
        assert!(self.expected.insert(name.to_owned(), expected).is_none(), "there are two {name}");
    }

    /// Everything in JSON; names sort, so the first of a kind comes first.
    fn finish(&self) {
        let entries: Vec<String> =
            self.expected.iter().map(|(name, text)| format!("\"{name}\": {text}")).collect();
        std::fs::write(self.folder.join("expected.json"), format!("{{\n{}\n}}\n", entries.join(",\n")))
            .unwrap();
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!("{{\"hex\": \"{digits}\"}}")
}

fn list<T>(values: &[T], text: impl Fn(&T) -> String) -> String {
    format!("[{}]", values.iter().map(text).collect::<Vec<_>>().join(", "))
}

fn got(reference: &Ref) -> Buffer {
    reference.get_buffer(Timeout::Poll).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

// ---- tensors

/// Element number `i` of a test tensor: its bytes, and JSON.
fn element(elem: Elem, i: u16) -> (Vec<u8>, String) {
    let (whole, half) = (i64::from(i) - 2, f64::from(i) / 2.0 - 1.0);
    let bits = half::f16::from_f64(half).to_ne_bytes().to_vec();
    let bytes = match elem {
        Elem::Bool => return (vec![(i % 2) as u8], format!("{}", i % 2 == 1)),
        Elem::Int8 => (whole as i8).to_ne_bytes().to_vec(),
        Elem::Int16 => (whole as i16).to_ne_bytes().to_vec(),
        Elem::Int32 => (whole as i32).to_ne_bytes().to_vec(),
        Elem::Int64 => whole.to_ne_bytes().to_vec(),
        Elem::Uint8 => return ((i as u8).to_ne_bytes().to_vec(), i.to_string()),
        Elem::Uint16 => return (i.to_ne_bytes().to_vec(), i.to_string()),
        Elem::Uint32 => return (u32::from(i).to_ne_bytes().to_vec(), i.to_string()),
        Elem::Uint64 => {
            let large = u64::MAX - u64::from(i);
            return (large.to_ne_bytes().to_vec(), large.to_string());
        }
        Elem::Float16 => return (bits, format!("{half:?}")),
        Elem::Float32 => return ((half as f32).to_ne_bytes().to_vec(), format!("{half:?}")),
        Elem::Float64 => return (half.to_ne_bytes().to_vec(), format!("{half:?}")),
        Elem::Complex64 => {
            let parts = [half as f32, -0.25].map(f32::to_ne_bytes).concat();
            return (parts, format!("[{half:?}, -0.25]"));
        }
        Elem::Complex128 => {
            let parts = [half, -0.25].map(f64::to_ne_bytes).concat();
            return (parts, format!("[{half:?}, -0.25]"));
        }
    };
    (bytes, whole.to_string())
}

/// Puts a tensor with the elements 0, 1, … in C order of its indices; its expectation in JSON.
fn put_tensor(store: &Namespace, elem: Elem, shape: &[i64], order: Order, dims: &[String]) -> (Ref, String) {
    let layout = Layout::contiguous(elem, shape, order, dims).unwrap();
    let mut bytes = vec![0; layout.byte_len() as usize];
    let mut values = Vec::new();
    for i in 0..layout.len() as u16 {
        let (element, text) = element(elem, i);
        let (mut rest, mut place) = (i64::from(i), 0);
        for dim in (0..shape.len()).rev() {
            place += rest % shape[dim] * layout.strides[dim];
            rest /= shape[dim];
        }
        bytes[place as usize..place as usize + element.len()].copy_from_slice(&element);
        values.push(text);
    }
    let reference = store.put_tensor(&TensorSource { bytes: &bytes, origin: 0, layout: &layout }).unwrap();
    let expected = format!(
        "{{\"kind\": \"tensor\", \"elem\": \"{elem}\", \"shape\": {}, \"strides\": {}, \"names\": {}, \"values\": [{}]}}",
        list(shape, i64::to_string),
        list(&layout.strides, i64::to_string),
        list(dims, |name| format!("\"{name}\"")),
        values.join(", ")
    );
    (reference, expected)
}

fn tensors(dump: &mut Dump, store: &Namespace) {
    for elem in Elem::ALL {
        for (order, letter) in [(Order::C, "c"), (Order::F, "f")] {
            let (reference, expected) = put_tensor(store, elem, &[2, 3], order, &names(&["row", "chan"]));
            dump.add(&format!("tensor_{elem}_{letter}"), &got(&reference), expected);
        }
    }
    let shapes: [(&str, &[i64]); 4] =
        [("0d", &[]), ("1d", &[5]), ("none", &[2, 0, 3]), ("8d", &[1, 2, 1, 2, 1, 2, 1, 2])];
    for (name, shape) in shapes {
        for elem in [Elem::Int16, Elem::Complex64] {
            let dims = vec![String::new(); shape.len()];
            let (reference, expected) = put_tensor(store, elem, shape, Order::C, &dims);
            dump.add(&format!("tensor_{elem}_{name}"), &got(&reference), expected);
        }
    }
}

// ---- calls and declarations

const SIMPLE: &str = "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])";
const PLAIN: &str = "plain(a: bool, b: int8?, c: uint64, d: float16, e: float64?, t: oid, k: id)";
const NESTED: &str = "nested(t: utf8?, w: binary, l: list<int64>?, s: struct<a:int8,b:utf8>, z: complex64, \
     at: timestamp<ns,UTC>, m: decimal128<10,2>?, d: dictionary<int8,utf8>, \
     vis: table{row: int64, name: utf8?}, uvw: float32[row,uvw=3]?) -> (flags: bool[row])";

/// A parameter as pyarrow shows its field.
fn field(name: &str, arrow: &str, nullable: bool, metadata: &str, table: &str) -> String {
    format!(
        "{{\"name\": \"{name}\", \"type\": \"{arrow}\", \"nullable\": {nullable}, \"metadata\": {{{metadata}}}, \
         \"table\": {table}}}"
    )
}

fn value(name: &str, arrow: &str, nullable: bool) -> String {
    field(name, arrow, nullable, "", "null")
}

/// A parameter that stands for an object: a direction, and `key=value` pairs of what it is.
fn object(name: &str, nullable: bool, direction: &str, keys: &[(&str, &str)], table: &str) -> String {
    let keys = keys.iter().map(|(key, value)| format!(", \"proc:{key}\": \"{value}\"")).collect::<String>();
    let metadata = format!("\"proc:par\": \"{direction}\"{keys}");
    field(name, "fixed_size_binary[20]", nullable, &metadata, table)
}

fn tensor(elem: &'static str, dims: &'static str) -> [(&'static str, &'static str); 3] {
    [("type", "tensor"), ("elem", elem), ("dims", dims)]
}

fn simple_fields() -> String {
    let ys = object("ys", false, "in", &tensor("int64", "i"), "null");
    let zs = object("zs", false, "out", &tensor("int64", "i"), "null");
    format!("[{}, {ys}, {zs}]", value("x", "int64", false))
}

fn plain_fields() -> String {
    let all = [
        value("a", "bool", false),
        value("b", "int8", true),
        value("c", "uint64", false),
        value("d", "halffloat", false),
        value("e", "double", true),
        object("t", false, "in", &[("type", "oid")], "null"),
        object("k", false, "id", &[], "null"),
    ];
    format!("[{}]", all.join(", "))
}

fn nested_fields() -> String {
    let table = "[[\"row\", \"int64\", false], [\"name\", \"string\", true]]";
    let all = [
        value("t", "string", true),
        value("w", "binary", false),
        value("l", "list<item: int64>", true),
        value("s", "struct<a: int8, b: string>", false),
        value("z", "fixed_size_list<re_im: float not null>[2]", false),
        value("at", "timestamp[ns, tz=UTC]", false),
        value("m", "decimal128(10, 2)", true),
        value("d", "dictionary<values=string, indices=int8, ordered=0>", false),
        object("vis", false, "in", &[("type", "table")], table),
        object("uvw", true, "in", &tensor("float32", "row,uvw=3"), "null"),
        object("flags", false, "out", &tensor("bool", "row"), "null"),
    ];
    format!("[{}]", all.join(", "))
}

fn call_text(function: &str, fields: &str, rows: &[String]) -> String {
    format!(
        "{{\"kind\": \"call\", \"function\": \"{function}\", \"fields\": {fields}, \"rows\": [{}]}}",
        rows.join(", ")
    )
}

fn schema(signature: &str) -> CallSchema {
    CallSchema::parse(signature).unwrap()
}

/// The one call that lies in this namespace.
fn call_in(store: &Store, prefix: &[u8]) -> Buffer {
    let mut calls = store.list(prefix).unwrap().into_iter().filter_map(|info| {
        let object = store.get(&info.id, Timeout::Poll).ok()?;
        object.metadata().starts_with(b"sdp:kind=call").then_some(object)
    });
    let call = calls.next().expect("the call was issued");
    assert!(calls.next().is_none(), "one call was issued");
    call
}

/// A call as a caller issues it, of fixed places as its parameters allow; and the declaration of who will run it.
fn issued(dump: &mut Dump, store: &Store, callers: &Namespace) {
    let options = ProcessorOptions {
        name: Some("TestProcessor".to_owned()),
        prefix: b"\x07".to_vec(),
        ..ProcessorOptions::default()
    };
    let mut processor = Processor::new(store, &options).unwrap();
    for signature in [SIMPLE, NESTED] {
        processor.register(schema(signature), None).unwrap();
    }
    processor.start().unwrap();
    let prefix = processor.prefix().unwrap();
    let caller = Caller::new(callers, vec![schema(SIMPLE)], &CallerOptions::default()).unwrap();
    let (ys, _) = put_tensor(callers, Elem::Int64, &[3], Order::C, &names(&["i"]));
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    args.push(Arg::Ref(ys.clone()));
    let results = caller.call("simple_fn", &args).unwrap();
    let zs = results.get("zs").unwrap().unwrap();
    let (ys, zs) = (hex(ys.id().as_bytes()), hex(zs.id().as_bytes()));
    let row = format!("{{\"x\": 1, \"ys\": {ys}, \"zs\": {zs}}}");
    dump.add("call_as_issued", &call_in(store, &prefix), call_text("simple_fn", &simple_fields(), &[row]));

    let argv = std::fs::read("/proc/self/cmdline").unwrap();
    let declaration = store.get(&ObjectId::declaration(prefix), Timeout::Poll).unwrap();
    let functions = format!(
        "[{{\"name\": \"simple_fn\", \"fields\": {}}}, {{\"name\": \"nested\", \"fields\": {}}}]",
        simple_fields(),
        nested_fields()
    );
    let expected = declaration_text("TestProcessor", std::process::id(), &argv, prefix, &functions);
    dump.add("declaration_published", &declaration, expected);
}

fn declaration_text(name: &str, pid: u32, argv: &[u8], prefix: [u8; 4], functions: &str) -> String {
    let text = |text: &str| hex(text.as_bytes());
    let prefix: String = prefix.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{{\"kind\": \"declaration\", \"owner\": {{\"proc:namespace\": {}, \"proc:pid\": {}, \"proc:argv\": {}, \
         \"proc:prefix\": {}, \"proc:version\": {}}}, \"functions\": {functions}}}",
        text(name),
        text(&pid.to_string()),
        hex(argv),
        text(&prefix),
        text("1")
    )
}

fn put(dump: &mut Dump, store: &Namespace, name: &str, (data, metadata): (&[u8], &[u8]), expected: String) {
    let reference = store.put_bytes(data, metadata).unwrap();
    dump.add(name, &got(&reference), expected);
}

/// Calls of one row and of many, of fixed places and of any types.
fn encoded(dump: &mut Dump, store: &Namespace) {
    let id = |n: u8| ObjectId::new([n; 20]);
    let encoder = CallEncoder::new(Arc::new(schema(PLAIN))).unwrap();
    let row = |b: Cell, e: Cell| {
        let (c, d) = (Cell::Uint(u64::MAX), Cell::Float(0.5));
        vec![Cell::Bool(true), b, c, d, e, Cell::Id(id(1)), Cell::Id(id(2))]
    };
    let text = |b: &str, e: &str| {
        let (t, k) = (hex(id(1).as_bytes()), hex(id(2).as_bytes()));
        format!(
            "{{\"a\": true, \"b\": {b}, \"c\": {}, \"d\": 0.5, \"e\": {e}, \"t\": {t}, \"k\": {k}}}",
            u64::MAX
        )
    };
    let rows = [row(Cell::Int(-128), Cell::Float(1e300)), row(Cell::Null, Cell::Null)];
    let texts = [text("-128", "1e300"), text("null", "null")];
    for (name, rows, texts) in [
        ("call_plain", &rows[..1], &texts[..1]),
        ("call_plain_null", &rows[1..], &texts[1..]),
        ("call_plain_many", &rows[..], &texts[..]),
        ("call_plain_none", &rows[..0], &texts[..0]),
    ] {
        let data = encoder.encode(rows).unwrap();
        let expected = call_text("plain", &plain_fields(), texts);
        put(dump, store, name, (&data, encoder.metadata()), expected);
    }

    let encoder = CallEncoder::new(Arc::new(schema(NESTED))).unwrap();
    let rows = [nested_row(true), nested_row(false)];
    let ids = format!("\"vis\": {}, \"flags\": {}", hex(id(3).as_bytes()), hex(id(5).as_bytes()));
    let full = format!(
        "{{\"t\": \"vïs\", \"w\": {}, \"l\": [1, null], \"s\": {{\"a\": -1, \"b\": null}}, \"z\": [0.5, -0.5], \
         \"at\": null, \"m\": null, \"d\": \"XX\", {ids}, \"uvw\": {}}}",
        hex(b"\x00\xff"),
        hex(id(4).as_bytes())
    );
    let sparse = format!(
        "{{\"t\": null, \"w\": {}, \"l\": null, \"s\": {{\"a\": null, \"b\": \"\"}}, \"z\": [0.5, -0.5], \
         \"at\": null, \"m\": null, \"d\": \"YY\", {ids}, \"uvw\": null}}",
        hex(b"")
    );
    // JSON has neither times nor decimals: the text of these is compared.
    let full = full
        .replace("\"at\": null, \"m\": null", "\"at\": {\"time_ns\": 2000}, \"m\": {\"decimal\": \"-1.25\"}");
    let sparse = sparse.replace("\"at\": null", "\"at\": {\"time_ns\": 2000}");
    for (name, rows, texts) in [
        ("call_nested", &rows[..1], vec![full.clone()]),
        ("call_nested_many", &rows[..], vec![full.clone(), sparse.clone()]),
    ] {
        let data = encoder.encode(rows).unwrap();
        put(dump, store, name, (&data, encoder.metadata()), call_text("nested", &nested_fields(), &texts));
    }
}

/// A row of [`NESTED`], with all it may have, or with nulls where they are allowed.
fn nested_row(full: bool) -> Vec<Cell> {
    let array = |array: ArrayRef| Cell::Array(array);
    let or_null = |cell: Cell| if full { cell } else { Cell::Null };
    let id = |n: u8| Cell::Id(ObjectId::new([n; 20]));
    let fields =
        Fields::from(vec![Field::new("a", DataType::Int8, true), Field::new("b", DataType::Utf8, true)]);
    let (a, b) = if full { (Some(-1), None) } else { (None, Some("")) };
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int8Array::from(vec![a])), Arc::new(StringArray::from(vec![b]))];
    let re_im = Arc::new(Field::new("re_im", DataType::Float32, false));
    let parts = Arc::new(Float32Array::from(vec![0.5, -0.5]));
    let at = TimestampNanosecondArray::from(vec![2000]).with_timezone("UTC");
    let money = Decimal128Array::from(vec![-125]).with_precision_and_scale(10, 2).unwrap();
    let words: DictionaryArray<Int8Type> = [if full { "XX" } else { "YY" }].into_iter().collect();
    vec![
        or_null(Cell::Utf8("vïs".to_owned())),
        Cell::Binary(if full { vec![0, 255] } else { Vec::new() }),
        or_null(array(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None])])))),
        array(Arc::new(StructArray::new(fields, columns, None))),
        array(Arc::new(FixedSizeListArray::new(re_im, 2, parts, None))),
        array(Arc::new(at)),
        or_null(array(Arc::new(money))),
        array(Arc::new(words)),
        id(3),
        or_null(id(4)),
        id(5),
    ]
}

/// The declaration that docs/wire-format.md shows.
fn documented_declaration(dump: &mut Dump, store: &Namespace) {
    let functions = ["ms2dirty(uvw: float64[row,uvw=3])", "dirty2ms()"].map(schema).to_vec();
    let argv = names(&["ng_processor", "/dev/shm/store"]);
    let declaration = Declaration {
        name: "NiftyProcessor".to_owned(),
        pid: 42,
        argv,
        functions,
        metadata: Default::default(),
    };
    let (data, metadata) = declaration.encode([0, 0, 0, 1]).unwrap();
    let uvw = object("uvw", false, "in", &tensor("float64", "row,uvw=3"), "null");
    let functions = format!(
        "[{{\"name\": \"ms2dirty\", \"fields\": [{uvw}]}}, {{\"name\": \"dirty2ms\", \"fields\": []}}]"
    );
    let argv = b"ng_processor\0/dev/shm/store\0";
    let expected = declaration_text("NiftyProcessor", 42, argv, [0, 0, 0, 1], &functions);
    put(dump, store, "declaration_documented", (&data, &metadata), expected);
}

// ---- tables and raw objects

/// A table as docs/wire-format.md asks for it.
fn table(dump: &mut Dump, store: &Namespace) {
    let schema = Schema::new(vec![
        Field::new("row", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3])),
        Arc::new(StringArray::from(vec![Some("a"), None, Some("ccc")])),
    ];
    let batch = RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&batch).unwrap();
    let data = writer.into_inner().unwrap();
    let expected = "{\"kind\": \"table\", \"columns\": [[\"row\", \"int64\", false], [\"name\", \"string\", true]], \
         \"rows\": [{\"row\": 1, \"name\": \"a\"}, {\"row\": 2, \"name\": null}, {\"row\": 3, \"name\": \"ccc\"}]}";
    put(dump, store, "table_by_arrow", (&data, TABLE_METADATA), expected.to_owned());
}

fn raw(dump: &mut Dump, store: &Namespace) {
    let expected = format!("{{\"kind\": \"raw\", \"bytes\": {}}}", hex(b"any\x00bytes"));
    put(dump, store, "raw", (b"any\x00bytes", b"mine"), expected);
}

#[test]
fn stock_pyarrow_reads_everything() {
    let store = TestStore::open("wire-pyarrow", 16 << 20);
    let namespace = Namespace::new(&store, Some("test"));
    // The documents' examples have their objects in the namespace 00000001.
    let first = Namespace::new(&store, Some("first"));
    assert_eq!(first.prefix().unwrap(), [0; 4]);
    let mut dump = Dump::new();
    tensors(&mut dump, &namespace);
    issued(&mut dump, &store, &namespace);
    encoded(&mut dump, &namespace);
    documented_declaration(&mut dump, &namespace);
    table(&mut dump, &namespace);
    raw(&mut dump, &namespace);
    dump.finish();
    let python = python::environment("pyarrow", &PACKAGES);
    let output = run(Command::new(python)
        .arg(root().join("tests/python/read_objects.py"))
        .arg(&dump.folder)
        .arg(root().join("docs/wire-format.md")));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

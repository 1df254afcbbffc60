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

use sdp_dal::arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray,
    DurationMillisecondArray, FixedSizeListArray, Float32Array, Int16Array, Int32Array, Int64Array,
    Int8Array, Int8Builder, LargeListArray, ListArray, MapBuilder, RecordBatch, RunArray, StringArray,
    StringBuilder, StringViewArray, StructArray, TimestampNanosecondArray, TimestampSecondArray, UnionArray,
};
use sdp_dal::arrow::buffer::OffsetBuffer;
use sdp_dal::arrow::datatypes::{i256, DataType, Field, Fields, Int64Type, Int8Type, Schema, UnionFields};
use sdp_dal::dal::{Arg, Args, Caller, CallerOptions, Namespace, Processor, ProcessorOptions, Ref};
use sdp_dal::store::{Buffer, ObjectId, Store};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{
    CallEncoder, CallSchema, Cell, Declaration, Elem, Layout, Order, ParamType, TableSource, TensorSource,
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

const BLOCKS: &str = "blocks(vis: complex64[row,chan], other: oid?) -> (sum: complex64[row,chan])";

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

const MANY: &str = "many(lu: large_utf8, vu: utf8_view, fb: binary<3>, dd: date32, du: duration<ms>, \
     ll: large_list<list<int8>>, fl: fixed_list<int16,2>, mp: map<utf8,int8>, st: struct<x:struct<y:bool>>, \
     un: dense_union<0=a:int8,1=b:utf8>, re: run_end<int32,int64>, dc: decimal256<40,3>, ts: timestamp<s>)";

/// Values of types that a signature can name and JSON can show.
fn many_types(dump: &mut Dump, store: &Namespace) {
    let schema = schema(MANY);
    let type_of = |name: &str| {
        let param = schema.params.iter().find(|param| param.name == name).unwrap();
        let ParamType::Scalar(data_type) = &param.ty else { unreachable!() };
        data_type.clone()
    };
    let item_of = |data_type: &DataType| match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.clone(),
        _ => unreachable!(),
    };
    let lists = type_of("ll");
    let inner: ArrayRef = Arc::new(Int8Array::from(vec![1, 2, 3]));
    let inner_item = item_of(item_of(&lists).data_type());
    let inner = ListArray::new(inner_item, OffsetBuffer::from_lengths([2, 1]), inner, None);
    let outer = LargeListArray::new(item_of(&lists), OffsetBuffer::from_lengths([2]), Arc::new(inner), None);
    let pair = Arc::new(Int16Array::from(vec![-1, 1]));
    let pair = FixedSizeListArray::new(item_of(&type_of("fl")), 2, pair, None);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int8Builder::new());
    map.keys().append_value("k");
    map.values().append_value(5);
    map.append(true).unwrap();
    let DataType::Struct(outside) = type_of("st") else { unreachable!() };
    let DataType::Struct(inside) = outside[0].data_type().clone() else { unreachable!() };
    let within = StructArray::new(inside, vec![Arc::new(BooleanArray::from(vec![true]))], None);
    let DataType::Union(fields, _) = type_of("un") else { unreachable!() };
    let children: Vec<ArrayRef> =
        vec![Arc::new(Int8Array::from(vec![3])), Arc::new(StringArray::from(vec!["one"]))];
    let union = UnionArray::try_new(fields, vec![1_i8].into(), Some(vec![0].into()), children).unwrap();
    let runs = RunArray::try_new(&Int32Array::from(vec![1]), &Int64Array::from(vec![9])).unwrap();
    let money = Decimal256Array::from(vec![i256::from_i128(-1250)]).with_precision_and_scale(40, 3).unwrap();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from(vec![365])),
        Arc::new(DurationMillisecondArray::from(vec![1500])),
        Arc::new(outer),
        Arc::new(pair),
        Arc::new(map.finish()),
        Arc::new(StructArray::new(outside, vec![Arc::new(within)], None)),
        Arc::new(union),
        Arc::new(runs),
        Arc::new(money),
        Arc::new(TimestampSecondArray::from(vec![60])),
    ];
    let texts = [Cell::Utf8("large".to_owned()), Cell::Utf8("a view of many bytes".to_owned())];
    let row: Vec<Cell> = texts
        .into_iter()
        .chain([Cell::Binary(vec![1, 2, 3])])
        .chain(arrays.into_iter().map(Cell::Array))
        .collect();
    let types = [
        ("lu", "large_string"),
        ("vu", "string_view"),
        ("fb", "fixed_size_binary[3]"),
        ("dd", "date32[day]"),
        ("du", "duration[ms]"),
        ("ll", "large_list<item: list<item: int8>>"),
        ("fl", "fixed_size_list<item: int16>[2]"),
        ("mp", "map<string, int8>"),
        ("st", "struct<x: struct<y: bool>>"),
        ("un", "dense_union<a: int8=0, b: string=1>"),
        ("re", "run_end_encoded<run_ends: int32, values: int64>"),
        ("dc", "decimal256(40, 3)"),
        ("ts", "timestamp[s]"),
    ];
    let fields: Vec<String> = types.iter().map(|(name, arrow)| value(name, arrow, false)).collect();
    let text = format!(
        "{{\"lu\": \"large\", \"vu\": \"a view of many bytes\", \"fb\": {}, \"dd\": {{\"date\": \"1971-01-01\"}}, \
         \"du\": {{\"duration_ms\": 1500}}, \"ll\": [[1, 2], [3]], \"fl\": [-1, 1], \"mp\": [{{\"pair\": [\"k\", 5]}}], \
         \"st\": {{\"x\": {{\"y\": true}}}}, \"un\": \"one\", \"re\": 9, \"dc\": {{\"decimal\": \"-1.250\"}}, \
         \"ts\": {{\"naive_s\": 60}}}}",
        hex(&[1, 2, 3])
    );
    let encoder = CallEncoder::new(Arc::new(schema.clone())).unwrap();
    let fields = format!("[{}]", fields.join(", "));
    for (name, rows) in [("call_many_types", 1), ("call_many_types_twice", 2)] {
        let data = encoder.encode(&vec![row.clone(); rows]).unwrap();
        let expected = call_text("many", &fields, &vec![text.clone(); rows]);
        put(dump, store, name, (&data, encoder.metadata()), expected);
    }
}

/// Rows of which inputs are parts: the call that docs/wire-format.md shows.
fn parts(dump: &mut Dump, store: &Namespace) {
    let id = |n: u8| ObjectId::new([n; 20]);
    let part = |n: u8, text: &str| Cell::Part(id(n), Arc::new(text.parse().unwrap()));
    let encoder = CallEncoder::new(Arc::new(schema(BLOCKS))).unwrap();
    let rows = [
        vec![part(1, "[:, 0:64]"), Cell::Null, Cell::Id(id(3))],
        vec![Cell::Id(id(1)), Cell::Null, Cell::Id(id(4))],
        vec![part(2, "@1088 complex64 [64,100] (8,512) {row,chan}[::-1]"), Cell::Null, Cell::Id(id(5))],
    ];
    let vis = tensor("complex64", "row,chan");
    let all = [
        object("vis", false, "in", &vis, "null"),
        object("other", true, "in", &[("type", "oid")], "null"),
        object("sum", false, "out", &vis, "null"),
        field("vis:part", "string", true, "\"proc:par\": \"part\"", "null"),
    ];
    let text = |vis: u8, sum: u8, part: &str| {
        let (vis, sum) = (hex(id(vis).as_bytes()), hex(id(sum).as_bytes()));
        format!("{{\"vis\": {vis}, \"other\": null, \"sum\": {sum}, \"vis:part\": {part}}}")
    };
    let texts = [
        text(1, 3, "\"[:, 0:64]\""),
        text(1, 4, "null"),
        text(2, 5, "\"@1088 complex64 [64,100] (8,512) {row,chan}[::-1]\""),
    ];
    for (name, rows, texts) in
        [("call_parts", &rows[..], &texts[..]), ("call_parts_one", &rows[..1], &texts[..1])]
    {
        let expected = call_text("blocks", &format!("[{}]", all.join(", ")), texts);
        put(dump, store, name, (&encoder.encode(rows).unwrap(), encoder.metadata()), expected);
    }
    let whole = encoder.encode(&rows[1..2]).unwrap();
    // Without parts there is no such column.
    let text = text(1, 4, "null").replace(", \"vis:part\": null", "");
    let expected = call_text("blocks", &format!("[{}]", all[..3].join(", ")), &[text]);
    put(dump, store, "call_whole", (&whole, encoder.metadata()), expected);
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

/// Puts a table; what pyarrow is to find: columns as `[name, type, nullable]`, and its record batches, lists of rows.
fn put_table(
    dump: &mut Dump,
    store: &Namespace,
    name: &str,
    table: &TableSource,
    columns: &str,
    chunks: &[&[&str]],
) {
    let chunks = list(chunks, |rows| list(rows, |row| (*row).to_owned()));
    let expected = format!("{{\"kind\": \"table\", \"columns\": {columns}, \"chunks\": {chunks}}}");
    dump.add(name, &got(&store.put_table(table).unwrap()), expected);
}

fn table_of(fields: Vec<Field>, columns: Vec<ArrayRef>) -> TableSource {
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    TableSource::new(batch.schema(), vec![batch]).unwrap()
}

/// A few rows of these batches, as slices of them.
fn slice(table: &TableSource, from: usize, rows: usize) -> TableSource {
    let batches = table.batches().iter().map(|batch| batch.slice(from, rows)).collect();
    TableSource::new(table.schema().clone(), batches).unwrap()
}

/// Tables as programs put them.
fn tables(dump: &mut Dump, store: &Namespace) {
    let plain = table_of(
        vec![
            Field::new("row", DataType::Int64, false),
            Field::new("name", DataType::Utf8, true),
            Field::new("flag", DataType::Boolean, true),
            Field::new("weight", DataType::Float32, true),
        ],
        vec![
            Arc::new(Int64Array::from(vec![1, 2, 3, 4])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some("ccc"), Some("ü")])),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
            Arc::new(Float32Array::from(vec![Some(0.5), None, None, Some(-1.5)])),
        ],
    );
    let columns = "[[\"row\", \"int64\", false], [\"name\", \"string\", true], [\"flag\", \"bool\", true], \
                   [\"weight\", \"float\", true]]";
    let rows = [
        "{\"row\": 1, \"name\": \"a\", \"flag\": true, \"weight\": 0.5}",
        "{\"row\": 2, \"name\": null, \"flag\": null, \"weight\": null}",
        "{\"row\": 3, \"name\": \"ccc\", \"flag\": false, \"weight\": null}",
        "{\"row\": 4, \"name\": \"ü\", \"flag\": true, \"weight\": -1.5}",
    ];
    let none = TableSource::new(plain.schema().clone(), Vec::new()).unwrap();
    put_table(dump, store, "table_plain", &plain, columns, &[&rows]);
    put_table(dump, store, "table_slice", &slice(&plain, 1, 2), columns, &[&rows[1..3]]);
    put_table(dump, store, "table_no_rows", &slice(&plain, 1, 0), columns, &[&[]]);
    put_table(dump, store, "table_no_batches", &none, columns, &[]);
    put_table(dump, store, "table_split", &plain.split(3), columns, &[&rows[..3], &rows[3..]]);
    let nothing = TableSource::new(Arc::new(Schema::empty()), Vec::new()).unwrap();
    put_table(dump, store, "table_no_columns", &nothing, "[]", &[]);
    nested_table(dump, store);
    coded_table(dump, store);
}

/// Lists, structs, maps and views, whole and from the middle.
fn nested_table(dump: &mut Dump, store: &Namespace) {
    let lists = [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(4)])];
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
    let fields =
        Fields::from(vec![Field::new("a", DataType::Int8, true), Field::new("b", DataType::Utf8View, true)]);
    let (a, long) = ([Some(1), None, Some(3), Some(4)], "longer than twelve bytes");
    let b = StringViewArray::from(vec![Some("short"), Some(long), None, Some(long)]);
    let structs = StructArray::new(
        fields,
        vec![Arc::new(Int8Array::from(a.to_vec())), Arc::new(b)],
        Some(vec![true, true, true, false].into()),
    );
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int8Builder::new());
    for n in 0..4_i8 {
        for key in 0..n {
            maps.keys().append_value(format!("k{key}"));
            maps.values().append_value(n);
        }
        maps.append(n != 2).unwrap();
    }
    let maps = maps.finish();
    let field = |name: &str, array: &dyn Array| Field::new(name, array.data_type().clone(), true);
    let fields = vec![field("l", &lists), field("s", &structs), field("m", &maps)];
    let table = table_of(fields, vec![Arc::new(lists), Arc::new(structs), Arc::new(maps)]);
    let columns =
        "[[\"l\", \"list<item: int64>\", true], [\"s\", \"struct<a: int8, b: string_view>\", true], \
                   [\"m\", \"map<string, int8>\", true]]";
    let rows = [
        "{\"l\": [1, null], \"s\": {\"a\": 1, \"b\": \"short\"}, \"m\": []}".to_owned(),
        format!("{{\"l\": null, \"s\": {{\"a\": null, \"b\": \"{long}\"}}, \"m\": [{{\"pair\": [\"k0\", 1]}}]}}"),
        "{\"l\": [], \"s\": {\"a\": 3, \"b\": null}, \"m\": null}".to_owned(),
        "{\"l\": [4], \"s\": null, \"m\": [{\"pair\": [\"k0\", 3]}, {\"pair\": [\"k1\", 3]}, {\"pair\": [\"k2\", 3]}]}".to_owned(),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    put_table(dump, store, "table_nested", &table, columns, &[&rows]);
    put_table(dump, store, "table_nested_slice", &slice(&table, 1, 3), columns, &[&rows[1..]]);
}

/// Dictionaries (one that changes from batch to batch), runs and unions.
fn coded_table(dump: &mut Dump, store: &Namespace) {
    let batch = |words: [&str; 3], ends: [i32; 2]| {
        let words: DictionaryArray<Int8Type> = words.into_iter().collect();
        let runs = RunArray::try_new(&Int32Array::from(ends.to_vec()), &Int64Array::from(vec![7, 8]));
        let union = [(0_i8, DataType::Int64), (4, DataType::Utf8)];
        let union: UnionFields = union
            .into_iter()
            .map(|(id, ty)| (id, Arc::new(Field::new(format!("u{id}"), ty, true))))
            .collect();
        let children: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![10, 11])), Arc::new(StringArray::from(vec!["x"]))];
        let (ids, places) = (vec![4_i8, 0, 0], vec![0, 0, 1]);
        let union = UnionArray::try_new(union, ids.into(), Some(places.into()), children).unwrap();
        let columns: Vec<ArrayRef> = vec![Arc::new(words), Arc::new(runs.unwrap()), Arc::new(union)];
        let fields = ["d", "r", "u"].into_iter().zip(&columns);
        let fields =
            fields.map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
        table_of(fields, columns)
    };
    let (first, second) = (batch(["p", "q", "p"], [1, 3]), batch(["q", "s", "t"], [2, 3]));
    let batches = [first.batches(), second.batches(), second.batches()].concat();
    let table = TableSource::new(first.schema().clone(), batches).unwrap();
    let columns = "[[\"d\", \"dictionary<values=string, indices=int8, ordered=0>\", true], \
                   [\"r\", \"run_end_encoded<run_ends: int32, values: int64>\", true], \
                   [\"u\", \"dense_union<u0: int64=0, u4: string=4>\", true]]";
    let row = |d: &str, r: i64, u: &str| format!("{{\"d\": \"{d}\", \"r\": {r}, \"u\": {u}}}");
    let one = [row("p", 7, "\"x\""), row("q", 8, "10"), row("p", 8, "11")];
    let two = [row("q", 7, "\"x\""), row("s", 7, "10"), row("t", 8, "11")];
    let [one, two] = [&one, &two].map(|rows| rows.iter().map(String::as_str).collect::<Vec<_>>());
    put_table(dump, store, "table_coded", &table, columns, &[&one, &two, &two]);
    put_table(
        dump,
        store,
        "table_coded_slice",
        &slice(&table, 1, 2),
        columns,
        &[&one[1..], &two[1..], &two[1..]],
    );
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
    parts(&mut dump, &namespace);
    documented_declaration(&mut dump, &namespace);
    many_types(&mut dump, &namespace);
    tables(&mut dump, &namespace);
    raw(&mut dump, &namespace);
    dump.finish();
    let python = python::environment("pyarrow", &PACKAGES);
    let output = run(Command::new(python)
        .arg(root().join("tests/python/read_objects.py"))
        .arg(&dump.folder)
        .arg(root().join("docs/wire-format.md")));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

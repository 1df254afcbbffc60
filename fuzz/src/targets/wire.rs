//! Every decoder of what lies in objects, and of the texts that name them.
//!
//! An input is a byte that chooses the decoder, the length of the metadata, the metadata, and the data. What is read is written
//! and read again, and must be the same.

use std::cell::OnceCell;
use std::sync::Arc;

use sdp_dal::arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use sdp_dal::arrow::buffer::Buffer;
use sdp_dal::arrow::datatypes::{DataType, Field, Schema};
use sdp_dal::dal::Namespace;
use sdp_dal::error::Result;
use sdp_dal::store::{id_text, parse_id_start, ObjectId, Store};
use sdp_dal::wire::{
    cell_array, check_columns, decode_call, object_kind, read_table, read_tensor, tensor_header, CallDecoder,
    CallEncoder, CallSchema, Cell, Declaration, DecodedCall, Direction, Elem, Layout, Order, ParamType,
    TableForm, TableSource, TABLE_METADATA,
};

use super::damage::{options, SIGNATURE};
use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "wire",
    about: "decodes tensors, tables, calls, declarations, metadata, exported references",
    run,
    words: &[
        b"sdp:kind=tensor;sdp:elem=float64",
        b"sdp:kind=table",
        b"sdp:kind=call;sdp:func=f",
        b"sdp:kind=declaration",
        b";sdp:there=f",
        b"call:type",
        b"proc:",
        &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 1],
    ],
    longest: 4096,
    seeds,
};

const TENSOR: u8 = 0;
const TABLE: u8 = 1;
const CALL: u8 = 2;
const DECLARATION: u8 = 3;
const REFERENCE: u8 = 4;
const KINDS: u8 = 5;

/// Functions whose calls the decoder knows beforehand; others it must parse.
const KNOWN: [&str; 4] = [
    SIGNATURE,
    "f(x: int8, y: float64?, z: int8[i], b: bool) -> (o: oid?)",
    "g(t: utf8?, l: list<int64>?, d: dictionary<int8,utf8>?, s: struct<a:int8,b:utf8_view>?)",
    "h(c: complex64, m: map<utf8,int16>?, w: binary<3>?, u: dense_union<0=a:int32,1=b:null>?, n: null?)",
];

struct Place {
    namespace: Namespace,
    decoder: CallDecoder,
}

thread_local! {
    static PLACE: OnceCell<Place> = const { OnceCell::new() };
}

/// Runs an input.
pub fn run(input: &[u8]) {
    let [kind, length, rest @ ..] = input else { return };
    let (metadata, data) = rest.split_at(rest.len().min(usize::from(*length)));
    let _ = object_kind(metadata);
    // An error is a good answer.
    let _ = match kind % KINDS {
        TENSOR => tensor(data, metadata),
        TABLE => table(data, metadata),
        CALL => PLACE.with(|place| call(&place.get_or_init(new_place).decoder, data, metadata)),
        DECLARATION => declaration(data, metadata),
        _ => PLACE.with(|place| texts(&place.get_or_init(new_place).namespace, data)),
    };
}

fn new_place() -> Place {
    let make = || -> Result<Place> {
        let store = Store::open(&super::path("wire"), &options())?;
        let known = KNOWN.map(CallSchema::parse).into_iter().map(|schema| schema.map(Arc::new));
        let decoder = CallDecoder::new(&known.collect::<Result<Vec<_>>>()?)?;
        Ok(Place { namespace: Namespace::new(&store, None), decoder })
    };
    make().unwrap_or_else(|error| panic!("{error}"))
}

fn tensor(data: &[u8], metadata: &[u8]) -> Result<()> {
    // As objects lie: at a multiple of 64 bytes.
    let data = Buffer::from(data);
    let (layout, start) = read_tensor(&data, metadata)?;
    let length = usize::try_from(layout.byte_len()).unwrap_or(usize::MAX);
    assert!(start.checked_add(length).is_some_and(|end| end <= data.len()), "a tensor beyond its object");
    let (again, from) = read_tensor(&data, metadata)?;
    assert_eq!((&layout, start), (&again, from), "read twice");
    let order = layout.order().unwrap_or_else(|| panic!("a tensor with gaps: {layout:?}"));
    let header = tensor_header(&layout.packed(order))?;
    let mut object = header.bytes.clone();
    object.extend_from_slice(&data[start..start + length]);
    let (written, at) = read_tensor(&Buffer::from(object), &header.metadata)?;
    assert_eq!((&written.shape, written.elem, &written.names), (&layout.shape, layout.elem, &layout.names));
    assert_eq!(at, header.bytes.len());
    Ok(())
}

fn table(data: &[u8], metadata: &[u8]) -> Result<()> {
    let data = Buffer::from(data);
    let table = read_table(data.clone(), metadata)?;
    for batch in table.batches() {
        batch.columns().iter().for_each(|column| touch(column));
    }
    // What a column says it is, it is.
    check_columns(table.schema(), table.schema(), &[])?;
    let _ = check_columns(table.schema(), table.schema(), table.batches());
    // The values of tables are trusted, so what is written is not compared.
    let form = TableForm::of(&table)?;
    assert!(form.size() <= 64 * data.len() + 65_536, "{} bytes became {}", data.len(), form.size());
    let mut object = vec![0; form.size()];
    form.write(&mut object);
    read_table(Buffer::from(object), TABLE_METADATA).map(drop)
}

/// Reads all buffers: what lies outside of the object is a crash.
fn touch(array: &dyn Array) {
    let data = array.to_data();
    let mut open = vec![data];
    while let Some(data) = open.pop() {
        for buffer in data.buffers() {
            std::hint::black_box(buffer.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)));
        }
        std::hint::black_box(data.nulls().map(|nulls| nulls.iter().filter(|valid| *valid).count()));
        open.extend(data.child_data().iter().cloned());
    }
}

fn call(decoder: &CallDecoder, data: &[u8], metadata: &[u8]) -> Result<()> {
    let known = decoder.decode(data, metadata);
    let parsed = decode_call(data, metadata, &[]);
    for found in [&known, &parsed].into_iter().flatten() {
        checked(found)?;
    }
    if let (Ok(known), Ok(parsed)) = (&known, &parsed) {
        assert_eq!(known.rows.len(), parsed.rows.len(), "both ways of reading");
        if known.schema.bare() == parsed.schema.bare() {
            assert_eq!(texts_of(&known.rows), texts_of(&parsed.rows), "both ways of reading");
        }
    }
    Ok(())
}

fn checked(call: &DecodedCall) -> Result<()> {
    for cells in &call.rows {
        assert_eq!(cells.len(), call.schema.params.len(), "as many cells as parameters");
        for (param, cell) in call.schema.params.iter().zip(cells) {
            // What was read can be given on.
            let array = cell_array(param, cell, &call.function)?;
            assert_eq!(array.len(), 1);
        }
    }
    let encoder = CallEncoder::new(Arc::clone(&call.schema))?;
    let data = encoder.encode(&call.rows)?;
    let again = decode_call(&data, encoder.metadata(), &[])?;
    assert_eq!(texts_of(&again.rows), texts_of(&call.rows), "written and read again");
    Ok(())
}

/// Cells as text: arrays have no equality that covers every type. The text of a dense union shows more than its value.
fn texts_of(rows: &[Vec<Cell>]) -> Vec<String> {
    let text = |cell: &Cell| match cell {
        Cell::Array(array) if format!("{:?}", array.data_type()).contains("Union") => "a union".into(),
        Cell::Array(array) => format!("{array:?}"),
        other => format!("{other:?}"),
    };
    rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("; ")).collect()
}

fn declaration(data: &[u8], metadata: &[u8]) -> Result<()> {
    let found = Declaration::decode(data, metadata)?;
    for function in &found.functions {
        function.check()?;
        assert_eq!(function.mismatches(function), Vec::<String>::new(), "{function}");
        CallSchema::from_arrow(&function.to_arrow())?;
    }
    let (data, metadata) = found.encode([1, 2, 3, 4])?;
    assert_eq!(Declaration::decode(&data, &metadata)?, found);
    Ok(())
}

fn texts(namespace: &Namespace, data: &[u8]) -> Result<()> {
    let _ = ObjectId::from_slice(data);
    let text = String::from_utf8_lossy(data);
    if let Ok((id, size)) = parse_id_start(&text) {
        assert_eq!(id_text(&id.as_bytes()[..size]), text.to_lowercase());
    }
    // The library's own number of the store, so that more than that is looked at.
    let text = text.replace("STORE", &format!("{:016x}", namespace.store().identity()));
    drop(namespace.import(&text)?);
    Ok(())
}

fn input(kind: u8, metadata: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, u8::try_from(metadata.len()).unwrap_or(0)];
    bytes.extend_from_slice(metadata);
    bytes.extend_from_slice(data);
    bytes
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    make_seeds().unwrap_or_else(|error| panic!("{error}"))
}

fn make_seeds() -> Result<Vec<(String, Vec<u8>)>> {
    let mut seeds = Vec::new();
    for (elem, shape, order) in [
        (Elem::Float64, &[2, 3][..], Order::C),
        (Elem::Complex64, &[2, 2], Order::F),
        (Elem::Bool, &[], Order::C),
        (Elem::Uint8, &[0, 5], Order::C),
    ] {
        let names = ["row", "chan"].map(String::from);
        let layout = Layout::contiguous(elem, shape, order, &names[..shape.len()])?;
        let header = tensor_header(&layout)?;
        let mut object = header.bytes.clone();
        object.resize(object.len() + usize::try_from(header.body_size).unwrap_or(0), 1);
        seeds.push((format!("tensor-{elem}"), input(TENSOR, &header.metadata, &object)));
    }
    for (name, table) in tables()? {
        let form = TableForm::of(&table)?;
        let mut object = vec![0; form.size()];
        form.write(&mut object);
        seeds.push((format!("table-{name}"), input(TABLE, TABLE_METADATA, &object)));
    }
    for (nth, signature) in KNOWN.into_iter().enumerate() {
        let schema = Arc::new(CallSchema::parse(signature)?);
        let encoder = CallEncoder::new(Arc::clone(&schema))?;
        let row: Vec<Cell> = schema.params.iter().map(|param| value(&param.ty)).collect();
        for rows in [1, 2] {
            let data = encoder.encode(&vec![row.clone(); rows])?;
            let metadata = encoder.metadata_with(&[true, false]);
            seeds.push((format!("call-{nth}-{rows}"), input(CALL, &metadata, &data)));
        }
    }
    let functions = KNOWN.map(CallSchema::parse).into_iter().collect::<Result<Vec<_>>>()?;
    // Two forms of a function, too.
    let form = CallSchema::parse("f(x: int16, y: float32?, z: float32[i], b: bool) -> (o: oid?)")?;
    let declaration = Declaration {
        name: "fuzz".into(),
        pid: 1,
        argv: vec!["a".into(), String::new()],
        functions: [&functions[1..3], &[form]].concat(),
        metadata: [("key".to_owned(), "value".to_owned())].into(),
    };
    let (data, metadata) = declaration.encode([1, 2, 3, 4])?;
    seeds.push(("declaration".into(), input(DECLARATION, &metadata, &data)));
    let id = "000102030405060708090a0b0c0d0e0f10111213";
    let text = format!("sdp-dal-ref:1:STORE:{id}.3.17,{id}.4.1:/dev/shm/store");
    seeds.push(("reference".into(), input(REFERENCE, b"", text.as_bytes())));
    seeds.push(("id".into(), input(REFERENCE, b"", id.as_bytes())));
    Ok(seeds)
}

/// Some value of a parameter.
pub(super) fn value(ty: &ParamType) -> Cell {
    match ty {
        ParamType::Scalar(DataType::Boolean) => Cell::Bool(true),
        ParamType::Scalar(DataType::Float16 | DataType::Float32 | DataType::Float64) => Cell::Float(0.5),
        ParamType::Scalar(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            Cell::Utf8("text".into())
        }
        ParamType::Scalar(DataType::FixedSizeBinary(size)) => {
            Cell::Binary(vec![1; usize::try_from(*size).unwrap_or(0)])
        }
        ParamType::Scalar(DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
            Cell::Binary(vec![1, 2])
        }
        ParamType::Scalar(data_type) if data_type.is_integer() => Cell::Int(1),
        ParamType::Scalar(_)
            if ["complex64", "complex128"]
                .iter()
                .any(|name| ParamType::parse(name, Direction::In).as_ref() == Ok(ty)) =>
        {
            Cell::Complex(1.0, -1.0)
        }
        ParamType::Scalar(data_type) => Cell::Array(sdp_dal::arrow::array::new_null_array(data_type, 1)),
        _ => Cell::Id(ObjectId::new([7; 20])),
    }
}

fn tables() -> Result<Vec<(&'static str, TableSource)>> {
    let table = |columns: Vec<(&str, ArrayRef)>| -> Result<TableSource> {
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)
            .map_err(|wrong| sdp_dal::error::Error::invalid(wrong.to_string()))?;
        TableSource::new(schema, vec![batch.clone(), batch])
    };
    let list =
        sdp_dal::arrow::array::ListArray::from_iter_primitive::<sdp_dal::arrow::datatypes::Int32Type, _, _>(
            [Some(vec![Some(1), None]), None],
        );
    let words: sdp_dal::arrow::array::DictionaryArray<sdp_dal::arrow::datatypes::Int8Type> =
        ["a", "b"].into_iter().collect();
    let view = sdp_dal::arrow::array::StringViewArray::from(vec![Some("a text longer than twelve"), None]);
    Ok(vec![
        (
            "plain",
            table(vec![
                ("a", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef),
                ("b", Arc::new(Float64Array::from(vec![0.5, 1.5]))),
                ("t", Arc::new(StringArray::from(vec!["a", "text"]))),
            ])?,
        ),
        (
            "nested",
            table(vec![("l", Arc::new(list) as ArrayRef), ("d", Arc::new(words)), ("v", Arc::new(view))])?,
        ),
    ])
}

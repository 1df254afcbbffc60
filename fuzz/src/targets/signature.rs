//! Signatures: text, schema, text again; two of them against each other; calls against one.
//!
//! An input is two texts and bytes that are read as a call's values, with a NUL between them.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use sdp_dal::error::{Kind, Result};
use sdp_dal::store::ObjectId;
use sdp_dal::wire::{
    decode_call, Along, CallEncoder, CallSchema, Cell, Declaration, Direction, Elem, Layout, Order,
    ParamType, Part, Placed,
};

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "signature",
    about: "signatures to schemas and back, two signatures, calls of them",
    run,
    words: &[
        b"f(",
        b"->",
        b"(",
        b")",
        b": ",
        b"?",
        b",",
        b"in ",
        b"out ",
        b"int64",
        b"float16",
        b"complex128[row,uvw=3]",
        b"bool[]",
        b"*",
        b" C",
        b" F",
        b"table{",
        b"}",
        b"oid",
        b"id",
        b"utf8",
        b"utf8_view",
        b"large_binary",
        b"binary<20>",
        b"list<",
        b"fixed_list<",
        b"list_view<",
        b"struct<",
        b"map<utf8,",
        b"dictionary<int8,",
        b"run_end<int16,",
        b"dense_union<0=a:",
        b"sparse_union<5=b:",
        b"timestamp<ns,UTC>",
        b"time32<ms>",
        b"duration<us>",
        b"interval<month_day_nano>",
        b"decimal128<38,-3>",
        b"date32",
        b"null",
        b">",
        b"!",
        b"\"a b\"",
        b"\"\\u{e9}\"",
        b"\0",
        b"9223372036854775807",
        b"18446744073709551616",
        b"[0:4, ::-1]",
        b"[..., 3]",
        b"+:",
        b"@64 complex64 [3,4] (-64,8) {row,*}",
    ],
    longest: 2048,
    seeds,
};

/// Runs an input.
pub fn run(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let texts = [part(), part()].map(String::from_utf8_lossy);
    let values = part();
    for text in &texts {
        if let Ok(part) = text.parse::<Part>() {
            assert_eq!(part.to_string().parse().as_ref(), Ok(&part), "{text}");
            resolved(&part);
        }
        for direction in [Direction::In, Direction::Out] {
            if let Ok(ty) = ParamType::parse(text, direction) {
                assert_eq!(ParamType::parse(&ty.to_string(), direction).as_ref(), Ok(&ty), "{text}");
            }
        }
    }
    let schemas: Vec<CallSchema> = texts.iter().filter_map(|text| CallSchema::parse(text).ok()).collect();
    for schema in &schemas {
        known_again(schema);
        calls(schema, &mut Unstructured::new(values));
    }
    if let [a, b] = schemas.as_slice() {
        // Equal ones fit; what fits does so for a reason that both know.
        assert!(a != b || a.mismatches(b).is_empty(), "{a}");
        let _ = (a.mismatches(b), b.mismatches(a));
    }
}

/// A part lies in the object that it is one of, or is refused.
fn resolved(part: &Part) {
    let layout = Layout::contiguous(Elem::Float32, &[3, 4, 2], Order::F, &[]).expect("it is small");
    let whole = Placed { layout, origin: 64 };
    for data in [64 + 96, 1 << 20] {
        let Ok(found) = part.resolve(Some(&whole), data) else { continue };
        let span = found.span();
        assert!(span.start <= found.origin && span.end <= data, "{part}: {found}");
        assert!(found.layout.is_empty() || found.origin < span.end, "{part}: {found}");
    }
}

/// Whatever way a schema takes, it stays what it is.
fn known_again(schema: &CallSchema) {
    let text = schema.to_string();
    let read = CallSchema::parse(&text).unwrap_or_else(|error| panic!("'{text}' is no signature: {error}"));
    assert_eq!(&read, schema, "{text}");
    assert_eq!(schema.mismatches(schema), Vec::<String>::new(), "{text}");
    let arrow = schema.to_arrow();
    let back = CallSchema::from_arrow(&arrow).unwrap_or_else(|error| panic!("'{text}' as Arrow's: {error}"));
    assert_eq!(&back, schema, "{text}");
    let declaration = Declaration {
        name: String::new(),
        pid: 0,
        argv: Vec::new(),
        functions: vec![schema.clone()],
        metadata: sdp_dal::wire::Metadata::new(),
    };
    let found = declaration.encode([0; 4]).and_then(|(data, metadata)| Declaration::decode(&data, &metadata));
    assert_eq!(found.map(|found| found.functions), Ok(vec![schema.clone()]), "{text}");
}

/// A value that may or may not fit its parameter.
#[derive(Arbitrary)]
enum Value {
    Fitting,
    Null,
    Bool(bool),
    Int(i64),
    Small(i8),
    Uint(u64),
    Float(f64),
    Complex(f64, f64),
    Text(String),
    Bytes(Vec<u8>),
    Id([u8; 20]),
    Part([u8; 20], i64, i64, i64),
}

impl Value {
    fn cell(self, ty: &ParamType) -> Cell {
        match self {
            Value::Fitting => super::wire::value(ty),
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Bool(value),
            Value::Int(value) => Cell::Int(value),
            Value::Small(value) => Cell::Int(value.into()),
            Value::Uint(value) => Cell::Uint(value),
            Value::Float(value) => Cell::Float(value),
            Value::Complex(re, im) => Cell::Complex(re, im),
            Value::Text(text) => Cell::Utf8(text),
            Value::Bytes(bytes) => Cell::Binary(bytes),
            Value::Id(id) => Cell::Id(ObjectId::new(id)),
            Value::Part(id, start, stop, step) => {
                let along = Along::Range { start: Some(start), stop: Some(stop), step };
                match Part::slice(&[along, Along::Rest]) {
                    Ok(part) => Cell::Part(ObjectId::new(id), Arc::new(part)),
                    Err(_) => Cell::Id(ObjectId::new(id)),
                }
            }
        }
    }
}

fn calls(schema: &CallSchema, values: &mut Unstructured<'_>) {
    let encoder = CallEncoder::new(Arc::new(schema.clone()))
        .unwrap_or_else(|error| panic!("{schema}: calls cannot be written: {error}"));
    let rows = 1 + usize::from(values.arbitrary().unwrap_or(0_u8) % 3);
    let cell = |param: &sdp_dal::wire::Param, values: &mut Unstructured<'_>| {
        values.arbitrary().unwrap_or(Value::Fitting).cell(&param.ty)
    };
    let rows: Vec<Vec<Cell>> =
        (0..rows).map(|_| schema.params.iter().map(|param| cell(param, values)).collect()).collect();
    let read = |data: &[u8]| -> Result<_> { decode_call(data, encoder.metadata(), &[]) };
    match encoder.encode(&rows) {
        Ok(data) => {
            let call = read(&data).unwrap_or_else(|error| panic!("{schema}: {error}"));
            assert_eq!((call.rows.len(), &call.function), (rows.len(), &schema.name), "{schema}");
            let again = encoder.encode(&call.rows).and_then(|data| read(&data));
            let again =
                again.unwrap_or_else(|error| panic!("{schema}: what was read cannot be written: {error}"));
            assert_eq!(format!("{:?}", again.rows), format!("{:?}", call.rows), "{schema}");
        }
        Err(error) => assert_eq!(error.kind(), Kind::InvalidArgument, "{schema}: {error}"),
    }
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let texts = [
        "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])\0simple_fn(ys: int64[i], x: int64, n: utf8?) -> (zs: int64[i])",
        "ms2dirty(uvw: float64[row,uvw=3] C, ms: complex128[row,chan], half: float16, flag: bool?) -> (dirty: float64[x,y])",
        "f(t: table{a: int64, \"a b\": utf8?}, u: table, in: oid, out out: oid?, i: id, z: bool[*,3])",
        "g(l: list<int64!>?, d: dictionary<int8,utf8>, s: struct<a:int8,b:utf8_view>, m: map<utf8,dictionary<int16,utf8>>)",
        "h(u: sparse_union<0=a:int8,5=b:utf8>, v: dense_union<0=a:int32,1=b:null>, r: run_end<int16,int8>, w: list_view<decimal128<9,2>>)",
        "k(n: fixed_list<float16,2>, t: timestamp<ns,UTC>, u: time32<ms>, d: duration<us>, i: interval<month_day_nano>, b: binary<20>)",
    ];
    texts
        .iter()
        .enumerate()
        .map(|(nth, text)| (format!("signature-{nth}"), text.as_bytes().to_vec()))
        .collect()
}

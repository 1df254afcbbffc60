//! A written form for every Arrow type.
//!
//! ```text
//! scalar = "null" | "bool" | "int8" … "uint64" | "float16" | "float32" | "float64" | "utf8" | "large_utf8" | "utf8_view"
//!        | "binary" | "large_binary" | "binary_view" | "binary<" size ">" | "date32" | "date64"
//!        | "time32<" ("s"|"ms") ">" | "time64<" ("us"|"ns") ">" | "duration<" unit ">" | "timestamp<" unit [ "," zone ] ">"
//!        | "interval<" ("year_month"|"day_time"|"month_day_nano") ">" | "decimal" bits "<" precision "," scale ">"
//!        | ("list"|"large_list"|"list_view"|"large_list_view") "<" child ">" | "fixed_list<" child "," size ">"
//!        | "struct<" [ name ":" scalar mark { "," … } ] ">" | "dictionary<" index "," scalar ">"
//!        | "map<" child "," child [ "," "sorted" ] ">" | "map<" child-of-pairs [ "," "sorted" ] ">"
//!        | "run_end<" child "," child ">" | ("sparse_union"|"dense_union") "<" [ id "=" name ":" scalar mark { "," … } ] ">"
//!        | "complex64" | "complex128"
//! child  = [ name ":" ] scalar mark        mark = [ "!" | "?" ]
//! ```
//! Children are nullable unless `!` says that they are not, as Arrow's libraries make them; names are left away where
//! they are Arrow's own (`item`, `key`, `value`, `entries`, `run_ends`, `values`). A map's keys, its pairs and run ends
//! are not nullable unless `?` says so. A complex value is a `fixed_list<re_im:float64!,2>`.

use std::sync::Arc;

use crate::arrow::datatypes::{
    DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit, UnionFields, UnionMode,
};

use crate::error::{Error, Result};

use super::scanner::{is_bare_zone, write_name, write_quoted, Scanner};
use super::types::{decimal, time32, time64, MAX_DEPTH};
use super::Elem;

/// What a child is if nothing else is written.
struct Usual {
    name: &'static str,
    nullable: bool,
}

const ITEM: Usual = Usual { name: "item", nullable: true };
const KEY: Usual = Usual { name: "key", nullable: false };
const VALUE: Usual = Usual { name: "value", nullable: true };
const ENTRIES: Usual = Usual { name: "entries", nullable: false };
const RUN_ENDS: Usual = Usual { name: "run_ends", nullable: false };
const VALUES: Usual = Usual { name: "values", nullable: true };

/// The types that are one word.
const WORDS: [(&str, DataType); 21] = [
    ("null", DataType::Null),
    ("bool", DataType::Boolean),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float16", DataType::Float16),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("utf8", DataType::Utf8),
    ("large_utf8", DataType::LargeUtf8),
    ("utf8_view", DataType::Utf8View),
    ("large_binary", DataType::LargeBinary),
    ("binary_view", DataType::BinaryView),
    ("date32", DataType::Date32),
    ("date64", DataType::Date64),
    ("binary", DataType::Binary),
];

const UNITS: [(&str, TimeUnit); 4] = [
    ("s", TimeUnit::Second),
    ("ms", TimeUnit::Millisecond),
    ("us", TimeUnit::Microsecond),
    ("ns", TimeUnit::Nanosecond),
];

const INTERVALS: [(&str, IntervalUnit); 3] = [
    ("year_month", IntervalUnit::YearMonth),
    ("day_time", IntervalUnit::DayTime),
    ("month_day_nano", IntervalUnit::MonthDayNano),
];

impl Elem {
    /// The Arrow type of a parameter that is one number of this type.
    pub(crate) fn scalar_type(self) -> DataType {
        self.to_arrow().unwrap_or_else(|| {
            let part = self.stored().to_arrow().unwrap_or(DataType::Float64);
            DataType::FixedSizeList(Arc::new(Field::new("re_im", part, false)), 2)
        })
    }
}

/// The written form of a type.
pub(crate) fn type_text(data_type: &DataType) -> String {
    let mut out = String::new();
    write_type(data_type, &mut out);
    out
}

/// Appends the written form of a type.
pub(crate) fn write_type(data_type: &DataType, out: &mut String) {
    if let Some((word, _)) = WORDS.iter().find(|(_, ty)| ty == data_type) {
        return out.push_str(word);
    }
    if let Some(elem) =
        [Elem::Complex64, Elem::Complex128].into_iter().find(|elem| elem.scalar_type() == *data_type)
    {
        return out.push_str(elem.name());
    }
    match data_type {
        DataType::FixedSizeBinary(size) => out.push_str(&format!("binary<{size}>")),
        DataType::Time32(unit) => out.push_str(&format!("time32<{}>", unit_name(unit))),
        DataType::Time64(unit) => out.push_str(&format!("time64<{}>", unit_name(unit))),
        DataType::Duration(unit) => out.push_str(&format!("duration<{}>", unit_name(unit))),
        DataType::Timestamp(unit, zone) => {
            out.push_str(&format!("timestamp<{}", unit_name(unit)));
            if let Some(zone) = zone.as_ref().filter(|zone| !zone.is_empty()) {
                out.push(',');
                if is_bare_zone(zone) {
                    out.push_str(zone);
                } else {
                    write_quoted(zone, out);
                }
            }
            out.push('>');
        }
        DataType::Interval(unit) => {
            let name = INTERVALS.iter().find(|(_, interval)| interval == unit).map_or("", |(name, _)| name);
            out.push_str(&format!("interval<{name}>"));
        }
        DataType::Decimal32(p, s) => out.push_str(&format!("decimal32<{p},{s}>")),
        DataType::Decimal64(p, s) => out.push_str(&format!("decimal64<{p},{s}>")),
        DataType::Decimal128(p, s) => out.push_str(&format!("decimal128<{p},{s}>")),
        DataType::Decimal256(p, s) => out.push_str(&format!("decimal256<{p},{s}>")),
        nested => write_nested(nested, out),
    }
}

fn write_nested(data_type: &DataType, out: &mut String) {
    match data_type {
        DataType::List(child) => write_children("list", &[(child, &ITEM)], "", out),
        DataType::LargeList(child) => write_children("large_list", &[(child, &ITEM)], "", out),
        DataType::ListView(child) => write_children("list_view", &[(child, &ITEM)], "", out),
        DataType::LargeListView(child) => write_children("large_list_view", &[(child, &ITEM)], "", out),
        DataType::FixedSizeList(child, size) => {
            write_children("fixed_list", &[(child, &ITEM)], &format!(",{size}"), out);
        }
        DataType::RunEndEncoded(ends, values) => {
            write_children("run_end", &[(ends, &RUN_ENDS), (values, &VALUES)], "", out);
        }
        DataType::Map(entries, sorted) => {
            let end = if *sorted { ",sorted" } else { "" };
            match entries.data_type() {
                DataType::Struct(pair)
                    if pair.len() == 2 && entries.name() == ENTRIES.name && !entries.is_nullable() =>
                {
                    write_children("map", &[(&pair[0], &KEY), (&pair[1], &VALUE)], end, out);
                }
                _ => write_children("map", &[(entries, &ENTRIES)], end, out),
            }
        }
        DataType::Dictionary(index, value) => {
            out.push_str("dictionary<");
            write_type(index, out);
            out.push(',');
            write_type(value, out);
            out.push('>');
        }
        DataType::Struct(fields) => {
            out.push_str("struct<");
            for (at, field) in fields.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_member(field, out);
            }
            out.push('>');
        }
        DataType::Union(fields, mode) => {
            out.push_str(if *mode == UnionMode::Sparse { "sparse_union<" } else { "dense_union<" });
            for (at, (id, field)) in fields.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&format!("{id}="));
                write_member(field, out);
            }
            out.push('>');
        }
        // All types without children are written above; a new one of Arrow's would show its own name.
        other => out.push_str(&other.to_string()),
    }
}

fn write_children(word: &str, children: &[(&FieldRef, &Usual)], end: &str, out: &mut String) {
    out.push_str(word);
    for (at, (field, usual)) in children.iter().enumerate() {
        out.push(if at > 0 { ',' } else { '<' });
        if field.name() != usual.name {
            write_name(field.name(), out);
            out.push(':');
        }
        write_type(field.data_type(), out);
        write_mark(field, usual.nullable, out);
    }
    out.push_str(end);
    out.push('>');
}

fn write_member(field: &Field, out: &mut String) {
    write_name(field.name(), out);
    out.push(':');
    write_type(field.data_type(), out);
    write_mark(field, true, out);
}

fn write_mark(field: &Field, usual: bool, out: &mut String) {
    if field.is_nullable() != usual {
        out.push(if usual { '!' } else { '?' });
    }
}

fn unit_name(unit: &TimeUnit) -> &'static str {
    UNITS.iter().find(|(_, other)| other == unit).map_or("", |(name, _)| name)
}

/// Reads a type.
pub(crate) fn read_type(scanner: &mut Scanner<'_>) -> Result<DataType> {
    read_nested(scanner, 0)
}

fn read_nested(scanner: &mut Scanner<'_>, depth: usize) -> Result<DataType> {
    let mark = scanner.mark();
    if depth > MAX_DEPTH {
        return Err(scanner.wrong_at(mark, "a type nested more than 64 times", "a type with fewer levels"));
    }
    const EXPECTED: &str = "a type, such as int64, float64[row,chan], utf8, table or oid";
    let word = scanner.name().ok_or_else(|| scanner.wrong(EXPECTED))?;
    if word == "binary" && scanner.eat("<") {
        let size = scanner.need_number("the number of bytes")?;
        return close(scanner, DataType::FixedSizeBinary(positive(scanner, mark, size)?));
    }
    if let Some((_, data_type)) = WORDS.iter().find(|(name, _)| *name == word) {
        return Ok(data_type.clone());
    }
    if let Some(elem) = Elem::from_name(word) {
        return Ok(elem.scalar_type());
    }
    const NESTED: [&str; 20] = [
        "time32",
        "time64",
        "duration",
        "timestamp",
        "interval",
        "decimal32",
        "decimal64",
        "decimal128",
        "decimal256",
        "list",
        "large_list",
        "list_view",
        "large_list_view",
        "fixed_list",
        "struct",
        "dictionary",
        "map",
        "run_end",
        "sparse_union",
        "dense_union",
    ];
    if !NESTED.contains(&word) {
        return Err(scanner.wrong_at(mark, &format!("'{word}'"), EXPECTED));
    }
    scanner.require("<", &format!("'<' after '{word}'"))?;
    let data_type = match word {
        "time32" | "time64" | "duration" | "timestamp" => read_time(scanner, word, mark)?,
        "interval" => {
            DataType::Interval(read_word(scanner, &INTERVALS, "year_month, day_time or month_day_nano")?)
        }
        "decimal32" | "decimal64" | "decimal128" | "decimal256" => {
            let precision = scanner.need_number("the precision")?;
            scanner.require(",", "',' and the scale")?;
            let scale = scanner.need_number("the scale")?;
            let bits = word["decimal".len()..].parse().unwrap_or_default();
            decimal(bits, precision, scale).ok_or_else(|| {
                scanner.wrong_at(
                    mark,
                    &format!("{word} of precision {precision} and scale {scale}"),
                    "what fits its bits",
                )
            })?
        }
        "list" => DataType::List(read_child(scanner, &ITEM, depth)?),
        "large_list" => DataType::LargeList(read_child(scanner, &ITEM, depth)?),
        "list_view" => DataType::ListView(read_child(scanner, &ITEM, depth)?),
        "large_list_view" => DataType::LargeListView(read_child(scanner, &ITEM, depth)?),
        "fixed_list" => {
            let child = read_child(scanner, &ITEM, depth)?;
            scanner.require(",", "',' and the length")?;
            let size = scanner.need_number("the length")?;
            DataType::FixedSizeList(child, positive(scanner, mark, size)?)
        }
        "struct" => DataType::Struct(read_members(scanner, depth)?),
        "dictionary" => read_dictionary(scanner, depth)?,
        "map" => read_map(scanner, depth, mark)?,
        "run_end" => read_run_end(scanner, depth)?,
        _ => read_union(scanner, word == "sparse_union", depth, mark)?,
    };
    close(scanner, data_type)
}

fn close(scanner: &mut Scanner<'_>, data_type: DataType) -> Result<DataType> {
    scanner.require(">", "'>' at the end of the type")?;
    Ok(data_type)
}

fn positive(scanner: &Scanner<'_>, mark: usize, size: i32) -> Result<i32> {
    if size < 0 {
        return Err(scanner.wrong_at(mark, &format!("size {size}"), "zero or more"));
    }
    Ok(size)
}

fn read_word<T: Copy>(scanner: &mut Scanner<'_>, words: &[(&str, T)], expected: &str) -> Result<T> {
    let mark = scanner.mark();
    let word = scanner.name();
    let found = words.iter().find(|(name, _)| Some(*name) == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        scanner.reset(mark);
        scanner.wrong(expected)
    })
}

fn read_time(scanner: &mut Scanner<'_>, word: &str, mark: usize) -> Result<DataType> {
    let unit = read_word(scanner, &UNITS, "a unit: s, ms, us or ns")?;
    match word {
        "time32" => {
            time32(unit).ok_or_else(|| scanner.wrong_at(mark, "a time32 of us or ns", "time64, or s or ms"))
        }
        "time64" => {
            time64(unit).ok_or_else(|| scanner.wrong_at(mark, "a time64 of s or ms", "time32, or us or ns"))
        }
        "duration" => Ok(DataType::Duration(unit)),
        _ => {
            let zone = if scanner.eat(",") { Some(scanner.zone()?.into()) } else { None };
            Ok(DataType::Timestamp(unit, zone))
        }
    }
}

fn read_mark(scanner: &mut Scanner<'_>, usual: bool) -> bool {
    if scanner.eat("!") {
        false
    } else {
        scanner.eat("?") || usual
    }
}

/// `[ name ":" ] type mark`.
fn read_child(scanner: &mut Scanner<'_>, usual: &Usual, depth: usize) -> Result<FieldRef> {
    let mark = scanner.mark();
    let name = match scanner.name_or_quoted()? {
        Some(name) if scanner.eat(":") => name,
        _ => {
            scanner.reset(mark);
            usual.name.to_owned()
        }
    };
    let data_type = read_nested(scanner, depth + 1)?;
    Ok(Arc::new(Field::new(name, data_type, read_mark(scanner, usual.nullable))))
}

/// `name ":" type mark`.
fn read_member(scanner: &mut Scanner<'_>, depth: usize) -> Result<FieldRef> {
    let name = scanner.name_or_quoted()?.ok_or_else(|| scanner.wrong("the name of a field, or '>'"))?;
    scanner.require(":", "':' and the field's type")?;
    let data_type = read_nested(scanner, depth + 1)?;
    Ok(Arc::new(Field::new(name, data_type, read_mark(scanner, true))))
}

fn read_members(scanner: &mut Scanner<'_>, depth: usize) -> Result<Fields> {
    let mut fields = Vec::new();
    while !scanner.peek(">") {
        fields.push(read_member(scanner, depth)?);
        if !scanner.eat(",") {
            break;
        }
    }
    Ok(fields.into())
}

fn read_dictionary(scanner: &mut Scanner<'_>, depth: usize) -> Result<DataType> {
    let mark = scanner.mark();
    let index = read_nested(scanner, depth + 1)?;
    if !index.is_dictionary_key_type() {
        return Err(scanner.wrong_at(
            mark,
            &format!("'{}'", type_text(&index)),
            "an integer type as the index",
        ));
    }
    scanner.require(",", "',' and the type of the values")?;
    let mark = scanner.mark();
    let values = read_nested(scanner, depth + 1)?;
    if matches!(values, DataType::Dictionary(..)) {
        return Err(scanner.wrong_at(
            mark,
            "a dictionary",
            "values of another type (an Arrow stream cannot contain dictionaries of dictionaries)",
        ));
    }
    Ok(DataType::Dictionary(Box::new(index), Box::new(values)))
}

fn read_map(scanner: &mut Scanner<'_>, depth: usize, mark: usize) -> Result<DataType> {
    let start = scanner.mark();
    let key = read_child(scanner, &KEY, depth)?;
    let mut sorted = false;
    if scanner.eat(",") {
        let before = scanner.mark();
        // `sorted` is no type, so that it cannot be the second child.
        sorted = scanner.name() == Some("sorted");
        if !sorted {
            scanner.reset(before);
            let value = read_child(scanner, &VALUE, depth)?;
            sorted = scanner.eat(",");
            if sorted {
                scanner.require("sorted", "'sorted'")?;
            }
            let pair = DataType::Struct(Fields::from(vec![key, value]));
            return Ok(DataType::Map(Arc::new(Field::new(ENTRIES.name, pair, ENTRIES.nullable)), sorted));
        }
    }
    // One child: the pairs themselves.
    let after = scanner.mark();
    scanner.reset(start);
    let entries = read_child(scanner, &ENTRIES, depth)?;
    scanner.reset(after);
    match entries.data_type() {
        DataType::Struct(pair) if pair.len() == 2 => Ok(DataType::Map(entries, sorted)),
        other => Err(scanner.wrong_at(
            mark,
            &format!("a map of '{}'", type_text(other)),
            "a key and a value, or a struct of the two",
        )),
    }
}

fn read_run_end(scanner: &mut Scanner<'_>, depth: usize) -> Result<DataType> {
    let mark = scanner.mark();
    let ends = read_child(scanner, &RUN_ENDS, depth)?;
    if !ends.data_type().is_run_ends_type() {
        return Err(scanner.wrong_at(
            mark,
            &format!("'{}'", type_text(ends.data_type())),
            "int16, int32 or int64",
        ));
    }
    scanner.require(",", "',' and the type of the values")?;
    Ok(DataType::RunEndEncoded(ends, read_child(scanner, &VALUES, depth)?))
}

fn read_union(scanner: &mut Scanner<'_>, sparse: bool, depth: usize, mark: usize) -> Result<DataType> {
    let (mut ids, mut fields): (Vec<i8>, Vec<FieldRef>) = (Vec::new(), Vec::new());
    while !scanner.peek(">") {
        ids.push(scanner.need_number("the type's id: 0 to 127")?);
        scanner.require("=", "'=' and the name of the field")?;
        fields.push(read_member(scanner, depth)?);
        if !scanner.eat(",") {
            break;
        }
    }
    let fields =
        UnionFields::try_new(ids, fields).map_err(|wrong: crate::arrow::error::ArrowError| -> Error {
            scanner.wrong_at(mark, &wrong.to_string(), "a union")
        })?;
    Ok(DataType::Union(fields, if sparse { UnionMode::Sparse } else { UnionMode::Dense }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_type, Random};
    use super::*;

    fn parse(text: &str) -> Result<DataType> {
        let scanner = &mut Scanner::new(text);
        let data_type = read_type(scanner)?;
        assert!(scanner.at_end());
        Ok(data_type)
    }

    #[test]
    fn every_type_comes_back() {
        let mut random = Random::new(5);
        for _ in 0..5000 {
            let data_type = any_type(&mut random, 4);
            let text = type_text(&data_type);
            assert_eq!(parse(&text).unwrap_or_else(|wrong| panic!("{text}: {wrong}")), data_type, "{text}");
        }
    }

    #[test]
    fn arrows_usual_types_have_short_forms() {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
        assert_eq!(type_text(&list), "list<int64>");
        let key = Field::new("key", DataType::Utf8, false);
        let value = Field::new("value", DataType::Int8, true);
        let pair = DataType::Struct(vec![key, value].into());
        let map = DataType::Map(Arc::new(Field::new("entries", pair, false)), false);
        assert_eq!(type_text(&map), "map<utf8,int8>");
        assert_eq!(parse("map<struct<key:utf8!,value:int8>>").unwrap(), map);
        let nullable = DataType::Struct(vec![Field::new("a", DataType::Utf8, true)].into());
        assert_eq!(type_text(&nullable), "struct<a:utf8>");
        assert_eq!(type_text(&Elem::Complex128.scalar_type()), "complex128");
        assert_eq!(parse("fixed_list<re_im:float32!,2>").unwrap(), Elem::Complex64.scalar_type());
    }

    #[test]
    fn impossible_types_are_refused() {
        for text in [
            "binary<-1>",
            "fixed_list<int8,-1>",
            "decimal32<10,0>",
            "decimal128<0,0>",
            "decimal128<39,1>",
            "time32<ns>",
            "time64<s>",
            "dictionary<utf8,utf8>",
            "run_end<int8,utf8>",
            "map<int8>",
            "timestamp<h>",
            "timestamp<s,>",
            "timestamp<s,\"\">",
            "list",
            "list<",
            "list<>",
            "list<int8",
            "sparse_union<1=a:int8,1=b:int8>",
            "dense_union<-1=a:int8>",
            "nul",
            "dictionary<int8>",
            "dictionary<int8,dictionary<int8,utf8>>",
            "interval<s>",
            "struct<a>",
            "map<int8,sorted>",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

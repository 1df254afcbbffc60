//! Signatures in one line: `simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])`.
//!
//! ```text
//! signature = name "(" [ list ] ")" [ "->" "(" [ list ] ")" ]        list  = param { "," param } [ "," ]
//! param     = [ "in" | "out" ] name ":" type [ "?" ] [ "=" name ]
//! type      = elem "[" [ dim { "," dim } ] "]" [ "C" | "F" ] | "table" [ "{" [ name ":" scalar ["?"] { "," … } ] "}" ]
//!           | "oid" | "id" | scalar
//! dim       = name [ "=" digits ] | digits | "*"
//! ```
//! `out` in the first list keeps the positional order; what the second list holds are outputs. A dimension `*` has
//! neither name nor size. `= name` behind an output names the input that it starts from: a tensor of the same type, whose
//! elements the function finds in the output. `C` or `F` behind a tensor's dimensions is the order in which the function wants its elements, or
//! makes them; without it the function takes any order and makes C. Names of dimensions and columns that are not identifiers stand in quotes. The scalars are
//! those of `type_text`.

use std::fmt;
use std::sync::Arc;

use crate::arrow::datatypes::{Field, Schema};

use crate::error::{Error, Result};

use super::scanner::{write_name, Scanner};
use super::type_text::{read_type, write_type};
use super::{CallSchema, Dim, Direction, Elem, Order, Param, ParamType};

impl CallSchema {
    /// Parses a signature. InvalidArgument with the column, what was found and what was expected.
    pub fn parse(text: &str) -> Result<CallSchema> {
        let schema = read_signature(text)
            .and_then(|schema| schema.check().map(|()| schema))
            .map_err(|wrong| in_signature(wrong, text))?;
        Ok(schema)
    }
}

impl Param {
    /// Creates a parameter of a type that is written as in a signature, with the input behind it that an output starts from:
    /// `complex128[u,v] = grid`. Errors like [`ParamType::parse`].
    pub fn parse(name: &str, direction: Direction, text: &str, nullable: bool) -> Result<Param> {
        let mut scanner = Scanner::new(text);
        let param = read_param_type(&mut scanner, direction).and_then(|ty| {
            let starts_from = read_start(&mut scanner, direction)?;
            let param = Param { starts_from, ..Param::new(name, direction, ty, nullable) };
            if scanner.at_end() {
                Ok(param)
            } else {
                Err(scanner.wrong("the end of the type"))
            }
        });
        param.map_err(|wrong| wrong.context(format!("type \"{text}\"")))
    }
}

impl ParamType {
    /// Parses the type of a parameter, written as in a signature: `utf8`, `float64[row,chan] C`, `table`.
    /// InvalidArgument with the column, what was found and what was expected.
    pub fn parse(text: &str, direction: Direction) -> Result<ParamType> {
        let mut scanner = Scanner::new(text);
        let ty = read_param_type(&mut scanner, direction).and_then(|ty| match scanner.at_end() {
            true => Ok(ty),
            false => Err(scanner.wrong("the end of the type")),
        });
        ty.map_err(|wrong| wrong.context(format!("type \"{text}\"")))
    }
}

/// The error with the (shortened) text that it is about.
fn in_signature(wrong: Error, text: &str) -> Error {
    let mut start: String = text.chars().take(80).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    wrong.context(format!("signature \"{start}\""))
}

fn read_signature(text: &str) -> Result<CallSchema> {
    let scanner = &mut Scanner::new(text);
    let name = scanner.name().ok_or_else(|| scanner.wrong("the name of a function"))?.to_owned();
    scanner.require("(", "'(' before the parameters")?;
    let mut params = Vec::new();
    read_list(scanner, Direction::In, &mut params)?;
    if scanner.eat("->") {
        scanner.require("(", "'(' before the outputs")?;
        read_list(scanner, Direction::Out, &mut params)?;
    }
    if !scanner.at_end() {
        return Err(scanner.wrong("'->' or the end of the signature"));
    }
    Ok(CallSchema::new(name, params))
}

/// Reads parameters up to and with the `)`.
fn read_list(scanner: &mut Scanner<'_>, list: Direction, params: &mut Vec<Param>) -> Result<()> {
    while !scanner.eat(")") {
        params.push(read_param(scanner, list)?);
        if !scanner.eat(",") {
            return scanner.require(")", "',' or ')' after the parameter");
        }
    }
    Ok(())
}

fn read_param(scanner: &mut Scanner<'_>, list: Direction) -> Result<Param> {
    let mark = scanner.mark();
    let first = scanner.name().ok_or_else(|| scanner.wrong("the name of a parameter, or ')'"))?;
    let (mut direction, mut name) = (list, first);
    // A parameter may be called `in` or `out`: then a colon follows.
    if matches!(first, "in" | "out") && !scanner.peek(":") {
        direction = if first == "in" { Direction::In } else { Direction::Out };
        if list == Direction::Out && direction == Direction::In {
            return Err(scanner.wrong_at(mark, "'in'", "an output: inputs come before '->'"));
        }
        name = scanner.name().ok_or_else(|| scanner.wrong("the name of a parameter"))?;
    }
    scanner.require(":", "':' and the parameter's type")?;
    let ty = read_param_type(scanner, direction)?;
    let param = Param::new(name, direction, ty, scanner.eat("?"));
    Ok(Param { starts_from: read_start(scanner, direction)?, ..param })
}

/// The input that an output starts from, if `=` comes next.
fn read_start(scanner: &mut Scanner<'_>, direction: Direction) -> Result<Option<String>> {
    if direction == Direction::In || !scanner.eat("=") {
        return Ok(None);
    }
    let what = "the name of the input that the output starts from";
    scanner.name().map(|input| Some(input.to_owned())).ok_or_else(|| scanner.wrong(what))
}
fn read_param_type(scanner: &mut Scanner<'_>, direction: Direction) -> Result<ParamType> {
    let mark = scanner.mark();
    match scanner.name() {
        Some("oid") => return Ok(ParamType::Oid),
        Some("id") if direction == Direction::Out => {
            return Err(scanner.wrong_at(
                mark,
                "'id'",
                "'oid': an id is only passed, but an output is created",
            ));
        }
        Some("id") => return Ok(ParamType::Id),
        Some("table") => return Ok(ParamType::Table(read_columns(scanner)?)),
        Some(word) => {
            if let Some(elem) = Elem::from_name(word).filter(|_| scanner.eat("[")) {
                let dims = read_dims(scanner, "]")?;
                return Ok(ParamType::Tensor { elem, dims, order: read_order(scanner)? });
            }
        }
        None => {}
    }
    scanner.reset(mark);
    let data_type = read_type(scanner)?;
    if direction == Direction::Out {
        return Err(scanner.wrong_at(
            mark,
            "a value",
            "an object: outputs are tensors (int64[i]), tables or oids",
        ));
    }
    Ok(ParamType::Scalar(data_type))
}

/// The order of a tensor, if a word comes next.
fn read_order(scanner: &mut Scanner<'_>) -> Result<Option<Order>> {
    let mark = scanner.mark();
    let Some(word) = scanner.name() else { return Ok(None) };
    let expected = "an order (C or F), or ',' or ')' after the parameter";
    Order::from_name(word).map(Some).ok_or_else(|| scanner.wrong_at(mark, &format!("'{word}'"), expected))
}

/// The columns of a table in braces, if they come next.
fn read_columns(scanner: &mut Scanner<'_>) -> Result<Option<Arc<Schema>>> {
    if !scanner.eat("{") {
        return Ok(None);
    }
    let mut fields = Vec::new();
    while !scanner.eat("}") {
        let name = scanner.name_or_quoted()?.ok_or_else(|| scanner.wrong("the name of a column, or '}'"))?;
        scanner.require(":", "':' and the column's type")?;
        let data_type = read_type(scanner)?;
        fields.push(Field::new(name, data_type, scanner.eat("?")));
        if !scanner.eat(",") {
            scanner.require("}", "',' or '}' after the column")?;
            break;
        }
    }
    Ok(Some(Arc::new(Schema::new(fields))))
}

/// Dimensions up to and with `end` (nothing: up to the end of the text).
fn read_dims(scanner: &mut Scanner<'_>, end: &str) -> Result<Vec<Dim>> {
    let mut dims = Vec::new();
    if done(scanner, end) {
        return Ok(dims);
    }
    loop {
        dims.push(read_dim(scanner)?);
        if done(scanner, end) {
            return Ok(dims);
        }
        scanner.require(",", &format!("',' or '{end}' after the dimension"))?;
    }
}

fn done(scanner: &mut Scanner<'_>, end: &str) -> bool {
    if end.is_empty() {
        scanner.at_end()
    } else {
        scanner.eat(end)
    }
}

fn read_dim(scanner: &mut Scanner<'_>) -> Result<Dim> {
    if scanner.eat("*") {
        return Ok(Dim { name: String::new(), size: None });
    }
    if !scanner.peek("-") {
        if let Some(size) = scanner.number("a size below 2^63")? {
            return Ok(Dim { name: String::new(), size: Some(size) });
        }
    }
    let what = "a dimension: a name, a size or '*'";
    let name =
        scanner.name_or_quoted()?.filter(|name| !name.is_empty()).ok_or_else(|| scanner.wrong(what))?;
    let mut size = None;
    if scanner.eat("=") {
        let what = "the size of the dimension";
        if scanner.peek("-") {
            return Err(scanner.wrong(what));
        }
        size = Some(scanner.need_number(what)?);
    }
    Ok(Dim { name, size })
}

/// The text of dimensions, as between the brackets of a signature.
pub(crate) fn dims_text(dims: &[Dim]) -> String {
    let mut out = String::new();
    for (at, dim) in dims.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match (dim.name.as_str(), dim.size) {
            ("", None) => out.push('*'),
            ("", Some(size)) => out.push_str(&size.to_string()),
            (name, size) => {
                write_name(name, &mut out);
                if let Some(size) = size {
                    out.push('=');
                    out.push_str(&size.to_string());
                }
            }
        }
    }
    out
}

/// The dimensions of this text.
pub(crate) fn parse_dims(text: &str) -> Result<Vec<Dim>> {
    read_dims(&mut Scanner::new(text), "")
}

impl fmt::Display for ParamType {
    /// As in a signature: `float64[row,uvw=3] C`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        match self {
            ParamType::Scalar(data_type) => write_type(data_type, &mut out),
            ParamType::Tensor { elem, dims, order } => {
                out = format!("{elem}[{}]", dims_text(dims));
                if let Some(order) = order {
                    out.push(' ');
                    out.push_str(order.name());
                }
            }
            ParamType::Table(None) => out.push_str("table"),
            ParamType::Table(Some(schema)) => {
                out.push_str("table{");
                for (at, field) in schema.fields().iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    write_name(field.name(), &mut out);
                    out.push_str(": ");
                    write_type(field.data_type(), &mut out);
                    out.push_str(if field.is_nullable() { "?" } else { "" });
                }
                out.push('}');
            }
            ParamType::Oid => out.push_str("oid"),
            ParamType::Id => out.push_str("id"),
        }
        f.write_str(&out)
    }
}

impl fmt::Display for Param {
    /// `name: type`, with `?` behind it if it may be left out, and `= input` if it starts from one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.name, self.ty, if self.nullable { "?" } else { "" })?;
        self.starts_from.as_ref().map_or(Ok(()), |input| write!(f, " = {input}"))
    }
}

impl fmt::Display for CallSchema {
    /// The signature. Outputs in front of an input stand as `out` in the first list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs =
            self.params.iter().rposition(|param| param.direction == Direction::In).map_or(0, |last| last + 1);
        let (first, second) = self.params.split_at(inputs);
        write!(f, "{}(", self.name)?;
        for (at, param) in first.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let out = if param.direction == Direction::Out { "out " } else { "" };
            write!(f, "{comma}{out}{param}")?;
        }
        f.write_str(")")?;
        if second.is_empty() {
            return Ok(());
        }
        f.write_str(" -> (")?;
        for (at, param) in second.iter().enumerate() {
            write!(f, "{}{param}", if at > 0 { ", " } else { "" })?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_schema, mutations, Random};
    use super::*;
    use crate::arrow::datatypes::DataType;

    const MS2DIRTY: &str = "ms2dirty(uvw: float64[row,uvw=3], freq: float64[chan], ms: complex128[row,chan], \
        wgt: float64[row,chan]?, npix_x: int64, epsilon: float64, do_wstacking: bool) -> (dirty: float64[x,y])";

    #[test]
    fn a_signature_is_read() {
        let schema = CallSchema::parse(MS2DIRTY).unwrap();
        assert_eq!(schema.name, "ms2dirty");
        assert_eq!(schema.params.len(), 8);
        let (at, wgt) = schema.param("wgt").unwrap();
        assert_eq!((at, wgt.nullable, wgt.direction), (3, true, Direction::In));
        let dim = |name: &str, size| Dim { name: name.into(), size };
        let uvw = ParamType::Tensor {
            elem: Elem::Float64,
            dims: vec![dim("row", None), dim("uvw", Some(3))],
            order: None,
        };
        assert_eq!(schema.params[0].ty, uvw);
        assert_eq!(schema.params[6].ty, ParamType::Scalar(DataType::Boolean));
        assert_eq!(schema.params[7].direction, Direction::Out);
        assert_eq!(schema.to_string(), MS2DIRTY);
    }

    #[test]
    fn canonical_forms_come_back_word_for_word() {
        for text in [
            "f()",
            "f(x: int64)",
            "f() -> (y: oid)",
            "f(out y: int8[], x: id) -> (z: table?)",
            "f(in: oid, out: oid)",
            "f(out out: oid, in: oid)",
            "f(x: int8[3,*,\"a b\",c=0])",
            "f(x: int8[C,F] C, y: bool[] F?, C: int8[i]) -> (F: int8[i] F, out: float64[i]?)",
            "f(t: table{}, u: table{time: timestamp<ns,UTC>, \"my col\": list<float64!>?})",
            "f(z: complex64, s: struct<a:int8,\"b c\":utf8!>?)",
            "f(vis: complex64[row,chan], grid: complex128[u,v] C) -> (sum: complex128[u,v] C = grid, n: oid)",
            "f(out b: int8[i]? = a, a: int8[i]?, C: int8[i]) -> (D: int8[i] = C)",
        ] {
            assert_eq!(CallSchema::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn spaces_and_trailing_commas_are_free() {
        let wide = CallSchema::parse(
            " f ( in x:int64 , out y : int8 [ i , j = 2 ] ? , ) -> ( out z : table { a : utf8 ? , } , ) ",
        );
        let tight = CallSchema::parse("f(x:int64,out y:int8[i,j=2]?)->(z:table{a:utf8?})");
        assert_eq!(wide.unwrap(), tight.unwrap());
        assert_eq!(CallSchema::parse("f()->()").unwrap().to_string(), "f()");
    }

    #[test]
    fn errors_say_column_found_and_expected() {
        for (text, expected) in [
            ("", "column 1: found the end, expected the name of a function"),
            ("2f()", "column 1: found '2f', expected the name of a function"),
            ("f", "column 2: found the end, expected '(' before the parameters"),
            ("f(x)", "column 4: found ')', expected ':' and the parameter's type"),
            ("f(x: int64", "column 11: found the end, expected ',' or ')' after the parameter"),
            ("f(x: int64 y: int8)", "column 12: found 'y', expected ',' or ')' after the parameter"),
            ("f(x: int65)", "column 6: found 'int65', expected a type"),
            ("f(x: int8[i] D)", "column 14: found 'D', expected an order (C or F), or ',' or ')' after"),
            ("f(x: int8[i] C F)", "column 16: found 'F', expected ',' or ')' after the parameter"),
            ("f(x: int8[i]? C)", "column 15: found 'C', expected ',' or ')' after the parameter"),
            ("f(x: int8 C)", "column 11: found 'C', expected ',' or ')' after the parameter"),
            ("f(x: int8[i] = y)", "column 14: found '=', expected ',' or ')' after the parameter"),
            (
                "f(x: int8[i]) -> (y: int8[i] = 2)",
                "found '2', expected the name of the input that the output",
            ),
            (
                "f(x: int8[i]) -> (y: int8[i] = z)",
                "output 'y' starts from 'z', which is no input: the inputs are x",
            ),
            (
                "f(x: int8[i]) -> (y: int8[j] = x)",
                "but is int8[j] and that is int8[i]: both must be tensors of one",
            ),
            ("f(x: oid) -> (y: oid = x)", "but is oid and that is oid: both must be tensors of one type"),
            ("f() -> (x: int8[i], y: int8[i] = x)", "output 'y' starts from 'x', which is an output too"),
            ("f(x: int8[]) -> (y: int8[] = x, z: int8[] = x)", "from which output 'y' starts already"),
            ("f(x: int8[i j])", "column 13: found 'j', expected ',' or ']' after the dimension"),
            ("f(x: int8[i=-1])", "column 13: found '-', expected the size of the dimension"),
            ("f(x: int8[-1])", "column 11: found '-', expected a dimension: a name, a size or '*'"),
            (
                "f(x: int8[i=99999999999999999999])",
                "column 13: found '99999999999999999999', expected the size",
            ),
            ("f() -> (in x: oid)", "column 9: found 'in', expected an output: inputs come before '->'"),
            ("f() -> (x: int64)", "column 12: found a value, expected an object"),
            ("f() -> (x: id)", "column 12: found 'id', expected 'oid'"),
            ("f() x", "column 5: found 'x', expected '->' or the end of the signature"),
            ("f(x: table{1: int8})", "column 12: found '1', expected the name of a column, or '}'"),
            ("f(x: int8, x: int8)", "function 'f' has two parameters 'x'"),
            ("f(x: int8[1,2,3,4,5,6,7,8,9])", "tensor 'x' has 9 dimensions, but at most 8 are allowed"),
        ] {
            let message = CallSchema::parse(text).unwrap_err().message().to_owned();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn parse_undoes_format() {
        let mut random = Random::new(11);
        for _ in 0..2000 {
            let schema = any_schema(&mut random);
            let text = schema.to_string();
            let back = CallSchema::parse(&text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
            assert_eq!(back, schema.bare(), "{text}");
        }
    }

    #[test]
    fn types_without_values_are_refused() {
        for (text, words) in [
            ("f(u: sparse_union<>?)", "the impossible type"),
            ("f(l: list<dictionary<int8,dense_union<>>>)", "the impossible type"),
            ("f(t: table{u: sparse_union<>})", "the impossible type"),
            ("f(l: fixed_list<fixed_list<int8,65536>,65536>?)", "4294967296 elements"),
            ("f(l: fixed_list<fixed_list<fixed_list<int8,2147483647>,2147483647>,9>?)", "elements"),
        ] {
            let error = CallSchema::parse(text).unwrap_err();
            assert!(error.message().contains(words), "{text}: {error}");
        }
        assert!(CallSchema::parse("f(l: fixed_list<fixed_list<int8,32767>,32767>)").is_ok());
    }

    #[test]
    fn damaged_signatures_never_panic() {
        let text =
            "f(out y: int8[i=2,*]?, x: struct<a:list<int8!>,b:timestamp<ns,UTC>>) -> (t: table{\"é\": utf8})";
        mutations(text.as_bytes(), |bytes| {
            if let Ok(schema) = CallSchema::parse(&String::from_utf8_lossy(bytes)) {
                assert_eq!(CallSchema::parse(&schema.to_string()).unwrap(), schema);
            }
        });
        let deep = format!("f(x: {}int8", "list<".repeat(100_000));
        assert!(CallSchema::parse(&deep).unwrap_err().message().contains("nested"));
    }
}

//! Call objects: an Arrow IPC stream of one record batch, a row for each invocation, a column for each parameter.

use std::sync::Arc;

use crate::arrow::array::ArrayRef;
use crate::arrow::datatypes::{Schema, SchemaRef};
use crate::arrow::ipc::writer::StreamWriter;
use crate::arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::{Error, Result};

use super::arrow_schema::schema_message;
use super::cell::{Cell, Column, ColumnKind};
use super::columns::read_stream;
use super::message::corrupt;
use super::metadata::{
    add_given, add_there, call_metadata, expect_kind, given_behind, given_of, there_behind, there_of,
};
use super::template::Template;
use super::{part_column, CallSchema, ObjectKind};

/// Maximum number of rows of a call.
pub const MAX_ROWS: usize = 1 << 20;

/// Writes calls of one function. Parts that do not change from call to call are created once.
#[derive(Debug)]
pub struct CallEncoder {
    schema: Arc<CallSchema>,
    columns: Vec<Column>,
    arrow: SchemaRef,
    /// Calls of one row start with these bytes; those of more rows, too.
    schema_message: Vec<u8>,
    template: Option<Template>,
    metadata: Vec<u8>,
}

impl CallEncoder {
    /// Creates an encoder for calls of this function. InvalidArgument if the schema is not valid.
    pub fn new(schema: Arc<CallSchema>) -> Result<CallEncoder> {
        schema.check()?;
        let columns = Column::of(&schema);
        // Whatever else is said about a function, its calls look the same.
        let arrow = Arc::new(schema.bare().to_arrow());
        let schema_message = schema_message(&arrow)?;
        let template = Template::new(&schema_message, &columns)?;
        let metadata = call_metadata(&schema.name);
        Ok(CallEncoder { schema, columns, arrow, schema_message, template, metadata })
    }

    /// The function.
    pub fn schema(&self) -> &Arc<CallSchema> {
        &self.schema
    }

    /// The object's metadata.
    pub fn metadata(&self) -> &[u8] {
        &self.metadata
    }

    /// The metadata of a call which is issued while the objects that these columns name are there.
    pub fn metadata_with(&self, there: &[bool]) -> Vec<u8> {
        let mut metadata = Vec::new();
        self.metadata_into(there.iter().copied(), std::iter::empty(), &mut metadata);
        metadata
    }

    /// Adds that metadata, and which columns name objects that the caller gives away.
    pub(crate) fn metadata_into(
        &self,
        there: impl Iterator<Item = bool>,
        given: impl Iterator<Item = bool>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(&self.metadata);
        add_there(there, out);
        add_given(given, out);
    }

    /// The bytes of a call with these rows, each with a cell for every parameter in positional order.
    ///
    /// InvalidArgument that names row (from 0) and parameter, what was found and what was expected, if a row has not
    /// as many cells as the function has parameters, a cell does not fit, or there are more than [`MAX_ROWS`] rows.
    pub fn encode(&self, rows: &[Vec<Cell>]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.encode_into(rows, &mut out)?;
        Ok(out)
    }

    /// As [`CallEncoder::encode`], into a vector whose memory is used again: what it holds is replaced. After an error
    /// its contents mean nothing.
    pub fn encode_into(&self, rows: &[Vec<Cell>], out: &mut Vec<u8>) -> Result<()> {
        for (row, cells) in rows.iter().enumerate() {
            if cells.len() != self.columns.len() {
                return Err(self.wrong_count(row, cells.len()));
            }
        }
        self.encode_rows(rows.len(), |row| &rows[row], out)
    }

    /// As [`CallEncoder::encode_into`], of so many rows, which have as many cells as there are parameters.
    pub(crate) fn encode_rows<'c>(
        &self,
        count: usize,
        row: impl Fn(usize) -> &'c [Cell],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        out.clear();
        match &self.template {
            Some(template) if count == 1 => {
                let written = template.encode(&self.columns, &self.schema.name, row(0), out);
                match written {
                    Err(_) if row(0).iter().any(|cell| cell.part().is_some()) => {
                        out.clear();
                        self.encode_any(count, row, out)
                    }
                    written => written,
                }
            }
            _ => self.encode_any(count, row, out),
        }
    }

    fn wrong_count(&self, row: usize, found: usize) -> Error {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        Error::invalid(format!(
            "row {row} of the call of '{}' has {found} values, expected {} ({})",
            self.schema.name,
            names.len(),
            names.join(", ")
        ))
    }

    /// Writes rows of any types through Arrow's own writer.
    fn encode_any<'c>(
        &self,
        count: usize,
        row: impl Fn(usize) -> &'c [Cell],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if count > MAX_ROWS {
            return Err(Error::invalid(format!(
                "the call of '{}' has {} rows, but at most {MAX_ROWS} are allowed: split it into several calls",
                self.schema.name, count
            )));
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.iter().enumerate() {
            let values = (0..count).map(|nth| column.fit_whole(&row(nth)[at], nth, &self.schema.name));
            let values = values.collect::<Result<Vec<_>>>()?;
            arrays.push(column.array(&values)?);
        }
        let parts = self.part_columns(count, &row, &mut arrays);
        let arrow = parts.as_ref().unwrap_or(&self.arrow);
        let refused =
            |wrong| Error::invalid(format!("the call of '{}' cannot be written: {wrong}", self.schema.name));
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch =
            RecordBatch::try_new_with_options(Arc::clone(arrow), arrays, &options).map_err(refused)?;
        let mut writer = StreamWriter::try_new(out, arrow).map_err(refused)?;
        writer.write(&batch).map_err(refused)?;
        writer.finish().map_err(refused)
    }

    /// Adds the columns for parts, and returns the schema with them; none if there are none.
    fn part_columns<'c>(
        &self,
        count: usize,
        row: &impl Fn(usize) -> &'c [Cell],
        arrays: &mut Vec<ArrayRef>,
    ) -> Option<SchemaRef> {
        let columns = self.columns.iter().enumerate().filter_map(|(at, column)| {
            let cells = (0..count).map(|nth| &row(nth)[at]);
            part_column::column(cells).map(|texts| (part_column::field(&column.name), texts))
        });
        let (fields, texts): (Vec<_>, Vec<_>) = columns.unzip();
        if fields.is_empty() {
            return None;
        }
        arrays.extend(texts);
        let all = self.arrow.fields().iter().cloned().chain(fields.into_iter().map(Arc::new));
        Some(Arc::new(Schema::new_with_metadata(all.collect::<Vec<_>>(), self.arrow.metadata().clone())))
    }

    /// The call, if it is one of this function's as its template makes them.
    fn decode_known(&self, data: &[u8]) -> Option<DecodedRows> {
        let cells = self.template.as_ref()?.decode(&self.columns, data)?;
        let schema = Arc::clone(&self.schema);
        Some(DecodedRows { schema, rows: vec![cells], there: Vec::new(), given: Vec::new() })
    }
}

/// A call read back.
#[derive(Debug)]
pub struct DecodedCall {
    /// The name of the function.
    pub function: String,
    /// The schema that the call was written with.
    pub schema: Arc<CallSchema>,
    /// A cell for every parameter of the schema in every row.
    pub rows: Vec<Vec<Cell>>,
    /// By parameter: whether the objects that it names were there when the call was issued, as far as its writer said.
    pub there: Vec<bool>,
    /// By parameter: whether the caller gives the objects that it names away, to whichever output starts from them.
    pub given: Vec<bool>,
}

/// What there is in a call, of which the schema names the function.
#[derive(Debug)]
pub(crate) struct DecodedRows {
    pub(crate) schema: Arc<CallSchema>,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) there: Vec<bool>,
    pub(crate) given: Vec<bool>,
}

impl From<DecodedRows> for DecodedCall {
    fn from(DecodedRows { schema, rows, there, given }: DecodedRows) -> DecodedCall {
        DecodedCall { function: schema.name.clone(), schema, rows, there, given }
    }
}

/// Reads calls of functions that are known beforehand without parsing their schemas, and all others by parsing.
#[derive(Debug)]
pub struct CallDecoder {
    known: Vec<CallEncoder>,
}

impl CallDecoder {
    /// Creates a decoder that knows these functions. InvalidArgument if a schema is not valid.
    pub fn new(known: &[Arc<CallSchema>]) -> Result<CallDecoder> {
        let known = known.iter().map(|schema| CallEncoder::new(Arc::clone(schema))).collect::<Result<_>>()?;
        Ok(CallDecoder { known })
    }

    /// Reads a call. InvalidArgument if the object is of another kind, Corrupt if its bytes are invalid.
    pub fn decode(&self, data: &[u8], metadata: &[u8]) -> Result<DecodedCall> {
        self.decode_rows(data, metadata).map(DecodedCall::from)
    }

    /// As [`CallDecoder::decode`].
    pub(crate) fn decode_rows(&self, data: &[u8], metadata: &[u8]) -> Result<DecodedRows> {
        let mut of_known = self.known.iter().filter_map(|known| {
            let rest = metadata.strip_prefix(&*known.metadata)?;
            (rest.is_empty() || rest.starts_with(b";")).then_some((known, rest))
        });
        // The forms of a function have the same metadata; one schema is that of the call.
        if let Some(call) = of_known.find_map(|(known, rest)| {
            let call = known.decode_known(data)?;
            Some(DecodedRows { there: there_behind(rest), given: given_behind(rest), ..call })
        }) {
            return Ok(call);
        }
        expect_kind(metadata, ObjectKind::Call)?;
        // Calls of several rows, or with values of no fixed size: the schema need not be understood again.
        let known = self.known.iter().find(|known| data.starts_with(&known.schema_message));
        let call = decode_any(data, |_| known.map(|known| Arc::clone(&known.schema)))?;
        Ok(DecodedRows { there: there_of(metadata), given: given_of(metadata), ..call })
    }
}

/// Reads a call, once: [`CallDecoder`] is for many of them. If its schema is one of `known`, that is returned.
///
/// InvalidArgument if the object is not a call, Corrupt if its bytes are invalid.
pub fn decode_call(data: &[u8], metadata: &[u8], known: &[Arc<CallSchema>]) -> Result<DecodedCall> {
    expect_kind(metadata, ObjectKind::Call)?;
    let call = decode_any(data, |schema| known.iter().find(|known| known.bare() == schema.bare()).cloned())?;
    Ok(DecodedRows { there: there_of(metadata), given: given_of(metadata), ..call }.into())
}

fn decode_any(
    data: &[u8],
    known: impl FnOnce(&CallSchema) -> Option<Arc<CallSchema>>,
) -> Result<DecodedRows> {
    let batch = read_stream(data, MAX_ROWS)?;
    let part_column::Split { params, columns: parts } = part_column::split(&batch.schema)?;
    let schema = CallSchema::from_arrow(params.as_ref().unwrap_or(&batch.schema));
    let schema = schema.map_err(|wrong| corrupt(wrong.message()))?;
    let schema = known(&schema).unwrap_or_else(|| Arc::new(schema));
    let columns = Column::of(&schema);
    let mut rows = Vec::with_capacity(batch.rows);
    for row in 0..batch.rows {
        let mut cells = Vec::with_capacity(columns.len());
        for (column, array) in columns.iter().zip(&batch.columns) {
            let cell = column.cell_at(array, row);
            if matches!(cell, Cell::Null) && !column.nullable && column.kind != ColumnKind::Other {
                return Err(corrupt(format!(
                    "row {row} of the call of '{}' has no value for parameter '{}'",
                    schema.name, column.name
                )));
            }
            cells.push(cell);
        }
        for (column, param) in &parts {
            let name = &columns[*param].name;
            if !schema.params[*param].takes_parts() {
                return Err(corrupt(format!(
                    "the call of '{}' has parts for parameter '{name}', which takes none",
                    schema.name
                )));
            }
            part_column::read(&batch.columns[*column], row, &mut cells[*param]).map_err(|wrong| {
                wrong.context(format!("row {row} of the call of '{}', parameter '{name}'", schema.name))
            })?;
        }
        rows.push(cells);
    }
    Ok(DecodedRows { schema, rows, there: Vec::new(), given: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_type, some_mutations, Random};
    use super::super::{Direction, Param, ParamType};
    use super::*;
    use crate::arrow::array::{make_array, new_null_array, Array, Int64Array, ListArray};
    use crate::arrow::datatypes::{DataType, Int64Type};
    use crate::error::Kind;
    use crate::store::ObjectId;

    const MS2DIRTY: &str = "ms2dirty(uvw: float64[row,uvw=3], freq: float64[chan], ms: complex128[row,chan], \
        wgt: float64[row,chan]?, npix_x: int64, npix_y: uint16, pixsize: float64, small: float32?, half: float16, \
        do_wstacking: bool, flag: bool?, verbosity: int8) -> (dirty: float64[x,y])";

    fn encoder(signature: &str) -> CallEncoder {
        CallEncoder::new(Arc::new(CallSchema::parse(signature).unwrap())).unwrap()
    }

    fn id(byte: u8) -> Cell {
        Cell::Id(ObjectId::new([byte; 20]))
    }

    fn gridder_row(nulls: bool) -> Vec<Cell> {
        let or_null = |cell| if nulls { Cell::Null } else { cell };
        vec![
            id(1),
            id(2),
            id(3),
            or_null(id(4)),
            Cell::Int(-5),
            Cell::Int(65535),
            Cell::Float(-0.25),
            or_null(Cell::Float(1.5)),
            Cell::Float(-2.0),
            Cell::Bool(true),
            or_null(Cell::Bool(true)),
            Cell::Int(-128),
            id(9),
        ]
    }

    /// Cells as text: arrays have no equality that covers every type.
    fn texts(rows: &[Vec<Cell>]) -> Vec<String> {
        let text = |cell: &Cell| match cell {
            Cell::Array(array) => format!("{:?}", array.to_data()),
            Cell::Int(value) => format!("{value}"),
            Cell::Uint(value) => format!("{value}"),
            other => format!("{other:?}"),
        };
        rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("; ")).collect()
    }

    /// The call without its template, through Arrow's writer.
    fn encode_slowly(encoder: &CallEncoder, rows: &[Vec<Cell>]) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.encode_any(rows.len(), |row| &rows[row], &mut out).unwrap();
        out
    }

    #[test]
    fn both_ways_of_writing_are_read_alike_by_both_ways_of_reading() {
        let encoder = encoder(MS2DIRTY);
        assert!(encoder.template.is_some());
        let decoder = CallDecoder::new(&[Arc::clone(encoder.schema())]).unwrap();
        for nulls in [false, true] {
            let rows = [gridder_row(nulls)];
            let fast = encoder.encode(&rows).unwrap();
            let slow = encode_slowly(&encoder, &rows);
            assert!(encoder.decode_known(&fast).is_some());
            assert!(encoder.decode_known(&slow).is_none());
            for data in [&fast, &slow] {
                for call in [
                    decoder.decode(data, encoder.metadata()).unwrap(),
                    decode_call(data, encoder.metadata(), &[]).unwrap(),
                    CallDecoder::new(&[]).unwrap().decode(data, encoder.metadata()).unwrap(),
                ] {
                    assert_eq!(call.function, "ms2dirty");
                    assert_eq!(call.schema, *encoder.schema());
                    assert_eq!(texts(&call.rows), texts(&rows));
                }
            }
            let known = [Arc::clone(encoder.schema())];
            assert!(Arc::ptr_eq(&decode_call(&fast, encoder.metadata(), &known).unwrap().schema, &known[0]));
        }
    }

    #[test]
    fn parts_stand_beside_their_objects() {
        let encoder = encoder("f(a: int8[i], n: int8, b: oid?, c: id, d: table) -> (y: int8[i])");
        let decoder = CallDecoder::new(&[Arc::clone(encoder.schema())]).unwrap();
        let part = |byte, text: &str| Cell::Part(ObjectId::new([byte; 20]), Arc::new(text.parse().unwrap()));
        let row = |a, b| vec![a, Cell::Int(7), b, id(3), id(4), id(5)];
        let plain = [row(id(1), Cell::Null)];
        let whole = encoder.encode(&plain).unwrap();
        for rows in [
            vec![row(part(1, "[2:4]"), Cell::Null)],
            vec![row(id(1), part(2, "@64 float64 [2] (-8) {row}"))],
            vec![
                row(part(1, "[0]"), id(2)),
                row(id(1), Cell::Null),
                row(part(6, "[..., ::-1]"), part(1, "[0]")),
            ],
        ] {
            let data = encoder.encode(&rows).unwrap();
            for call in [
                decoder.decode(&data, encoder.metadata()).unwrap(),
                decode_call(&data, encoder.metadata(), &[]).unwrap(),
            ] {
                assert_eq!(call.schema, *encoder.schema());
                assert_eq!(texts(&call.rows), texts(&rows));
            }
            // Whatever becomes of the bytes: an error, or cells that can be used.
            some_mutations(&data, 7, |bytes| {
                if let Ok(call) = decoder.decode(bytes, encoder.metadata()) {
                    let fits = |row: &Vec<Cell>| row.len() == call.schema.params.len();
                    assert!(call.rows.iter().all(fits));
                }
            });
        }
        // A call without parts has the bytes that it had before, however it is written.
        assert_eq!(encoder.encode(&plain).unwrap(), whole);
        assert!(!whole.windows(5).any(|bytes| bytes == b":part"));
        for (place, name) in [(3, "'c'"), (4, "'d'"), (5, "'y'"), (1, "'n'")] {
            let mut cells = row(part(1, "[0]"), Cell::Null);
            cells[place] = part(1, "[2:4]");
            let wrong = encoder.encode(&[cells]).unwrap_err();
            assert_eq!(wrong.kind(), Kind::InvalidArgument);
            assert!(wrong.message().contains(name) && wrong.message().contains("the part [2:4]"), "{wrong}");
        }
    }

    #[test]
    fn columns_of_parts_that_make_no_sense_are_told() {
        use crate::arrow::array::{ArrayRef, StringArray};
        let encoder = encoder("f(a: int8[i]?, b: table)");
        let fields = encoder.arrow.fields();
        let wrong = |names: &[&str], text: &str, object: Cell| {
            let mut all: Vec<_> = fields.iter().cloned().collect();
            let mut arrays: Vec<ArrayRef> = Vec::new();
            for (column, cell) in encoder.columns.iter().zip([object, id(2)]) {
                arrays.push(column.array(&[column.fit(&cell, 0, "f").unwrap()]).unwrap());
            }
            for name in names {
                all.push(Arc::new(part_column::field(name)));
                arrays.push(Arc::new(StringArray::from(vec![text])));
            }
            let schema = Arc::new(Schema::new_with_metadata(all, encoder.arrow.metadata().clone()));
            let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
            let mut data = Vec::new();
            let mut writer = StreamWriter::try_new(&mut data, &schema).unwrap();
            writer.write(&batch).and_then(|()| writer.finish()).unwrap();
            drop(writer);
            let wrong = decode_call(&data, encoder.metadata(), &[]).unwrap_err();
            assert_eq!(wrong.kind(), Kind::Corrupt);
            wrong.message().to_owned()
        };
        assert!(wrong(&["a"], "[x]", id(1)).starts_with("row 0 of the call of 'f', parameter 'a'"));
        assert!(wrong(&["a"], "[0]", Cell::Null).contains("it has a part, but no object"));
        assert!(wrong(&["b"], "[0]", id(1)).contains("parts for parameter 'b', which takes none"));
        assert!(wrong(&["c"], "[0]", id(1)).contains("column 'c:part'"));
        assert!(wrong(&["a", "a"], "[0]", id(1)).contains("column 'a:part'"));
    }

    #[test]
    fn numbers_at_their_limits() {
        let encoder = encoder("f(a: int8, b: uint8, c: int64, d: uint64, e: float32, g: int32)");
        let row = |a, b, c, d, e, g| {
            vec![Cell::Int(a), Cell::Uint(b), Cell::Int(c), d, Cell::Float(e), Cell::Uint(g)]
        };
        for cells in [
            row(-128, 255, i64::MIN, Cell::Uint(u64::MAX), f64::from(f32::MAX), 0x7fff_ffff),
            row(127, 0, i64::MAX, Cell::Int(0), f64::NEG_INFINITY, 0),
            row(-1, 1, -1, Cell::Int(1), -0.0, 1),
        ] {
            let call = encoder.decode_known(&encoder.encode(std::slice::from_ref(&cells)).unwrap()).unwrap();
            assert_eq!(texts(&call.rows), texts(&[cells]));
        }
    }

    #[test]
    fn errors_name_row_parameter_found_and_expected() {
        let encoder = encoder(
            "f(n: int8, u: uint16?, x: float32, b: bool, t: utf8, y: int8[i], w: binary<3>, l: list<int64>)",
        );
        let list =
            Cell::Array(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)])])));
        let good = vec![
            Cell::Int(1),
            Cell::Null,
            Cell::Float(1.0),
            Cell::Bool(true),
            Cell::Utf8("a".into()),
            id(1),
            Cell::Binary(vec![1, 2, 3]),
            list,
        ];
        assert!(encoder.encode(&[good.clone(), good.clone()]).is_ok());
        let two = Cell::Array(Arc::new(Int64Array::from(vec![1, 2])));
        for (at, cell, expected) in [
            (
                0,
                Cell::Int(128),
                "row 1 of the call of 'f', parameter 'n': found the integer 128, expected int8",
            ),
            (0, Cell::Float(1.0), "found the float 1.0, expected int8"),
            (0, Cell::Null, "found null, expected int8"),
            (1, Cell::Int(-1), "parameter 'u': found the integer -1, expected uint16 or null"),
            (1, Cell::Uint(65536), "found the integer 65536"),
            (2, Cell::Int(1), "found the integer 1, expected float32"),
            (2, Cell::Float(1e39), "found the float 1e39, expected float32"),
            (3, Cell::Int(1), "found the integer 1, expected bool"),
            (4, Cell::Binary(vec![1]), "found 1 bytes, expected utf8"),
            (5, Cell::Null, "parameter 'y': found null, expected int8[i]"),
            (5, Cell::Utf8("x\"".repeat(40)), "found the text \"x\\\"x"),
            (6, Cell::Binary(vec![1, 2]), "found 2 bytes, expected binary<3>"),
            (7, two.clone(), "found an array of 2 int64, expected list<int64>"),
            (0, two, "found an array of 2 int64, expected int8"),
        ] {
            let mut wrong = good.clone();
            wrong[at] = cell;
            let error = encoder.encode(&[good.clone(), wrong]).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument);
            assert!(error.message().contains(expected), "{error}");
        }
        let short = encoder.encode(&[good[1..].to_vec()]).unwrap_err();
        assert!(short.message().starts_with("row 0 of the call of 'f' has 7 values, expected 8 (n, u, x,"));
    }

    #[test]
    fn values_of_simple_types_may_come_as_arrays() {
        let encoder = encoder("f(n: int64, i: id, t: utf8?, h: float16)");
        let n: Cell = Cell::Array(Arc::new(Int64Array::from(vec![7])));
        let t = Cell::Array(new_null_array(&DataType::Utf8, 1));
        let call = encoder.encode(&[vec![n, id(3), t, Cell::Float(0.5)]]).unwrap();
        let back = decode_call(&call, encoder.metadata(), &[]).unwrap();
        assert_eq!(texts(&back.rows), texts(&[vec![Cell::Int(7), id(3), Cell::Null, Cell::Float(0.5)]]));
    }

    #[test]
    fn the_names_of_a_lists_items_do_not_matter() {
        let encoder = encoder("f(l: list<element:int64>)");
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None])]);
        let call = encoder.encode(&[vec![Cell::Array(Arc::new(list))]]).unwrap();
        let back = decode_call(&call, encoder.metadata(), &[]).unwrap();
        let Cell::Array(array) = &back.rows[0][0] else { panic!("{:?}", back.rows) };
        assert_eq!(array.data_type(), &encoder.columns[0].data_type);
    }

    /// One value of any type: null, or (where Arrow allows it) zeros.
    fn any_value(data_type: &DataType, nulls: bool) -> Option<Cell> {
        let array = new_null_array(data_type, 1);
        if nulls {
            return Some(Cell::Array(array));
        }
        let data = array.to_data().into_builder().nulls(None).build().ok()?;
        Some(Cell::Array(make_array(data)))
    }

    #[test]
    fn every_arrow_type_can_be_passed() {
        let mut random = Random::new(61);
        let mut passed = 0;
        for _ in 0..600 {
            let data_type = any_type(&mut random, 2);
            let param = Param::new("x", Direction::In, ParamType::Scalar(data_type.clone()), true);
            let encoder = CallEncoder::new(Arc::new(CallSchema::new("f", vec![param]))).unwrap();
            for (nulls, count) in [(true, 1), (false, 1), (false, 3)] {
                let Some(cell) = any_value(&data_type, nulls) else { continue };
                // Children that must not be null are, in a null of their parent: Arrow refuses some of those.
                let Ok(data) = encoder.encode(&vec![vec![cell.clone()]; count]) else { continue };
                let back = decode_call(&data, encoder.metadata(), &[]);
                let back = back.unwrap_or_else(|wrong| panic!("{data_type}: {wrong}"));
                assert_eq!((back.rows.len(), back.schema.as_ref()), (count, encoder.schema().as_ref()));
                passed += 1;
            }
        }
        assert!(passed > 1200, "{passed}");
    }

    #[test]
    fn a_call_tells_its_form() {
        let forms =
            ["float32", "float64", "int8"].map(|elem| encoder(&format!("f(x: {elem}[i], n: {elem})")));
        let known: Vec<_> = forms.iter().map(|form| Arc::clone(form.schema())).collect();
        let decoder = CallDecoder::new(&known).unwrap();
        for (nth, form) in forms.iter().enumerate() {
            let number = if nth == 2 { Cell::Int(1) } else { Cell::Float(1.0) };
            for rows in [1, 2] {
                let data = form.encode(&vec![vec![id(1), number.clone()]; rows]).unwrap();
                let metadata = form.metadata_with(&[true, false]);
                let call = decoder.decode(&data, &metadata).unwrap();
                assert!(Arc::ptr_eq(&call.schema, &known[nth]), "{nth} {rows}");
                assert_eq!(call.there[..2], [true, false]);
                assert_eq!(decode_call(&data, &metadata, &known[1..]).unwrap().schema, known[nth]);
            }
        }
    }

    #[test]
    fn batches_and_calls_without_parameters() {
        let encoder = encoder(MS2DIRTY);
        let rows: Vec<Vec<Cell>> = (0..21).map(|row| gridder_row(row % 3 == 0)).collect();
        let data = encoder.encode(&rows).unwrap();
        let decoder = CallDecoder::new(&[Arc::clone(encoder.schema())]).unwrap();
        let back = decoder.decode(&data, encoder.metadata()).unwrap();
        assert_eq!(texts(&back.rows), texts(&rows));
        assert!(Arc::ptr_eq(&back.schema, encoder.schema()));
        for count in [0, 1, 5] {
            let ping = super::tests::encoder("ping()");
            let data = ping.encode(&vec![vec![]; count]).unwrap();
            assert_eq!(decode_call(&data, ping.metadata(), &[]).unwrap().rows.len(), count);
        }
        assert!(encoder.encode(&vec![vec![]; 1]).is_err());
        let ping = super::tests::encoder("ping()");
        assert!(ping.encode(&vec![vec![]; MAX_ROWS + 1]).unwrap_err().message().contains("rows"));
    }

    #[test]
    fn other_objects_are_refused() {
        let encoder = encoder("f(x: int8)");
        let data = encoder.encode(&[vec![Cell::Int(1)]]).unwrap();
        let error = decode_call(&data, b"sdp:kind=tensor;sdp:elem=int8", &[]).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (Kind::InvalidArgument, "found a tensor object, expected a call object")
        );
        assert_eq!(decode_call(b"", encoder.metadata(), &[]).unwrap_err().kind(), Kind::Corrupt);
    }

    #[test]
    fn damaged_calls_never_panic() {
        let signatures = [
            "f(x: int8, y: float64?, z: int8[i], b: bool) -> (o: oid?)",
            "f(t: utf8?, l: list<int64!>?, d: dictionary<int8,utf8>?, s: struct<a:int8,b:utf8_view>?)",
            "f(u: sparse_union<0=a:int8,5=b:utf8>?, v: dense_union<0=a:int32,1=b:null>?, r: run_end<int16,int8>?)",
            "f(m: map<utf8,dictionary<int16,utf8>>?, w: list_view<decimal128<9,2>>?, n: fixed_list<float16,2>?)",
        ];
        for signature in signatures {
            let encoder = encoder(signature);
            let decoder = CallDecoder::new(&[Arc::clone(encoder.schema())]).unwrap();
            let cells = |column: &Column| match column.kind {
                ColumnKind::Id => id(7),
                ColumnKind::Bool => Cell::Bool(true),
                ColumnKind::Int(_) => Cell::Int(1),
                ColumnKind::Float(_) => Cell::Float(0.5),
                ColumnKind::Text => Cell::Utf8("text".into()),
                _ => any_value(&column.data_type, column.nullable).unwrap_or(Cell::Null),
            };
            let row: Vec<Cell> = encoder.columns.iter().map(cells).collect();
            for rows in [1, 3] {
                let data = encoder.encode(&vec![row.clone(); rows]).unwrap();
                some_mutations(&data, 7, |bytes| {
                    if let Ok(call) = decoder.decode(bytes, encoder.metadata()) {
                        assert!(call.rows.iter().all(|row| row.len() == call.schema.params.len()));
                        let _ = texts(&call.rows);
                    }
                });
            }
        }
    }
}

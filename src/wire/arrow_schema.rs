//! A function's schema as an Arrow schema, whose metadata say what Arrow's types cannot.
//!
//! | where | key | value |
//! | --- | --- | --- |
//! | schema | `proc:func` | the function's name |
//! | field | `proc:par` | `in`, `out`: an object waited for or made; `id`: one only passed; `value`: no object |
//! | field | `proc:type` | `tensor`, `table`, `oid` (of `in` and `out`) |
//! | field | `proc:elem` | a tensor's element type |
//! | field | `proc:dims` | a tensor's dimensions, as in a signature: `row,uvw=3` |
//! | field | `proc:order` | the order in which a tensor is wanted or made: `C` or `F`; not there if any will do |
//! | field | `proc:from` | of an output: the input that it starts from |
//! | field | `proc:table` | a table's columns: the base64 text of an Arrow schema message |
//!
//! The Arrow type of objects is FixedSizeBinary(20). A field without `proc:par` is a plain value, or an `id` if it has
//! that type.

use std::collections::HashMap;
use std::sync::Arc;

use crate::arrow::datatypes::{DataType, Field, Schema};
use crate::arrow::ipc::writer::StreamWriter;

use crate::error::{Error, Result};
use crate::store::ID_SIZE;

use super::keys::{DIMS, ELEM, FROM, FUNCTION, ORDER, OUR_KEYS, PAR, TABLE, TYPE};
use super::message::{corrupt, Head};
use super::schema_bytes::read_schema;
use super::signature::{dims_text, parse_dims};
use super::type_text::type_text;
use super::types::{bare_schema, without_metadata};
use super::{base64, CallSchema, Direction, Elem, Metadata, Order, Param, ParamType};

/// The Arrow type of an object ID.
#[expect(clippy::cast_possible_truncation, reason = "20 fits")]
pub(crate) const ID_TYPE: DataType = DataType::FixedSizeBinary(ID_SIZE as i32);

/// The bytes of an Arrow schema message, as `pyarrow.Schema.serialize` makes them.
pub(crate) fn schema_message(schema: &Schema) -> Result<Vec<u8>> {
    let writer = StreamWriter::try_new(Vec::new(), schema)
        .map_err(|wrong| Error::invalid(format!("the Arrow schema cannot be written: {wrong}")))?;
    // Nothing but the schema is written yet.
    Ok(writer.get_ref().clone())
}

/// Reads an Arrow schema message.
pub(crate) fn read_schema_message(bytes: &[u8]) -> Result<Schema> {
    let head = Head::read(bytes, 0)?.ok_or_else(|| corrupt("found no bytes, expected an Arrow schema"))?;
    let message = head.message()?;
    let schema = message.header_as_schema().ok_or_else(|| {
        corrupt(format!("found an Arrow {:?} message, expected a Schema", message.header_type()))
    })?;
    Ok(read_schema(&schema)?.schema)
}

impl Param {
    /// The field of this parameter in the function's Arrow schema.
    fn to_arrow(&self) -> Field {
        let mut metadata: HashMap<String, String> = self.metadata.clone().into_iter().collect();
        let mut set = |key: &str, value: &str| metadata.insert(key.to_owned(), value.to_owned());
        let data_type = match &self.ty {
            ParamType::Scalar(data_type) => data_type.clone(),
            _ => ID_TYPE,
        };
        match &self.ty {
            // A value that looks like an object ID.
            ParamType::Scalar(data_type) if *data_type == ID_TYPE => {
                set(PAR, "value");
            }
            ParamType::Scalar(_) => {}
            ParamType::Id => {
                set(PAR, "id");
            }
            ParamType::Oid => {
                set(PAR, self.direction.name());
                set(TYPE, "oid");
            }
            ParamType::Tensor { elem, dims, order } => {
                set(PAR, self.direction.name());
                set(TYPE, "tensor");
                set(ELEM, elem.name());
                set(DIMS, &dims_text(dims));
                if let Some(order) = order {
                    set(ORDER, order.name());
                }
                if let Some(input) = &self.starts_from {
                    set(FROM, input);
                }
            }
            ParamType::Table(schema) => {
                set(PAR, self.direction.name());
                set(TYPE, "table");
                // A schema of Arrow's own making can be written: the writer knows all its types.
                if let Some(bytes) = schema.as_ref().and_then(|schema| schema_message(schema).ok()) {
                    set(TABLE, &base64::encode(&bytes));
                }
            }
        }
        Field::new(&self.name, data_type, self.nullable).with_metadata(metadata)
    }

    /// The parameter of a field.
    fn from_arrow(field: &Field) -> Result<Param> {
        let value = |key: &str| field.metadata().get(key).map(String::as_str);
        let unknown = |key: &str, found: &str, expected: &str| {
            Error::invalid(format!("its metadata '{key}' is '{found}', expected {expected}"))
        };
        let direction = match value(PAR) {
            Some("out") => Direction::Out,
            Some("in" | "id" | "value") | None => Direction::In,
            Some(other) => return Err(unknown(PAR, other, "in, out, id or value")),
        };
        let is_id = *field.data_type() == ID_TYPE;
        let object = matches!(value(PAR), Some("in" | "out" | "id")) || (value(PAR).is_none() && is_id);
        if object && !is_id {
            return Err(Error::invalid(format!(
                "it is an object of type {}; the IDs of objects are fixed-size binaries of {ID_SIZE} bytes",
                type_text(field.data_type())
            )));
        }
        let ty = match (object, value(PAR), value(TYPE)) {
            (false, ..) => ParamType::Scalar(without_metadata(field.data_type())),
            (true, Some("id") | None, _) => ParamType::Id,
            (true, _, None | Some("oid")) => ParamType::Oid,
            (true, _, Some("tensor")) => {
                let name = value(ELEM).unwrap_or_default();
                let elem =
                    Elem::from_name(name).ok_or_else(|| unknown(ELEM, name, "a type such as float64"))?;
                let dims = value(DIMS).unwrap_or_default();
                let dims =
                    parse_dims(dims).map_err(|wrong| wrong.context(format!("its metadata '{DIMS}'")))?;
                let order = value(ORDER)
                    .map(|name| Order::from_name(name).ok_or_else(|| unknown(ORDER, name, "C or F")));
                ParamType::Tensor { elem, dims, order: order.transpose()? }
            }
            (true, _, Some("table")) => ParamType::Table(value(TABLE).map(read_table).transpose()?),
            (true, _, Some(other)) => return Err(unknown(TYPE, other, "tensor, table or oid")),
        };
        let metadata = others(field.metadata());
        let (name, starts_from) = (field.name().clone(), value(FROM).map(str::to_owned));
        Ok(Param { name, direction, ty, nullable: field.is_nullable(), starts_from, metadata })
    }
}

/// The metadata with other keys than ours.
fn others(metadata: &HashMap<String, String>) -> Metadata {
    let other = metadata.iter().filter(|(key, _)| !OUR_KEYS.contains(&key.as_str()));
    other.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The columns in a field's metadata, without metadata of their own.
fn read_table(text: &str) -> Result<Arc<Schema>> {
    let context = |wrong: Error| Error::invalid(format!("its metadata '{TABLE}': {wrong}"));
    let bytes = base64::decode(text).ok_or_else(|| context(corrupt("it is not base64")))?;
    let schema = read_schema_message(&bytes).map_err(context)?;
    Ok(Arc::new(bare_schema(&schema)))
}

impl CallSchema {
    /// The Arrow schema of the function's calls: a column a parameter, in positional order.
    pub fn to_arrow(&self) -> Schema {
        let fields: Vec<Field> = self.params.iter().map(Param::to_arrow).collect();
        let mut metadata: HashMap<String, String> = self.metadata.clone().into_iter().collect();
        metadata.insert(FUNCTION.to_owned(), self.name.clone());
        Schema::new_with_metadata(fields, metadata)
    }

    /// Reads a function out of an Arrow schema. Metadata with unknown keys are kept.
    ///
    /// InvalidArgument with a sentence that names the function and the parameter.
    pub fn from_arrow(schema: &Schema) -> Result<CallSchema> {
        let name = schema.metadata().get(FUNCTION).ok_or_else(|| {
            Error::invalid(format!(
                "the Arrow schema names no function: its metadata have no key '{FUNCTION}'"
            ))
        })?;
        let params = schema.fields().iter().map(|field| {
            Param::from_arrow(field)
                .map_err(|wrong| wrong.context(format!("parameter '{}' of function '{name}'", field.name())))
        });
        let metadata = others(schema.metadata());
        let schema = CallSchema { name: name.clone(), params: params.collect::<Result<_>>()?, metadata };
        schema.check()?;
        Ok(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_schema, mutations, Random};
    use super::*;

    #[test]
    fn every_schema_comes_back_through_its_bytes() {
        let mut random = Random::new(31);
        for _ in 0..1500 {
            let schema = any_schema(&mut random);
            let arrow = schema.to_arrow();
            assert_eq!(CallSchema::from_arrow(&arrow).unwrap(), schema);
            let bytes = schema_message(&arrow).unwrap();
            assert_eq!(bytes, schema_message(&schema.to_arrow()).unwrap());
            let back = read_schema_message(&bytes).unwrap();
            assert_eq!(CallSchema::from_arrow(&back).unwrap(), schema, "{schema}");
        }
    }

    #[test]
    fn the_metadata_are_those_of_the_document() {
        let schema = CallSchema::parse(
            "f(x: int64, y: complex64[row,uvw=3] F, i: id, b: binary<20>, o: oid) -> (t: table, \
             s: complex64[row,uvw=3] F = y)",
        );
        let arrow = schema.unwrap().to_arrow();
        let field = |name: &str, key: &str| arrow.field_with_name(name).unwrap().metadata().get(key).cloned();
        assert_eq!(arrow.metadata().get("proc:func").unwrap(), "f");
        assert!(arrow.field(0).metadata().is_empty());
        for (name, key, value) in [
            ("y", "proc:par", "in"),
            ("y", "proc:type", "tensor"),
            ("y", "proc:elem", "complex64"),
            ("y", "proc:dims", "row,uvw=3"),
            ("y", "proc:order", "F"),
            ("i", "proc:par", "id"),
            ("b", "proc:par", "value"),
            ("o", "proc:type", "oid"),
            ("t", "proc:par", "out"),
            ("t", "proc:type", "table"),
            ("s", "proc:from", "y"),
        ] {
            assert_eq!(field(name, key).as_deref(), Some(value), "{name} {key}");
        }
        assert_eq!(field("t", "proc:table"), None);
        assert_eq!(field("o", "proc:order"), None);
        assert_eq!(field("y", "proc:from"), None);
        assert_eq!(arrow.field_with_name("t").unwrap().data_type(), &DataType::FixedSizeBinary(20));
    }

    #[test]
    fn schemas_that_other_programs_make() {
        let fields = vec![Field::new("i", ID_TYPE, true), Field::new("n", DataType::Int8, false)];
        let meta =
            HashMap::from([(FUNCTION.to_owned(), "f".to_owned()), ("other".to_owned(), "x".to_owned())]);
        let schema = CallSchema::from_arrow(&Schema::new_with_metadata(fields, meta)).unwrap();
        assert_eq!(schema.to_string(), "f(i: id?, n: int8)");

        let wrong = |key: &str, value: &str, data_type: DataType| {
            let meta = HashMap::from([(PAR.to_owned(), "in".to_owned()), (key.to_owned(), value.to_owned())]);
            let field = Field::new("p", data_type, false).with_metadata(meta);
            let meta = HashMap::from([(FUNCTION.to_owned(), "f".to_owned())]);
            let error = CallSchema::from_arrow(&Schema::new_with_metadata(vec![field], meta)).unwrap_err();
            assert!(error.message().starts_with("parameter 'p' of function 'f': "), "{error}");
            error.message().to_owned()
        };
        assert!(wrong(PAR, "inout", ID_TYPE).contains("'proc:par' is 'inout'"));
        assert!(wrong(TYPE, "cube", ID_TYPE).contains("'proc:type' is 'cube'"));
        assert!(wrong(TYPE, "tensor", ID_TYPE).contains("'proc:elem' is ''"));
        assert!(wrong(TYPE, "oid", DataType::Int8).contains("it is an object of type int8"));
        let mut tensor = CallSchema::parse("f(p: int8[i] C)").unwrap().to_arrow().field(0).clone();
        tensor.set_metadata(
            tensor.metadata().clone().into_iter().chain([(ORDER.to_owned(), "K".to_owned())]).collect(),
        );
        let wrong = Param::from_arrow(&tensor).unwrap_err();
        assert_eq!(wrong.message(), "its metadata 'proc:order' is 'K', expected C or F");
        let nameless = CallSchema::from_arrow(&Schema::empty()).unwrap_err();
        assert!(nameless.message().contains("proc:func"));
    }

    #[test]
    fn damaged_schemas_never_panic() {
        let mut random = Random::new(41);
        let schemas = (0..4).map(|_| any_schema(&mut random)).chain([
            CallSchema::parse(
                "f(a: sparse_union<1=a:int8,5=b:map<utf8,list<int8>>>, b: dictionary<int8,utf8>)",
            )
            .unwrap(),
            CallSchema::parse("f(a: table{x: timestamp<ns,UTC>}, b: run_end<int16,decimal128<3,1>>)")
                .unwrap(),
        ]);
        for schema in schemas {
            mutations(&schema_message(&schema.to_arrow()).unwrap(), |bytes| {
                if let Ok(Ok(schema)) =
                    read_schema_message(bytes).map(|schema| CallSchema::from_arrow(&schema))
                {
                    assert!(schema.check().is_ok());
                }
            });
        }
    }
}

//! A function's name and its parameters.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::arrow::datatypes::{DataType, Schema, SchemaRef};

use crate::error::{Error, Kind, Result};

use super::keys::{OUR_KEYS, RESERVED};
use super::scanner::is_name;
use super::types::{bare_schema, type_fault, value_fault, without_metadata};
use super::{Elem, Order, MAX_DIMS};

/// Texts by key, which the library does not interpret. They do not affect whether two functions are compatible.
pub type Metadata = BTreeMap<String, String>;

/// A dimension of a tensor parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dim {
    /// Its name, empty if it has none.
    pub name: String,
    /// Its size, if it is fixed.
    pub size: Option<i64>,
}

/// Kind and type of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// A value of an Arrow type, written into the call itself.
    Scalar(DataType),
    /// A tensor object.
    Tensor {
        /// Element type.
        elem: Elem,
        /// Dimensions, outermost first.
        dims: Vec<Dim>,
        /// The order in which the function wants an input, and makes an output; none: it takes any. It is no part of what
        /// makes two functions one.
        order: Option<Order>,
    },
    /// A table object, with its columns if they are fixed. The metadata of the schema are ignored.
    Table(Option<SchemaRef>),
    /// An object of any kind. An input is waited for, an output is created.
    Oid,
    /// An object ID that is only passed on.
    Id,
}

impl ParamType {
    /// A value of an Arrow type. The metadata of nested fields are ignored.
    pub fn value(data_type: &DataType) -> ParamType {
        ParamType::Scalar(without_metadata(data_type))
    }

    /// A table with these columns. Their metadata are ignored.
    pub fn table(columns: &Schema) -> ParamType {
        ParamType::Table(Some(Arc::new(bare_schema(columns))))
    }

    /// The order of a tensor in the signature, None if it has none.
    pub fn order(&self) -> Option<Order> {
        match self {
            ParamType::Tensor { order, .. } => *order,
            _ => None,
        }
    }

    /// Whether a call contains an object ID for it.
    pub fn is_object(&self) -> bool {
        !matches!(self, ParamType::Scalar(_))
    }
}

/// Direction of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Input: the caller passes it.
    In,
    /// Output: the function creates it.
    Out,
}

impl Direction {
    /// The word for it, as in signatures.
    pub fn name(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// Its direction.
    pub direction: Direction,
    /// What it is.
    pub ty: ParamType,
    /// Whether it may be null or left out.
    pub nullable: bool,
    /// For an output: the input whose elements it has before the function writes it, and whose memory it may take over. It is
    /// no part of what makes two functions one, unless both say something else.
    pub starts_from: Option<String>,
    /// Its metadata, which the library does not interpret.
    pub metadata: Metadata,
}

/// Name and parameters of a function. The positional order is that of `params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSchema {
    /// The function's name: letters, digits and `_`.
    pub name: String,
    /// Inputs and outputs.
    pub params: Vec<Param>,
    /// Its metadata, which the library does not interpret.
    pub metadata: Metadata,
}

impl CallSchema {
    /// Creates a function without metadata.
    pub fn new(name: impl Into<String>, params: Vec<Param>) -> CallSchema {
        CallSchema { name: name.into(), params, metadata: Metadata::new() }
    }

    /// The same function without metadata.
    pub fn bare(&self) -> CallSchema {
        let bare = |param: &Param| Param { metadata: Metadata::new(), ..param.clone() };
        CallSchema::new(&self.name, self.params.iter().map(bare).collect())
    }

    /// Sets metadata of the function or of one of its parameters. No value removes the key. InvalidArgument for a key
    /// that starts with `proc:`, which is reserved for the library. NotFound for an unknown parameter.
    pub fn set_metadata(&mut self, param: Option<&str>, key: &str, value: Option<&str>) -> Result<()> {
        if key.is_empty() || key.starts_with(RESERVED) {
            return Err(Error::invalid(format!(
                "'{key}' is not a valid metadata key: a key must not be empty, and '{RESERVED}' at its start \
                 is reserved for the library"
            )));
        }
        let metadata = match param {
            None => &mut self.metadata,
            Some(name) => {
                let place = self.param(name).map(|(place, _)| place).ok_or_else(|| self.no_param(name))?;
                &mut self.params[place].metadata
            }
        };
        match value {
            Some(value) => metadata.insert(key.to_owned(), value.to_owned()),
            None => metadata.remove(key),
        };
        Ok(())
    }

    /// The metadata of the function or of one of its parameters. NotFound for an unknown parameter.
    pub fn metadata_of(&self, param: Option<&str>) -> Result<&Metadata> {
        match param {
            None => Ok(&self.metadata),
            Some(name) => {
                self.param(name).map(|(_, param)| &param.metadata).ok_or_else(|| self.no_param(name))
            }
        }
    }

    fn no_param(&self, name: &str) -> Error {
        let names: Vec<_> = self.params.iter().map(|param| param.name.as_str()).collect();
        let text = format!("'{}' has no parameter '{name}', only: {}", self.name, names.join(", "));
        Error::new(Kind::NotFound, text)
    }

    /// Appends a parameter. On an error (see [`CallSchema::check`]) the schema is not changed.
    pub fn add(&mut self, param: Param) -> Result<()> {
        self.params.push(param);
        self.check().inspect_err(|_| drop(self.params.pop()))
    }

    /// The parameter with this name and its position.
    pub fn param(&self, name: &str) -> Option<(usize, &Param)> {
        self.params.iter().enumerate().find(|(_, param)| param.name == name)
    }

    /// The inputs, with their positions.
    pub fn inputs(&self) -> impl Iterator<Item = (usize, &Param)> {
        self.params.iter().enumerate().filter(|(_, param)| param.direction == Direction::In)
    }

    /// The outputs, with their positions.
    pub fn outputs(&self) -> impl Iterator<Item = (usize, &Param)> {
        self.params.iter().enumerate().filter(|(_, param)| param.direction == Direction::Out)
    }

    /// The output that starts from this input, with its position.
    pub fn started_by(&self, input: &str) -> Option<(usize, &Param)> {
        self.outputs().find(|(_, output)| output.starts_from.as_deref() == Some(input))
    }

    /// Checks what the types alone do not: names, that outputs are objects, numbers and sizes of dimensions.
    /// InvalidArgument with a sentence that names the parameter.
    pub fn check(&self) -> Result<()> {
        if !is_name(&self.name) {
            return Err(Error::invalid(format!(
                "'{}' is not a valid name of a function: expected a letter or _, then letters, digits and _",
                self.name
            )));
        }
        let metadata = self.params.iter().map(|param| &param.metadata).chain([&self.metadata]);
        if let Some(key) = metadata.flat_map(Metadata::keys).find(|key| OUR_KEYS.contains(&key.as_str())) {
            return Err(Error::invalid(format!(
                "function '{}' has the metadata key '{key}', which is reserved for the library",
                self.name
            )));
        }
        let mut names = HashSet::new();
        for param in &self.params {
            param.check().map_err(|wrong| wrong.context(format!("function '{}'", self.name)))?;
            if !names.insert(&param.name) {
                return Err(Error::invalid(format!(
                    "function '{}' has two parameters '{}'",
                    self.name, param.name
                )));
            }
        }
        self.check_starts().map_err(|wrong| wrong.context(format!("function '{}'", self.name)))
    }

    /// An output starts from a tensor input of its own type, and no other output from the same.
    fn check_starts(&self) -> Result<()> {
        let mut taken: Vec<(&str, &str)> = Vec::new();
        for param in &self.params {
            let Some(from) = param.starts_from.as_deref() else { continue };
            let name = &param.name;
            let wrong =
                |what: String| Err(Error::invalid(format!("output '{name}' starts from '{from}', {what}")));
            if param.direction == Direction::In {
                return Err(Error::invalid(format!(
                    "input '{name}' starts from '{from}', but only an output starts from an input"
                )));
            }
            let Some((_, input)) = self.param(from) else {
                let inputs: Vec<_> = self.inputs().map(|(_, input)| input.name.as_str()).collect();
                return wrong(format!("which is no input: the inputs are {}", inputs.join(", ")));
            };
            if input.direction == Direction::Out {
                return wrong("which is an output too: only an input has elements before the call".into());
            }
            if !matches!(param.ty, ParamType::Tensor { .. }) || param.ty != input.ty {
                return wrong(format!(
                    "but is {} and that is {}: both must be tensors of one type",
                    param.ty, input.ty
                ));
            }
            if let Some((_, other)) = taken.iter().find(|(input, _)| *input == from) {
                return wrong(format!("from which output '{other}' starts already"));
            }
            taken.push((from, name));
        }
        Ok(())
    }
}

impl Param {
    /// Creates a parameter without metadata.
    pub fn new(name: impl Into<String>, direction: Direction, ty: ParamType, nullable: bool) -> Param {
        Param { name: name.into(), direction, ty, nullable, starts_from: None, metadata: Metadata::new() }
    }

    /// Whether a call waits for the objects that it names.
    pub fn is_awaited(&self) -> bool {
        let is_object = matches!(self.ty, ParamType::Tensor { .. } | ParamType::Table(_) | ParamType::Oid);
        is_object && self.direction == Direction::In
    }

    /// Whether its object may be a part of one.
    pub fn takes_parts(&self) -> bool {
        matches!(self.ty, ParamType::Tensor { .. } | ParamType::Oid) && self.direction == Direction::In
    }

    fn check(&self) -> Result<()> {
        let name = &self.name;
        if !is_name(name) {
            return Err(Error::invalid(format!(
                "'{name}' is not a valid name of a parameter: expected a letter or _, then letters, digits and _"
            )));
        }
        let fault = match &self.ty {
            ParamType::Scalar(data_type) => value_fault(data_type),
            ParamType::Table(Some(schema)) => {
                schema.fields().iter().find_map(|field| type_fault(field.data_type()))
            }
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(Error::invalid(format!("parameter '{name}' has {fault}")));
        }
        match (&self.ty, self.direction) {
            (ParamType::Scalar(_), Direction::Out) => Err(Error::invalid(format!(
                "output '{name}' is a value, but an output must be an object: a tensor, a table or an oid"
            ))),
            (ParamType::Id, Direction::Out) => Err(Error::invalid(format!(
                "output '{name}' is an id, which is only passed: declare an output as an oid"
            ))),
            (ParamType::Tensor { dims, .. }, _) if dims.len() > MAX_DIMS => Err(Error::invalid(format!(
                "tensor '{name}' has {} dimensions, but at most {MAX_DIMS} are allowed",
                dims.len()
            ))),
            (ParamType::Tensor { dims, .. }, _) => {
                match dims.iter().find(|dim| dim.size.is_some_and(|size| size < 0)) {
                    Some(dim) => Err(Error::invalid(format!(
                        "dimension '{}' of tensor '{name}' has size {}, but sizes must be zero or more",
                        dim.name,
                        dim.size.unwrap_or_default()
                    ))),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, direction: Direction, dims: Vec<Dim>) -> Param {
        Param::new(name, direction, ParamType::Tensor { elem: Elem::Int64, dims, order: None }, false)
    }

    #[test]
    fn parameters_are_found_by_name_and_direction() {
        let params = vec![tensor("y", Direction::Out, vec![]), tensor("x", Direction::In, vec![])];
        let schema = CallSchema::new("f", params);
        assert_eq!(schema.param("x").map(|(at, _)| at), Some(1));
        assert!(schema.param("z").is_none());
        assert_eq!(schema.inputs().map(|(at, _)| at).collect::<Vec<_>>(), [1]);
        assert_eq!(schema.outputs().map(|(at, _)| at).collect::<Vec<_>>(), [0]);
        assert!(schema.check().is_ok());
    }

    #[test]
    fn a_schema_is_built_and_told_about() {
        let mut schema = CallSchema::new("f", Vec::new());
        let param = |name: &str, text: &str| {
            Param::new(name, Direction::In, ParamType::parse(text, Direction::In).unwrap(), name == "n")
        };
        schema.add(param("x", "int64[row,uvw=3,*,2,\"a b=x\"] F")).unwrap();
        schema.add(param("n", "utf8")).unwrap();
        assert_eq!(schema.to_string(), "f(x: int64[row,uvw=3,*,2,\"a b=x\"] F, n: utf8?)");
        assert!(schema.add(tensor("x", Direction::Out, Vec::new())).is_err());
        assert_eq!(schema.params.len(), 2);
        let wrong =
            |text: &str, direction| ParamType::parse(text, direction).unwrap_err().message().to_owned();
        assert!(wrong("utf9", Direction::In).contains("'utf9'"));
        assert!(wrong("utf8 x", Direction::In).contains("found 'x'"));
        assert!(wrong("id", Direction::Out).contains("'oid'"));
        assert!(wrong("int64[x=99999999999999999999]", Direction::In).contains("99999999999999999999"));

        schema.set_metadata(None, "author", Some("me")).unwrap();
        schema.set_metadata(Some("n"), "unit", Some("Jy")).unwrap();
        assert_eq!(schema.metadata_of(Some("n")).unwrap().get("unit").map(String::as_str), Some("Jy"));
        let plain = CallSchema::parse(&schema.to_string()).unwrap();
        assert_ne!(schema, plain);
        assert_eq!((schema.bare(), schema.mismatches(&plain)), (plain, Vec::new()));
        schema.set_metadata(Some("n"), "unit", None).unwrap();
        assert!(schema.metadata_of(Some("n")).unwrap().is_empty());
        assert_eq!(schema.set_metadata(Some("m"), "a", None).unwrap_err().kind(), Kind::NotFound);
        assert!(schema.set_metadata(None, "proc:func", Some("g")).unwrap_err().message().contains("proc:"));
        schema.params[0].metadata.insert("proc:par".into(), "out".into());
        assert!(schema.check().unwrap_err().message().contains("'proc:par'"));
    }

    #[test]
    fn wrong_schemas_are_refused() {
        let message = |name: &str, params: Vec<Param>| {
            CallSchema::new(name, params).check().unwrap_err().message().to_owned()
        };
        assert!(message("a b", vec![]).contains("'a b'"));
        assert!(message("f", vec![tensor("1", Direction::In, vec![])]).contains("'1'"));
        let x = tensor("x", Direction::In, vec![]);
        assert_eq!(message("f", vec![x.clone(), x.clone()]), "function 'f' has two parameters 'x'");
        let scalar = Param { ty: ParamType::Scalar(DataType::Int8), direction: Direction::Out, ..x.clone() };
        assert!(message("f", vec![scalar]).contains("output 'x' is a value"));
        let id = Param { ty: ParamType::Id, direction: Direction::Out, ..x };
        assert!(message("f", vec![id]).contains("only passed"));
        let impossible = [
            DataType::FixedSizeBinary(-1),
            DataType::Decimal128(39, 0),
            DataType::Dictionary(Box::new(DataType::Utf8), Box::new(DataType::Utf8)),
        ];
        for data_type in impossible {
            let param = Param { ty: ParamType::Scalar(data_type), ..tensor("x", Direction::In, vec![]) };
            assert!(message("f", vec![param]).contains("parameter 'x' has the impossible type"));
        }
        let dim = Dim { name: "i".into(), size: Some(-1) };
        assert!(message("f", vec![tensor("x", Direction::In, vec![dim.clone()])]).contains("size -1"));
        assert!(message("f", vec![tensor("x", Direction::In, vec![dim; 9])]).contains("9 dimensions"));
    }
}

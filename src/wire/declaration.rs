//! Declarations: the owner of a namespace, and the functions that it offers.
//!
//! A declaration is an Arrow IPC stream whose schema's metadata describe the owner. It has one binary column
//! `function`, with a row for each function: the bytes of its Arrow schema. The forms of a function have a row each.

use std::collections::HashMap;
use std::sync::Arc;

use crate::arrow::array::{Array, AsArray, BinaryArray};
use crate::arrow::datatypes::{DataType, Field, Schema};
use crate::arrow::ipc::writer::StreamWriter;
use crate::arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::store::Prefix;

use super::arrow_schema::{read_schema_message, schema_message};
use super::columns::read_stream;
use super::message::corrupt;
use super::metadata::{expect_kind, DECLARATION_METADATA};
use super::{CallSchema, Metadata, ObjectKind};

/// Schema metadata: the display name.
const NAME: &str = "proc:namespace";
/// Schema metadata: the owner's process ID, in its own container.
const PID: &str = "proc:pid";
/// Schema metadata: the owner's arguments, each with a NUL behind it.
const ARGV: &str = "proc:argv";
/// Schema metadata: the namespace's prefix, in hexadecimal digits.
const PREFIX: &str = "proc:prefix";
/// Schema metadata: the version of this format.
const VERSION: &str = "proc:version";
/// The one column.
const COLUMN: &str = "function";
/// Most functions of a declaration.
const MAX_FUNCTIONS: usize = 1 << 16;

/// A namespace's declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Display name of the namespace.
    pub name: String,
    /// The process ID of the owner, in its own container.
    pub pid: u32,
    /// The command line of the owner.
    pub argv: Vec<String>,
    /// The functions that it offers.
    pub functions: Vec<CallSchema>,
    /// Its metadata.
    pub metadata: Metadata,
}

impl Declaration {
    /// The object's data and metadata. InvalidArgument if a function is not valid, two have one name but are not forms of
    /// one function, or an argument holds a NUL.
    pub fn encode(&self, prefix: Prefix) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut forms: HashMap<&str, Vec<&CallSchema>> = HashMap::new();
        let mut schemas = Vec::with_capacity(self.functions.len());
        for function in &self.functions {
            function.check()?;
            let forms = forms.entry(&function.name).or_default();
            for form in &*forms {
                form.check_form(function).map_err(|wrong| {
                    wrong.context(format!("the function '{}' is declared twice", function.name))
                })?;
            }
            forms.push(function);
            schemas.push(schema_message(&function.to_arrow())?);
        }
        if schemas.len() > MAX_FUNCTIONS {
            return Err(Error::invalid(format!(
                "{} functions, but at most {MAX_FUNCTIONS} are allowed",
                schemas.len()
            )));
        }
        if let Some(argument) = self.argv.iter().find(|argument| argument.contains('\0')) {
            return Err(Error::invalid(format!(
                "the argument {argument:?} of the process contains a NUL byte"
            )));
        }
        let metadata: HashMap<String, String> = self.all_metadata(prefix).into_iter().collect();
        let field = Field::new(COLUMN, DataType::Binary, false);
        let schema = Arc::new(Schema::new_with_metadata(vec![field], metadata));
        let column: BinaryArray = schemas.iter().map(|schema| Some(schema.as_slice())).collect();
        let refused = |wrong| Error::internal(format!("the declaration cannot be written: {wrong}"));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)]).map_err(refused)?;
        let mut data = Vec::new();
        let mut writer = StreamWriter::try_new(&mut data, &schema).map_err(refused)?;
        writer.write(&batch).map_err(refused)?;
        writer.finish().map_err(refused)?;
        drop(writer);
        Ok((data, DECLARATION_METADATA.to_vec()))
    }

    /// Everything that its metadata say, as they stand in the object.
    pub fn all_metadata(&self, prefix: Prefix) -> Metadata {
        let argv: String = self.argv.iter().flat_map(|argument| [argument.as_str(), "\0"]).collect();
        let mut all = self.metadata.clone();
        all.extend([
            (NAME.to_owned(), self.name.clone()),
            (PID.to_owned(), self.pid.to_string()),
            (ARGV.to_owned(), argv),
            (PREFIX.to_owned(), prefix.iter().map(|byte| format!("{byte:02x}")).collect()),
            (VERSION.to_owned(), "1".to_owned()),
        ]);
        all
    }

    /// Reads a declaration. InvalidArgument if the object is of another kind, Corrupt if its bytes are invalid.
    pub fn decode(data: &[u8], metadata: &[u8]) -> Result<Declaration> {
        expect_kind(metadata, ObjectKind::Declaration)?;
        let batch = read_stream(data, MAX_FUNCTIONS)?;
        let about = batch.schema.metadata();
        let missing = |key: &str| corrupt(format!("the declaration's metadata have no valid '{key}'"));
        let name = about.get(NAME).ok_or_else(|| missing(NAME))?.clone();
        let pid = about.get(PID).and_then(|pid| pid.parse().ok()).ok_or_else(|| missing(PID))?;
        let argv = about.get(ARGV).ok_or_else(|| missing(ARGV))?;
        let argv = argv.split_terminator('\0').map(str::to_owned).collect();
        let column = match batch.columns.as_slice() {
            [column] if *column.data_type() == DataType::Binary && column.null_count() == 0 => column,
            _ => return Err(corrupt(format!("expected one column '{COLUMN}' of binary values"))),
        };
        let column = column.as_binary::<i32>();
        let mut functions = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            let schema = read_schema_message(column.value(row))?;
            functions.push(CallSchema::from_arrow(&schema).map_err(|wrong| corrupt(wrong.message()))?);
        }
        let known = [NAME, PID, ARGV, PREFIX, VERSION];
        let others = about.iter().filter(|(key, _)| !known.contains(&key.as_str()));
        let metadata = others.map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Declaration { name, pid, argv, functions, metadata })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_schema, mutations, Random};
    use super::*;
    use crate::error::Kind;

    fn declaration(functions: Vec<CallSchema>) -> Declaration {
        let argv = ["gridder", "", "--name=é b"].map(str::to_owned).to_vec();
        let metadata = Metadata::from([("telescope".to_owned(), "Low".to_owned())]);
        Declaration { name: "NiftyProcessor é".into(), pid: 4_000_000_000, argv, functions, metadata }
    }

    #[test]
    fn declarations_come_back() {
        let mut random = Random::new(51);
        for count in 0..20 {
            let mut functions: Vec<CallSchema> = (0..count).map(|_| any_schema(&mut random)).collect();
            functions.iter_mut().enumerate().for_each(|(at, function)| function.name = format!("f{at}"));
            let written = declaration(functions);
            let (data, metadata) = written.encode([0, 1, 2, 255]).unwrap();
            assert_eq!(Declaration::decode(&data, &metadata).unwrap(), written);
        }
        let bare = Declaration {
            name: String::new(),
            pid: 0,
            argv: vec![],
            functions: vec![],
            metadata: Metadata::new(),
        };
        let (data, metadata) = bare.encode([0; 4]).unwrap();
        assert_eq!(Declaration::decode(&data, &metadata).unwrap(), bare);
    }

    #[test]
    fn forms_of_one_function_come_back() {
        let forms =
            ["int8", "int16", "complex64"].map(|elem| format!("f(n: utf8, x: {elem}[i]) -> (y: {elem}[i])"));
        let mut functions: Vec<_> = forms.iter().map(|form| CallSchema::parse(form).unwrap()).collect();
        functions.insert(1, CallSchema::parse("g(x: int8)").unwrap());
        let written = declaration(functions);
        let (data, metadata) = written.encode([0; 4]).unwrap();
        assert_eq!(Declaration::decode(&data, &metadata).unwrap(), written);
    }

    #[test]
    fn wrong_declarations_are_refused() {
        let f = CallSchema::parse("f()").unwrap();
        let twice = declaration(vec![f.clone(), f.clone()]).encode([0; 4]).unwrap_err();
        assert_eq!(
            twice.message(),
            "the function 'f' is declared twice: all its types are those of the other form"
        );
        let other = CallSchema::parse("f(x: int8)").unwrap();
        let twice = declaration(vec![f.clone(), other]).encode([0; 4]).unwrap_err();
        assert!(twice.message().contains("'f' is declared twice: its parameters are x, but"), "{twice}");
        let mut nul = declaration(vec![]);
        nul.argv[0] = "a\0b".into();
        assert!(nul.encode([0; 4]).unwrap_err().message().contains("NUL"));
        let (data, metadata) = declaration(vec![f]).encode([0; 4]).unwrap();
        assert_eq!(Declaration::decode(&data, b"").unwrap_err().kind(), Kind::InvalidArgument);
        assert_eq!(Declaration::decode(&[], &metadata).unwrap_err().kind(), Kind::Corrupt);
    }

    #[test]
    fn damaged_declarations_never_panic() {
        let f = CallSchema::parse("f(x: int8[i], t: table{a: utf8?}) -> (y: oid)").unwrap();
        let (data, metadata) = declaration(vec![f]).encode([0; 4]).unwrap();
        mutations(&data, |bytes| {
            if let Ok(declaration) = Declaration::decode(bytes, &metadata) {
                assert!(declaration.functions.iter().all(|function| function.check().is_ok()));
            }
        });
    }
}

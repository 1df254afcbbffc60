//! Tables in the store: read in place, put with one copy.

use crate::arrow::datatypes::SchemaRef;
use crate::arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::store::{Buffer, CreateSpec, ObjectId, Writer};
use crate::timeout::Timeout;
use crate::wire::{
    read_table, Direction, Param, ParamType, TableForm, TableMemory, TableSource, TABLE_METADATA,
};

use super::call::Call;
use super::expect::Expectation;
use super::ownership::{raw_spec, Ref};

/// A sealed table. Its bytes are valid as long as this, a clone, or an array of its batches exists, even if the object
/// is deleted or the store is closed.
///
/// The arrays are in shared memory. The library checked that they are within the object, but not their values (offsets,
/// indices, UTF-8).
#[derive(Clone)]
pub struct Table {
    buffer: Buffer,
    content: TableSource,
}

impl Table {
    /// Reads the metadata of a table object, and copies nothing else. INVALID_ARGUMENT or CORRUPT if it is not a table.
    pub fn read(buffer: Buffer) -> Result<Table> {
        let data = buffer.span().arrow(buffer.data().len(), buffer.clone());
        let content = read_table(data, buffer.metadata())
            .map_err(|error| error.context(format!("object {}", buffer.id())))?;
        Ok(Table { buffer, content })
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        self.content.schema()
    }

    /// The record batches, in place.
    pub fn batches(&self) -> &[RecordBatch] {
        self.content.batches()
    }

    /// The same table as a source that can be put. The arrays keep the object.
    pub fn content(&self) -> &TableSource {
        &self.content
    }

    /// The object of the table.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// INVALID_ARGUMENT unless the table is what is expected.
    pub(super) fn check(self, expect: &Expectation) -> Result<Table> {
        expect.check_table(self.schema(), self.batches())?;
        Ok(self)
    }
}

/// The memory of a table's object.
struct ObjectMemory<'w>(&'w mut Writer);

impl TableMemory for ObjectMemory<'_> {
    fn copy(&mut self, at: usize, bytes: &[u8]) {
        self.0.copy_from(at, bytes);
    }

    fn bytes(&mut self, at: usize, length: usize) -> &mut [u8] {
        &mut self.0.data_mut()[at..at + length]
    }
}

impl Ref {
    /// Writes the table, with one copy. ALREADY_EXISTS if the object exists or is being created. INVALID_ARGUMENT if
    /// the value is not what this reference expects. If the reference is borrowed and its object is not the output of a
    /// call, the object stays until it is deleted.
    pub fn put_table(&self, value: &TableSource) -> Result<()> {
        self.put_whole_table(value).map(drop)
    }

    /// As [`Ref::put_table`]; how many bytes were copied.
    pub(super) fn put_whole_table(&self, value: &TableSource) -> Result<u64> {
        let context = |error: Error| error.context(format!("object {}", self.id()));
        self.expectation().check_table(value.schema(), value.batches()).map_err(context)?;
        let form = TableForm::of(value).map_err(context)?;
        let mut writer = self.create(|want, keep| raw_spec(form.size(), TABLE_METADATA, want, keep))?;
        form.write(&mut ObjectMemory(&mut writer));
        self.born(writer.seal()?, None)?;
        Ok(form.size() as u64)
    }

    /// Waits like [`Ref::wait`], pins the object and reads it as a table. INVALID_ARGUMENT, with the name of the
    /// column, if it is not the table that this reference expects.
    pub fn get_table(&self, timeout: Timeout) -> Result<Table> {
        self.refuse_part("a part is read as a tensor, not as a table")?;
        let table = Table::read(self.get_buffer(timeout)?)?;
        table.check(self.expectation()).map_err(|error| error.context(format!("object {}", self.id())))
    }
}

impl Call {
    /// Returns an input table. INVALID_ARGUMENT if the parameter is not a table, or is null.
    pub fn table(&self, param: usize) -> Result<Table> {
        let spec = self.spec(param)?;
        match &spec.ty {
            ParamType::Table(_) | ParamType::Oid => Table::read(self.buffer(param)?),
            _ => Err(self.wrong(spec, "is not a table")),
        }
    }

    /// Writes an output table with one copy and seals it. INVALID_ARGUMENT, with the name of the column, if the
    /// signature has other columns. ALREADY_EXISTS if the output is being written or is sealed.
    pub fn put_table(&self, param: usize, value: &TableSource) -> Result<()> {
        self.put_table_within(param, value, None)
    }

    /// Like [`Call::put_table`], with another time to wait for space in a full store. None: that of the function.
    pub fn put_table_within(
        &self,
        param: usize,
        value: &TableSource,
        full_timeout: Option<Timeout>,
    ) -> Result<()> {
        let spec = self.written(param, "a table", |ty| matches!(ty, ParamType::Table(_) | ParamType::Oid))?;
        let form = Expectation::of_param(spec)
            .check_table(value.schema(), value.batches())
            .and_then(|()| TableForm::of(value))
            .map_err(|error| error.context(format!("{}: parameter '{}'", self.function(), spec.name)))?;
        let raw = raw_spec(form.size(), TABLE_METADATA, false, false)?;
        let raw = CreateSpec { full_timeout, ..raw };
        self.put_output(param, &raw, |writer| form.write(&mut ObjectMemory(writer)))
    }

    /// Writes an output that may be any object, and seals it. Errors like [`Call::put_table`].
    pub fn put_object(&self, param: usize, data: &[u8], metadata: &[u8]) -> Result<()> {
        self.written(param, "bytes", |ty| matches!(ty, ParamType::Oid))?;
        let raw = raw_spec(data.len(), metadata, false, false)?;
        self.put_output(param, &raw, |writer| writer.copy_from(0, data))
    }

    /// The parameter that is to be written with `what`, if it is an output that takes such.
    fn written(&self, param: usize, what: &str, takes: impl Fn(&ParamType) -> bool) -> Result<&Param> {
        let spec = self.spec(param)?;
        match spec.direction {
            Direction::In => Err(self.wrong(spec, "is an input: it must not be written")),
            Direction::Out if takes(&spec.ty) => Ok(spec),
            Direction::Out => {
                Err(self.wrong(spec, &format!("is {}: it cannot be written as {what}", spec.ty)))
            }
        }
    }

    /// The ID of the object of a parameter, also of an ID that is only passed on. INVALID_ARGUMENT for plain values, parts
    /// and null.
    pub fn object_id(&self, param: usize) -> Result<ObjectId> {
        let spec = self.spec(param)?;
        match self.cell(param)? {
            crate::wire::Cell::Id(id) => Ok(*id),
            crate::wire::Cell::Part(_, part) => {
                let text = format!(
                    "is the part {part} of an object, which has no ID of its own: take the reference"
                );
                Err(self.wrong(spec, &text))
            }
            crate::wire::Cell::Null => Err(self.wrong(spec, "is null in this call")),
            _ => Err(self.wrong(spec, "is a plain value, not an object")),
        }
    }
}

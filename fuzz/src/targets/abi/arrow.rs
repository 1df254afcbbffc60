//! Arrow's structs that a program passes or has filled: schemas, arrays and streams.

use std::ptr::null_mut;
use std::sync::Arc;

use sdp_dal::arrow::array::{
    make_array, new_null_array, Array, ArrayRef, Int64Array, RecordBatch, RecordBatchIterator, StringArray,
};
use sdp_dal::arrow::datatypes::{DataType, Field, Schema};
use sdp_dal::arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use sdp_dal::arrow::ffi_stream::FFI_ArrowArrayStream;

use super::{Machine, P};

impl Machine<'_, '_> {
    fn a_type(&mut self) -> DataType {
        match self.byte() % 7 {
            0 => DataType::Int64,
            1 => DataType::Utf8,
            2 => DataType::new_list(DataType::Int64, true),
            3 => DataType::Struct(vec![Field::new("a", DataType::Int64, true)].into()),
            4 => DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
            5 => DataType::FixedSizeBinary(20),
            _ => DataType::Null,
        }
    }

    pub(super) fn in_schema(&mut self) -> P {
        if self.rarely(12) {
            return null_mut();
        }
        let released = self.rarely(12);
        let made = match self.value_type.take() {
            _ if released => None,
            Some(data_type) => FFI_ArrowSchema::try_from(&data_type).ok(),
            None if self.rarely(2) => FFI_ArrowSchema::try_from(&Schema::new(columns())).ok(),
            None => {
                let data_type = self.a_type();
                FFI_ArrowSchema::try_from(&data_type).ok()
            }
        };
        self.keep_schema(made.unwrap_or_else(FFI_ArrowSchema::empty))
    }

    fn keep_schema(&mut self, schema: FFI_ArrowSchema) -> P {
        let mut schema = Box::new(schema);
        let at: *mut FFI_ArrowSchema = &mut *schema;
        self.schemas.push(schema);
        at.cast()
    }

    pub(super) fn out_schema(&mut self) -> P {
        self.keep_schema(FFI_ArrowSchema::empty())
    }

    fn keep_array(&mut self, array: FFI_ArrowArray) -> P {
        let mut array = Box::new(array);
        let at: *mut FFI_ArrowArray = &mut *array;
        self.arrays.push(array);
        at.cast()
    }

    pub(super) fn in_array(&mut self) -> P {
        if self.rarely(12) {
            return null_mut();
        }
        if self.rarely(12) {
            return self.keep_array(FFI_ArrowArray::empty());
        }
        let data_type = self.a_type();
        let length = self.pick(&[1, 1, 1, 0, 2]);
        let array = match data_type {
            DataType::Int64 => Arc::new(Int64Array::from(vec![7; length])),
            DataType::Utf8 => make_array(StringArray::from(vec!["text"; length]).to_data()),
            ref other => new_null_array(other, length),
        };
        self.value_type = Some(data_type);
        self.keep_array(FFI_ArrowArray::new(&array.to_data()))
    }

    pub(super) fn out_array(&mut self) -> P {
        self.keep_array(FFI_ArrowArray::empty())
    }

    fn keep_streams(&mut self, mut streams: Vec<FFI_ArrowArrayStream>) -> P {
        let at = streams.as_mut_ptr();
        self.streams.push(streams);
        at.cast()
    }

    fn a_stream(&mut self) -> FFI_ArrowArrayStream {
        if self.rarely(12) {
            return FFI_ArrowArrayStream::empty();
        }
        let schema = Arc::new(Schema::new(columns()));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some("text")])),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns);
        let batches: Vec<_> = batch.into_iter().cycle().take(self.byte() % 3).map(Ok).collect();
        FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new(batches, schema)))
    }

    pub(super) fn in_arraystream(&mut self) -> P {
        if self.rarely(12) {
            return null_mut();
        }
        let stream = self.a_stream();
        self.keep_streams(vec![stream])
    }

    pub(super) fn in_arraystreams(&mut self) -> P {
        let streams = (0..8).map(|_| self.a_stream()).collect();
        self.keep_streams(streams)
    }

    pub(super) fn out_arraystream(&mut self) -> P {
        self.keep_streams(vec![FFI_ArrowArrayStream::empty()])
    }
}

fn columns() -> Vec<Field> {
    vec![Field::new("a", DataType::Int64, true), Field::new("t", DataType::Utf8, true)]
}

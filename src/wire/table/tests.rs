//! Tables of any type, whole and damaged, written by us and by arrow.

use super::super::name_with_nul;
use super::super::testing::{any_batches, mutations, Random};
use super::*;
use crate::arrow::array::{ArrayData, Int32Array, NullArray, StringArray};
use crate::arrow::datatypes::{DataType, Field, UnionFields, UnionMode};
use crate::arrow::ipc;
use crate::arrow::ipc::reader::StreamReader;
use crate::arrow::ipc::writer::StreamWriter;

/// The object of a table, at an address as in a store.
fn object(table: &TableSource) -> Buffer {
    let form = TableForm::of(table).unwrap();
    let mut bytes = vec![0xa5; form.size()];
    form.write(&mut bytes);
    let mut aligned = crate::arrow::buffer::MutableBuffer::new(bytes.len());
    aligned.extend_from_slice(&bytes);
    aligned.into()
}

fn read(object: &Buffer) -> TableSource {
    read_table(object.clone(), super::super::TABLE_METADATA).unwrap()
}

fn each_buffer(data: &crate::arrow::array::ArrayData, seen: &mut impl FnMut(&Buffer)) {
    data.buffers().iter().for_each(&mut *seen);
    if let Some(nulls) = data.nulls() {
        seen(nulls.buffer());
    }
    data.child_data().iter().for_each(|child| each_buffer(child, seen));
}

fn buffers(table: &TableSource, seen: &mut impl FnMut(&Buffer)) {
    for column in table.batches().iter().flat_map(RecordBatch::columns) {
        each_buffer(&column.to_data(), seen);
    }
}

/// Equal values; arrays without a validity and such with one that says that nothing is null are equal.
fn same(a: &[RecordBatch], b: &[RecordBatch]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!((a.schema(), a.num_rows()), (b.schema(), b.num_rows()));
        for (a, b) in a.columns().iter().zip(b.columns()) {
            assert_eq!(a.to_data(), b.to_data(), "{:?}", a.data_type());
            b.to_data().validate_full().unwrap();
        }
    }
}

#[test]
fn any_table_comes_back_in_place() {
    let mut random = Random::new(11);
    let mut compared = 0;
    for _ in 0..400 {
        let (schema, batches) = any_batches(&mut random, 3);
        let table = TableSource::new(Arc::clone(&schema), batches).unwrap();
        let object = object(&table);
        let back = read(&object);
        assert_eq!(back.schema().fields(), schema.fields());
        same(table.batches(), back.batches());
        let all = object.as_ptr_range();
        buffers(&back, &mut |buffer| {
            let inside =
                all.start <= buffer.as_ptr() && buffer.as_ptr().wrapping_add(buffer.len()) <= all.end;
            assert!(inside || buffer.is_empty(), "a buffer of {} bytes was copied", buffer.len());
            assert!(!inside || buffer.is_empty() || (buffer.as_ptr() as usize).is_multiple_of(64));
        });
        let mut ours = Vec::new();
        let mut writer = StreamWriter::try_new(&mut ours, &schema).unwrap();
        table.batches().iter().for_each(|batch| writer.write(batch).unwrap());
        drop(writer);
        // Some of these arrays are none that arrow reads after it has written them (nulls in what must not be null).
        if arrows(&ours).is_ok() {
            compared += 1;
            same(table.batches(), &arrows(&object).unwrap());
        }
    }
    assert!(compared > 200, "{compared}");
}

fn arrows(bytes: &[u8]) -> crate::arrow::error::Result<Vec<RecordBatch>> {
    StreamReader::try_new(bytes, None)?.collect()
}

#[test]
fn what_arrow_writes_is_read() {
    let mut random = Random::new(12);
    let mut compared = 0;
    for _ in 0..200 {
        let (schema, batches) = any_batches(&mut random, 3);
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        drop(writer);
        if arrows(&bytes).is_ok() {
            compared += 1;
            same(&batches, read(&Buffer::from(bytes)).batches());
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn slices_are_cut_to_their_elements() {
    let mut random = Random::new(13);
    for _ in 0..300 {
        let (schema, batches) = any_batches(&mut random, 2);
        let slices = batches.iter().filter(|batch| batch.num_rows() > 2);
        let slices: Vec<_> =
            slices.map(|batch| batch.slice(1 + random.below(2), batch.num_rows() - 2)).collect();
        let table = TableSource::new(schema, slices).unwrap();
        same(table.batches(), read(&object(&table)).batches());
    }
    let field = Field::new("x", DataType::Utf8, false);
    let long = StringArray::from_iter_values((0..10_000).map(|n| format!("number {n}")));
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(long)]).unwrap();
    let table = TableSource::new(schema, vec![batch.slice(9_000, 3)]).unwrap();
    assert!(object(&table).len() < 1000);
}

#[test]
fn batches_are_split_and_share_their_dictionaries() {
    let names: crate::arrow::array::DictionaryArray<crate::arrow::datatypes::Int32Type> =
        ["LOFAR", "MeerKAT"].into_iter().cycle().take(100).collect();
    let schema = Arc::new(Schema::new(vec![Field::new("name", names.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(names)]).unwrap();
    let whole = TableSource::new(schema, vec![batch.clone()]).unwrap();
    let split = whole.clone().split(30);
    let rows: Vec<_> = split.batches().iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [30, 30, 30, 10]);
    let object = object(&split);
    let text = b"LOFARMeerKAT";
    assert_eq!(object.windows(text.len()).filter(|bytes| bytes == text).count(), 1);
    let back = read(&object);
    assert_eq!(crate::arrow::compute::concat_batches(back.schema(), back.batches()).unwrap(), batch);
    assert_eq!(whole.clone().split(0).batches().len(), 1);
}

#[test]
fn tables_without_rows_or_columns() {
    let none = Arc::new(Schema::empty());
    let empty = TableSource::new(Arc::clone(&none), Vec::new()).unwrap();
    assert!(read(&object(&empty)).batches().is_empty());
    let batch = new_batch(&none, Vec::new(), 7).unwrap();
    let rows = TableSource::new(none, vec![batch]).unwrap();
    assert_eq!(read(&object(&rows)).batches()[0].num_rows(), 7);
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Null, true)]));
    let nulls = new_batch(&schema, vec![Arc::new(NullArray::new(3))], 3).unwrap();
    assert_eq!(read(&object(&TableSource::new(schema, vec![nulls]).unwrap())).batches()[0].num_rows(), 3);
}

/// A dictionary that never comes is an empty array, and Arrow panics when it is to make one of such a union.
#[test]
fn a_union_without_fields_is_no_type() {
    let union = DataType::Union(UnionFields::empty(), UnionMode::Sparse);
    for data_type in [union.clone(), DataType::Dictionary(Box::new(DataType::Int8), Box::new(union))] {
        let schema = Schema::new(vec![Field::new("u", data_type, true)]);
        assert_eq!(
            schema_message(&schema).err().map(|error| error.kind()),
            Some(crate::error::Kind::Corrupt)
        );
        assert!(TableSource::new(Arc::new(schema), Vec::new()).is_err());
    }
}

#[test]
fn items_of_lists_may_have_any_name() {
    let array = |name: &str| {
        let item = Field::new(name, DataType::Int32, true).with_metadata([("id".into(), "1".into())].into());
        let items: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
        let offsets = crate::arrow::buffer::OffsetBuffer::from_lengths([2, 0, 1]);
        Arc::new(crate::arrow::array::ListArray::new(Arc::new(item), offsets, items, None)) as ArrayRef
    };
    let (item, element) = (array("item"), array("element"));
    let schema = Arc::new(Schema::new(vec![Field::new("l", item.data_type().clone(), true)]));
    let table = TableSource::from_columns(Arc::clone(&schema), &[vec![item.clone(), element]]).unwrap();
    let back = read(&object(&table));
    assert_eq!(back.schema().fields(), schema.fields());
    back.batches().iter().for_each(|batch| assert_eq!(batch.column(0), &item));
}

#[test]
fn columns_in_chunks_must_match() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int32, false),
        Field::new("b", DataType::Int32, false),
    ]));
    let chunk = |rows: i32| Arc::new(Int32Array::from_iter_values(0..rows)) as ArrayRef;
    let table =
        TableSource::from_columns(Arc::clone(&schema), &[vec![chunk(2), chunk(3)], vec![chunk(2), chunk(3)]]);
    assert_eq!(table.unwrap().batches().len(), 2);
    let wrong = TableSource::from_columns(schema, &[vec![chunk(2), chunk(3)], vec![chunk(5)]]).unwrap_err();
    assert!(wrong.message().contains("column 'a' has chunks of 2, 3 rows and column 'b' of 5"), "{wrong}");
}

/// At an address as in a store.
fn aligned(bytes: &[u8]) -> Buffer {
    let mut aligned = crate::arrow::buffer::MutableBuffer::new(bytes.len());
    aligned.extend_from_slice(bytes);
    aligned.into()
}

/// All that is done to a table whose values nobody has looked through: nothing panics, nothing reads outside.
fn use_table(damaged: &Buffer) {
    let all = damaged.as_ptr_range();
    let Ok(table) = read_table(damaged.clone(), super::super::TABLE_METADATA) else { return };
    buffers(&table, &mut |buffer| {
        let starts_inside = all.contains(&buffer.as_ptr());
        assert!(!starts_inside || buffer.as_ptr().wrapping_add(buffer.len()) <= all.end);
    });
    let _ = check_columns(table.schema(), table.schema(), table.batches());
    for batch in table.batches() {
        let rows = crate::arrow::array::StructArray::from(batch.clone()).to_data();
        drop(crate::arrow::ffi::FFI_ArrowArray::new(&rows));
        if !batch.schema().fields().iter().any(|field| name_with_nul(field).is_some()) {
            let _ = crate::arrow::ffi::FFI_ArrowSchema::try_from(rows.data_type());
        }
    }
    // Put again as it is, and in slices. A number of rows may be anything if nothing lies behind it.
    let small = table.batches().iter().all(|batch| batch.num_rows() < 100);
    for max_rows in if small { &[0, 1, 2][..] } else { &[0] } {
        if let Ok(form) = TableForm::of(&table.clone().split(*max_rows)) {
            if form.size() < 1 << 20 {
                form.write(&mut vec![0; form.size()]);
            }
        }
    }
}

fn damage(schema: SchemaRef, batches: &[RecordBatch]) {
    let batches = batches.iter().take(2).map(|batch| batch.slice(0, batch.num_rows().min(3))).collect();
    let good = object(&TableSource::new(schema, batches).unwrap());
    mutations(&good, |bytes| use_table(&aligned(bytes)));
}

#[test]
fn damaged_bytes_never_reach_outside() {
    let mut random = Random::new(14);
    for _ in 0..2 {
        let (schema, batches) = any_batches(&mut random, 1);
        damage(schema, &batches);
    }
}

/// One table; more by hand: `SECONDS=600 SEED=7 cargo test --release --lib any_damage`.
#[test]
fn any_damage() {
    let seconds = std::env::var("SECONDS").map_or(0, |text| text.parse().unwrap());
    let seed = std::env::var("SEED").map_or(1, |text| text.parse().unwrap());
    let start = std::time::Instant::now();
    let (mut random, mut tables) = (Random::new(seed), 0);
    loop {
        let depth = random.below(4);
        let (schema, batches) = any_batches(&mut random, depth);
        damage(schema, &batches);
        tables += 1;
        if start.elapsed().as_secs() >= seconds {
            break;
        }
    }
    println!("{tables} tables");
}

fn one_column(column: ArrayRef) -> TableSource {
    let schema = Arc::new(Schema::new(vec![Field::new("c", column.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
    TableSource::new(schema, vec![batch]).unwrap()
}

/// A table as a writer may leave it whose values do not add up.
fn unchecked(data: crate::arrow::array::ArrayDataBuilder) -> TableSource {
    one_column(crate::arrow::array::make_array(crate::shm::arrays::array_in_bounds(data).unwrap()))
}

#[test]
fn what_views_say_is_not_believed() {
    let views = |view: crate::arrow::array::ByteView| {
        let mut views = vec![0_u128; 300];
        views[7] = view.as_u128();
        let buffers = [Buffer::from_vec(views), Buffer::from(vec![b'x'; 10_000])];
        ArrayData::builder(DataType::Utf8View).len(300).buffers(buffers.into())
    };
    let view = |buffer_index, offset, length| crate::arrow::array::ByteView {
        length,
        prefix: u32::from_le_bytes(*b"xxxx"),
        buffer_index,
        offset,
    };
    let good = unchecked(views(view(0, 9_900, 100)));
    assert!(TableForm::of(&good).unwrap().size() < 6_000, "the bytes used were not collected");
    same(good.batches(), read(&object(&good)).batches());
    for wrong in [view(1, 0, 100), view(0, 9_901, 100), view(0, u32::MAX, 100), view(u32::MAX, 0, 13)] {
        let error = TableForm::of(&unchecked(views(wrong))).err().expect("the view lies outside");
        assert!(error.message().contains("view 7 lies outside of its buffers"), "{error}");
    }
    // What lies behind a null means nothing.
    let nulls = crate::arrow::buffer::NullBuffer::from_iter((0..300).map(|at| at != 7));
    let null = unchecked(views(view(9, 9, u32::MAX)).nulls(Some(nulls)));
    let back = read(&object(&null));
    assert_eq!(back.batches()[0].column(0).null_count(), 1);
    back.batches()[0].column(0).to_data().validate_full().unwrap();
}

#[test]
fn slices_of_dense_unions_are_cut() {
    let fields: crate::arrow::datatypes::UnionFields = [
        (3, Arc::new(Field::new("a", DataType::Int32, false))),
        (5, Arc::new(Field::new("b", DataType::Utf8, false))),
    ]
    .into_iter()
    .collect();
    let ids: Vec<i8> = (0..10_000).map(|row| if row % 2 == 0 { 3 } else { 5 }).collect();
    let offsets: Vec<i32> = (0..10_000).map(|row| row / 2).collect();
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..5000));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..5000).map(|n| format!("text {n}"))));
    let union = crate::arrow::array::UnionArray::try_new(
        fields,
        ids.into(),
        Some(offsets.into()),
        vec![numbers, texts],
    );
    let table = one_column(Arc::new(union.unwrap()));
    let whole = object(&table).len();
    let slices = table.clone().split(100);
    let object = object(&slices);
    assert!(object.len() < 2 * whole + 100 * 600, "{} of {whole}", object.len());
    let text = |batches: &[RecordBatch]| {
        let column = |batch: &RecordBatch| {
            let union = crate::arrow::array::AsArray::as_union(batch.column(0)).clone();
            (0..union.len()).map(|row| format!("{:?}", union.value(row))).collect::<Vec<_>>()
        };
        batches.iter().flat_map(column).collect::<Vec<_>>()
    };
    let back = read(&object);
    assert_eq!(text(back.batches()), text(table.batches()));
    back.batches().iter().for_each(|batch| batch.column(0).to_data().validate_full().unwrap());
}

#[test]
fn types_nested_as_deep_as_allowed_come_back() {
    let mut array: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    for depth in 0..super::super::types::MAX_DEPTH {
        let item = Arc::new(Field::new("item", array.data_type().clone(), true));
        let table = one_column(Arc::clone(&array));
        let back = read(&object(&table));
        assert_eq!(back.schema().fields(), table.schema().fields(), "{depth}");
        let offsets = crate::arrow::buffer::OffsetBuffer::from_lengths([1]);
        array = Arc::new(crate::arrow::array::ListArray::new(item, offsets, array, None));
    }
    read(&object(&one_column(Arc::clone(&array))));
    let item = Arc::new(Field::new("item", array.data_type().clone(), true));
    let schema = Schema::new(vec![Field::new("c", DataType::List(item), true)]);
    let wrong = TableSource::new(Arc::new(schema), Vec::new()).unwrap_err();
    assert!(wrong.message().contains("nested more than 64 times"), "{wrong}");
}

#[test]
fn tables_of_many_columns_come_back() {
    let columns = (0..20_000).map(|nth| {
        let metadata = [("unit".to_owned(), "Jy".to_owned())].into();
        Field::new(format!("column {nth}"), DataType::Float64, true).with_metadata(metadata)
    });
    let schema = Arc::new(Schema::new(columns.collect::<Vec<_>>()));
    let table = TableSource::new(Arc::clone(&schema), Vec::new()).unwrap();
    assert_eq!(read(&object(&table)).schema().fields(), schema.fields());
}

#[test]
fn a_schema_that_refers_to_itself_in_many_places_is_refused() {
    // Each level has the one below it twice: 2^20 fields out of a few hundred bytes.
    let mut fbb = flatbuffers::FlatBufferBuilder::new();
    let leaf = ipc::Null::create(&mut fbb, &ipc::NullArgs {}).as_union_value();
    let pair = ipc::Struct_::create(&mut fbb, &ipc::Struct_Args {}).as_union_value();
    let name = fbb.create_string(&"n".repeat(1000));
    let mut field = ipc::Field::create(
        &mut fbb,
        &ipc::FieldArgs {
            name: Some(name),
            type_type: ipc::Type::Null,
            type_: Some(leaf),
            ..Default::default()
        },
    );
    for _ in 0..18 {
        let children = Some(fbb.create_vector(&[field, field]));
        field = ipc::Field::create(
            &mut fbb,
            &ipc::FieldArgs {
                name: Some(name),
                type_type: ipc::Type::Struct_,
                type_: Some(pair),
                children,
                ..Default::default()
            },
        );
    }
    let fields = Some(fbb.create_vector(&[field]));
    let schema = ipc::Schema::create(&mut fbb, &ipc::SchemaArgs { fields, ..Default::default() });
    let message = ipc::Message::create(
        &mut fbb,
        &ipc::MessageArgs {
            version: ipc::MetadataVersion::V5,
            header_type: ipc::MessageHeader::Schema,
            header: Some(schema.as_union_value()),
            ..Default::default()
        },
    );
    fbb.finish(message, None);
    let bytes = encapsulate(fbb.finished_data()).unwrap();
    assert!(bytes.len() < 4096);
    let wrong = read_table(Buffer::from_vec(bytes), super::super::TABLE_METADATA).unwrap_err();
    assert!(wrong.message().contains("metadata of an Arrow message are invalid"), "{wrong}");
}

#[test]
fn buffers_that_share_bytes_are_not_multiplied() {
    let decimals = |columns: usize| {
        let field = |nth| Field::new(format!("c{nth}"), DataType::Decimal128(38, 0), true);
        let schema = Arc::new(Schema::new((0..columns).map(field).collect::<Vec<_>>()));
        let (message, _) = schema_message(&schema).unwrap();
        // All columns are the same bytes, at a place that decimals do not allow.
        let mut fbb = flatbuffers::FlatBufferBuilder::new();
        let nodes = fbb.create_vector(&vec![ipc::FieldNode::new(100, 0); columns]);
        let both = [ipc::Buffer::new(0, 0), ipc::Buffer::new(8, 1600)];
        let buffers = fbb.create_vector(&both.repeat(columns));
        let args = ipc::RecordBatchArgs {
            length: 100,
            nodes: Some(nodes),
            buffers: Some(buffers),
            ..Default::default()
        };
        let batch = ipc::RecordBatch::create(&mut fbb, &args);
        let args = ipc::MessageArgs {
            version: ipc::MetadataVersion::V5,
            header_type: ipc::MessageHeader::RecordBatch,
            header: Some(batch.as_union_value()),
            bodyLength: 1608,
            ..Default::default()
        };
        let batch = ipc::Message::create(&mut fbb, &args);
        fbb.finish(batch, None);
        let bytes = [message, encapsulate(fbb.finished_data()).unwrap(), vec![0; 1608]].concat();
        read_table(aligned(&bytes), super::super::TABLE_METADATA)
    };
    assert_eq!(decimals(1).unwrap().batches()[0].num_rows(), 100);
    let wrong = decimals(2).unwrap_err();
    assert!(wrong.message().contains("buffers of the record batch overlap"), "{wrong}");
}

//! From `DataFrame`s to record batches.

use crate::ClickHouse;
use crate::arrow::insert_batches;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use polars_arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, PrimitiveArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::io::ipc::write::{StreamWriter, WriteOptions};
use polars_arrow::record_batch::RecordBatchT;
use polars_arrow::types::NativeType;
use polars_core::error::{PolarsError, PolarsResult, polars_err};
use polars_core::prelude::{CompatLevel, DataFrame};
use qa_resource_core::{Error, ErrorKind, Group, Result};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Inserts a `DataFrame` into a table of the resource's database, by the names of its columns, as one block.
///
/// As [`insert_batches`], which does it: under one token, and tried again where the outcome is unknown. For
/// `DataFrame`s that come one after the other, give [`to_batches`] of them to a
/// [`Batcher::columns`](crate::Batcher::columns).
///
/// # Errors
/// As [`insert_batches`]; `Operation` with the column's name where its type is nothing that is sent.
///
/// # Cancel safety
/// Where this is dropped, the rows may be stored or not.
pub async fn insert_dataframe(
    group: &Group<ClickHouse>,
    table: &str,
    frame: &DataFrame,
) -> Result<()> {
    let frame = frame.clone();
    let failed = |why: String| {
        let message = format!("a DataFrame for {table}: {why}");
        Error::new(ErrorKind::Operation, group.name(), message)
    };
    let batches = spawn_blocking(move || to_batches(&frame)).await;
    let batches = batches.map_err(|error| failed(error.to_string()))?;
    let batches = batches.map_err(|error| failed(error.to_string()))?;
    insert_batches(group, table, &batches).await
}

/// A `DataFrame` as Arrow record batches, in one copy of its values.
///
/// # Errors
/// `SchemaMismatch` with the name of a column whose type is nothing that the server takes; cast it.
pub fn to_batches(frame: &DataFrame) -> PolarsResult<Vec<RecordBatch>> {
    let mut frame = frame.clone();
    frame.align_chunks();
    let mut batches = Vec::new();
    for chunk in frame.iter_chunks(CompatLevel::oldest(), false) {
        if !chunk.is_empty() {
            batches.push(to_batch(chunk)?);
        }
    }
    Ok(batches)
}

fn to_batch(chunk: RecordBatchT<ArrayRef>) -> PolarsResult<RecordBatch> {
    let rows = chunk.len();
    let (schema, arrays) = chunk.into_schema_and_arrays();
    let arrays = schema.iter_values().zip(arrays).map(|(field, array)| sendable(field, array));
    let arrays = arrays.collect::<PolarsResult<Vec<_>>>()?;
    let fields = schema.iter_values().zip(&arrays).map(|(field, array)| {
        Field::new(field.name.clone(), array.dtype().clone(), field.is_nullable)
    });
    let schema = Arc::new(fields.collect::<ArrowSchema>());
    let mut stream = StreamWriter::new(Vec::new(), WriteOptions { compression: None });
    stream.start(&schema, None)?;
    stream.write(&RecordBatchT::try_new(rows, schema, arrays)?, None)?;
    stream.finish()?;
    read(&stream.into_inner()).map_err(|error| PolarsError::ComputeError(error.to_string().into()))
}

fn read(stream: &[u8]) -> std::result::Result<RecordBatch, Box<dyn std::error::Error>> {
    Ok(StreamReader::try_new(stream, None)?.next().ok_or("there is no batch")??)
}

/// An array of a type that Arrow has in every implementation.
fn sendable(field: &Field, array: ArrayRef) -> PolarsResult<ArrayRef> {
    let bytes = match array.dtype() {
        ArrowDataType::Int128 => by_value::<i128>(array.as_ref()),
        ArrowDataType::UInt128 => by_value::<u128>(array.as_ref()),
        dtype if is_common(dtype) => return Ok(array),
        _ => None,
    };
    bytes.ok_or_else(|| {
        let (name, dtype) = (&field.name, &field.dtype);
        polars_err!(SchemaMismatch: "the column `{name}` is {dtype:?}, which the server does not take; cast it")
    })
}

fn is_common(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as Type;
    match dtype {
        Type::List(of) | Type::LargeList(of) => is_common(&of.dtype),
        Type::Dictionary(_, of, _) => is_common(of),
        other => matches!(
            other,
            Type::Int8
                | Type::Int16
                | Type::Int32
                | Type::Int64
                | Type::UInt8
                | Type::UInt16
                | Type::UInt32
                | Type::UInt64
                | Type::Float32
                | Type::Float64
                | Type::Boolean
                | Type::Decimal(..)
                | Type::Date32
                | Type::Timestamp(..)
                | Type::Utf8
                | Type::LargeUtf8
                | Type::Binary
                | Type::LargeBinary
        ),
    }
}

/// Integers of 128 bits as the server has them.
fn by_value<N: NativeType>(array: &dyn Array) -> Option<ArrayRef> {
    let array = array.as_any().downcast_ref::<PrimitiveArray<N>>()?;
    let mut bytes = Vec::with_capacity(size_of_val(array.values().as_slice()));
    for value in array.values().iter() {
        bytes.extend_from_slice(value.to_le_bytes().as_ref());
    }
    let dtype = ArrowDataType::FixedSizeBinary(size_of::<N>());
    Some(FixedSizeBinaryArray::new(dtype, bytes.into(), array.validity().cloned()).boxed())
}

//! From the server's record batches to `DataFrame`s: column by column, values in one copy. Pure.

use super::kinds::{Column, unit};
use super::text;
use arrow_array::cast::AsArray;
use arrow_array::types as arrow;
use arrow_array::{Array, ArrowPrimitiveType, OffsetSizeTrait, RecordBatch};
use arrow_schema::{DataType as ArrowType, Field, TimeUnit as ArrowUnit};
use clickhouse_types::DataTypeNode as Kind;
use polars_arrow::array::{
    ArrayRef, BooleanArray, ListArray, MutableBinaryViewArray, PrimitiveArray, ViewType,
};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::offset::OffsetsBuffer;
use polars_arrow::types::NativeType;
use polars_core::error::{PolarsResult, polars_err};
use polars_core::prelude::{DataFrame, Series, TimeUnit};

/// The rows of a batch. The error names the column that is not as it was described.
pub(super) fn frame(columns: &[Column], batch: &RecordBatch) -> PolarsResult<DataFrame> {
    let schema = batch.schema_ref();
    let names = schema.fields().iter().map(|field| field.name());
    if !names.eq(columns.iter().map(|column| &column.name)) {
        return Err(polars_err!(SchemaMismatch: "the query's columns have changed meanwhile"));
    }
    let series = columns.iter().zip(schema.fields()).zip(batch.columns());
    let series = series.map(|((column, field), array)| {
        let Column { name, kind, dtype } = column;
        let values = values(kind, field, array).ok_or_else(|| {
            let sent = field.data_type();
            polars_err!(SchemaMismatch: "the column `{name}` is {kind} and comes as {sent}, from which nothing is made here; select toString({name}) in its place")
        })?;
        let series = Series::from_chunk_and_dtype(name.as_str().into(), values, dtype)?;
        Ok(series.into())
    });
    DataFrame::new(batch.num_rows(), series.collect::<PolarsResult<_>>()?)
}

/// The values of a column. `None` where they come in a form that is not known here.
fn values(kind: &Kind, field: &Field, array: &dyn Array) -> Option<ArrayRef> {
    match kind {
        Kind::Nullable(of) | Kind::LowCardinality(of) | Kind::SimpleAggregateFunction(_, of) => {
            values(of, field, array)
        }
        Kind::Bool => booleans(array),
        Kind::Int8 => numbers::<arrow::Int8Type>(array),
        Kind::Int16 => numbers::<arrow::Int16Type>(array),
        Kind::Int32 => numbers::<arrow::Int32Type>(array),
        Kind::Int64 => numbers::<arrow::Int64Type>(array),
        Kind::Int128 => fixed(array, i128::from_le_bytes),
        Kind::UInt8 => numbers::<arrow::UInt8Type>(array),
        Kind::UInt16 => numbers::<arrow::UInt16Type>(array),
        Kind::UInt32 => numbers::<arrow::UInt32Type>(array),
        Kind::UInt64 => numbers::<arrow::UInt64Type>(array),
        Kind::UInt128 => fixed(array, u128::from_le_bytes),
        Kind::Float32 => numbers::<arrow::Float32Type>(array),
        Kind::Float64 => numbers::<arrow::Float64Type>(array),
        Kind::Decimal(..) => numbers::<arrow::Decimal128Type>(array),
        Kind::String => strings(array),
        Kind::FixedString(_) => Some(views::<[u8], _>(array.as_fixed_size_binary_opt()?.iter())),
        Kind::Date | Kind::Date32 => numbers::<arrow::Date32Type>(array)
            .or_else(|| each::<arrow::UInt16Type, i32>(array, i32::from)),
        Kind::DateTime(_) => each::<arrow::UInt32Type, i64>(array, milliseconds)
            .or_else(|| moments(array, TimeUnit::Milliseconds)),
        Kind::DateTime64(precision, _) => moments(array, unit(precision)),
        Kind::Enum(_, names) => {
            let name = |number: i16| names.get(&number).cloned();
            texts::<arrow::Int8Type>(array, |number| name(number.into()))
                .or_else(|| texts::<arrow::Int16Type>(array, name))
        }
        // Before it had this name its bytes came in another order.
        Kind::UUID if field.extension_type_name() == Some("arrow.uuid") => {
            fixed_texts(array, text::uuid)
        }
        Kind::IPv4 => texts::<arrow::UInt32Type>(array, |number| Some(text::ipv4(number))),
        Kind::IPv6 => fixed_texts(array, text::ipv6),
        Kind::Array(of) => lists::<i32>(of, array).or_else(|| lists::<i64>(of, array)),
        _ => None,
    }
}

fn bits(bits: &arrow_buffer::BooleanBuffer) -> Bitmap {
    let (offset, length) = (bits.offset(), bits.len());
    Bitmap::from_u8_slice(bits.values(), offset + length).sliced(offset, length)
}

fn validity(array: &dyn Array) -> Option<Bitmap> {
    array.nulls().map(|nulls| bits(nulls.inner()))
}

fn primitive<P: NativeType>(values: Vec<P>, validity: Option<Bitmap>) -> ArrayRef {
    PrimitiveArray::new(P::PRIMITIVE.into(), values.into(), validity).boxed()
}

fn booleans(array: &dyn Array) -> Option<ArrayRef> {
    let values = bits(array.as_boolean_opt()?.values());
    Some(BooleanArray::new(ArrowDataType::Boolean, values, validity(array)).boxed())
}

fn numbers<A>(array: &dyn Array) -> Option<ArrayRef>
where
    A: ArrowPrimitiveType<Native: NativeType>,
{
    Some(primitive(array.as_primitive_opt::<A>()?.values().to_vec(), validity(array)))
}

/// Each number made another.
fn each<A, P>(array: &dyn Array, make: impl Fn(A::Native) -> P) -> Option<ArrayRef>
where
    A: ArrowPrimitiveType,
    P: NativeType,
{
    let numbers = array.as_primitive_opt::<A>()?.values().iter();
    Some(primitive(numbers.map(|number| make(*number)).collect(), validity(array)))
}

fn milliseconds(seconds: impl Into<i64>) -> i64 {
    seconds.into().saturating_mul(1000)
}

fn moments(array: &dyn Array, unit: TimeUnit) -> Option<ArrayRef> {
    let ArrowType::Timestamp(sent, _) = array.data_type() else { return None };
    match (sent, unit) {
        (ArrowUnit::Second, TimeUnit::Milliseconds) => {
            each::<arrow::TimestampSecondType, i64>(array, milliseconds)
        }
        (ArrowUnit::Millisecond, TimeUnit::Milliseconds) => {
            numbers::<arrow::TimestampMillisecondType>(array)
        }
        (ArrowUnit::Microsecond, TimeUnit::Microseconds) => {
            numbers::<arrow::TimestampMicrosecondType>(array)
        }
        (ArrowUnit::Nanosecond, TimeUnit::Nanoseconds) => {
            numbers::<arrow::TimestampNanosecondType>(array)
        }
        _ => None,
    }
}

/// Values of a fixed size as the numbers that they are.
fn fixed<const N: usize, P: NativeType>(
    array: &dyn Array,
    make: impl Fn([u8; N]) -> P,
) -> Option<ArrayRef> {
    let array = array.as_fixed_size_binary_opt()?;
    let value = |at| array.value(at).try_into().ok().map(&make);
    let values = (0..array.len()).map(value).collect::<Option<_>>()?;
    Some(primitive(values, validity(array)))
}

fn views<V: ViewType + ?Sized, T: AsRef<V>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    MutableBinaryViewArray::<V>::from_iterator(values).freeze().boxed()
}

fn strings(array: &dyn Array) -> Option<ArrayRef> {
    let short = array.as_string_opt::<i32>().map(|strings| views::<str, _>(strings.iter()));
    short.or_else(|| array.as_string_opt::<i64>().map(|strings| views::<str, _>(strings.iter())))
}

/// Numbers as texts. `None` also where one of them has none.
fn texts<A: ArrowPrimitiveType>(
    array: &dyn Array,
    make: impl Fn(A::Native) -> Option<String>,
) -> Option<ArrayRef> {
    let numbers = array.as_primitive_opt::<A>()?.iter();
    let texts = numbers.map(|number| number.map_or(Some(None), |number| make(number).map(Some)));
    Some(views::<str, _>(texts.collect::<Option<Vec<_>>>()?.into_iter()))
}

fn fixed_texts<const N: usize>(
    array: &dyn Array,
    make: impl Fn([u8; N]) -> String,
) -> Option<ArrayRef> {
    let values = array.as_fixed_size_binary_opt()?.iter();
    let texts = values.map(|value| match value {
        None => Some(None),
        Some(bytes) => bytes.try_into().ok().map(|bytes| Some(make(bytes))),
    });
    Some(views::<str, _>(texts.collect::<Option<Vec<_>>>()?.into_iter()))
}

fn lists<O: OffsetSizeTrait>(of: &Kind, array: &dyn Array) -> Option<ArrayRef> {
    let lists = array.as_list_opt::<O>()?;
    let (ArrowType::List(field) | ArrowType::LargeList(field)) = lists.data_type() else {
        return None;
    };
    let offsets = lists.value_offsets().iter().map(|offset| offset.as_usize());
    let (first, last) = (offsets.clone().next()?, offsets.clone().last()?);
    let values = values(of, field, &lists.values().slice(first, last - first))?;
    let offsets = offsets.map(|offset| i64::try_from(offset - first).ok());
    let offsets = OffsetsBuffer::try_from(offsets.collect::<Option<Vec<_>>>()?).ok()?;
    let dtype = ListArray::<i64>::default_datatype(values.dtype().clone());
    Some(ListArray::<i64>::new(dtype, offsets, values, validity(array)).boxed())
}

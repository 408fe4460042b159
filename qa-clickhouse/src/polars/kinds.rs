//! Which type a column of a `DataFrame` has, for each of the server's. Pure.

use clickhouse_types::DataTypeNode;
use clickhouse_types::data_types::DateTimePrecision;
use polars_core::prelude::{DataFrame, DataType, Schema, TimeUnit, TimeZone};

/// A column of an answer.
#[derive(Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: DataTypeNode,
    pub(super) dtype: DataType,
}

impl Column {
    /// The column of this name and type. The error says what to do about one that has no place.
    pub(super) fn new(name: String, kind: &str) -> Result<Self, String> {
        let parsed = DataTypeNode::new(kind).ok();
        let found = parsed.and_then(|kind| dtype(&kind).map(|dtype| (kind, dtype)));
        let Some((kind, dtype)) = found else {
            return Err(format!(
                "the column `{name}` is {kind}, which a DataFrame can't hold; select toString({name}) in its place"
            ));
        };
        Ok(Self { name, kind, dtype })
    }
}

/// A `DataFrame` of these columns, without rows.
pub(super) fn empty(columns: &[Column]) -> DataFrame {
    let fields = columns.iter().map(|column| (column.name.as_str().into(), column.dtype.clone()));
    DataFrame::empty_with_schema(&fields.collect::<Schema>())
}

fn dtype(kind: &DataTypeNode) -> Option<DataType> {
    use DataTypeNode as Kind;
    Some(match kind {
        Kind::Nullable(of) | Kind::LowCardinality(of) | Kind::SimpleAggregateFunction(_, of) => {
            dtype(of)?
        }
        Kind::Bool => DataType::Boolean,
        Kind::Int8 => DataType::Int8,
        Kind::Int16 => DataType::Int16,
        Kind::Int32 => DataType::Int32,
        Kind::Int64 => DataType::Int64,
        Kind::Int128 => DataType::Int128,
        Kind::UInt8 => DataType::UInt8,
        Kind::UInt16 => DataType::UInt16,
        Kind::UInt32 => DataType::UInt32,
        Kind::UInt64 => DataType::UInt64,
        Kind::UInt128 => DataType::UInt128,
        Kind::Float32 => DataType::Float32,
        Kind::Float64 => DataType::Float64,
        Kind::Decimal(digits @ ..=38, scale, _) => {
            DataType::Decimal((*digits).into(), (*scale).into())
        }
        Kind::String | Kind::Enum(..) | Kind::UUID | Kind::IPv4 | Kind::IPv6 => DataType::String,
        Kind::FixedString(_) => DataType::Binary,
        Kind::Date | Kind::Date32 => DataType::Date,
        Kind::DateTime(zone) => moment(TimeUnit::Milliseconds, zone.as_deref())?,
        Kind::DateTime64(precision, zone) => moment(unit(precision), zone.as_deref())?,
        Kind::Array(of) => DataType::List(Box::new(dtype(of)?)),
        _ => return None,
    })
}

fn moment(unit: TimeUnit, zone: Option<&str>) -> Option<DataType> {
    let zone = TimeZone::opt_try_new(Some(zone.unwrap_or("UTC"))).ok()?;
    Some(DataType::Datetime(unit, zone))
}

/// In which the server sends moments of this precision; seconds become milliseconds.
pub(super) fn unit(precision: &DateTimePrecision) -> TimeUnit {
    use DateTimePrecision as Digits;
    match precision {
        Digits::Precision0 | Digits::Precision1 | Digits::Precision2 | Digits::Precision3 => {
            TimeUnit::Milliseconds
        }
        Digits::Precision4 | Digits::Precision5 | Digits::Precision6 => TimeUnit::Microseconds,
        Digits::Precision7 | Digits::Precision8 | Digits::Precision9 => TimeUnit::Nanoseconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str) -> Result<DataType, String> {
        Column::new("x".to_owned(), kind).map(|column| column.dtype)
    }

    #[test]
    fn every_type_has_its_own_or_a_refusal_with_the_column_and_what_to_do() {
        let shanghai = TimeZone::opt_try_new(Some("Asia/Shanghai")).unwrap();
        let utc = TimeZone::opt_try_new(Some("UTC")).unwrap();
        let cases = [
            ("LowCardinality(Nullable(String))", DataType::String),
            ("Decimal(38, 10)", DataType::Decimal(38, 10)),
            ("Decimal(9, 2)", DataType::Decimal(9, 2)),
            ("DateTime", DataType::Datetime(TimeUnit::Milliseconds, utc)),
            ("DateTime64(9, 'Asia/Shanghai')", DataType::Datetime(TimeUnit::Nanoseconds, shanghai)),
            ("Enum8('a\\'b' = -1, 'c, d' = 2)", DataType::String),
            ("SimpleAggregateFunction(sum, UInt64)", DataType::UInt64),
            (
                "Array(Array(Nullable(UInt8)))",
                DataType::List(Box::new(DataType::List(Box::new(DataType::UInt8)))),
            ),
        ];
        for (kind, expected) in cases {
            assert_eq!(of(kind), Ok(expected), "{kind}");
        }
        let refused =
            ["Decimal(39, 1)", "Int256", "Array(UInt256)", "Map(String, UInt8)", "New(1)"];
        for kind in refused {
            let message = of(kind).unwrap_err();
            assert!(message.contains("`x`") && message.contains("toString(x)"), "{message}");
            assert!(message.contains(kind), "{message}");
        }
    }
}

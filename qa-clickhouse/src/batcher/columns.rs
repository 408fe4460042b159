//! Record batches in place of rows.

use super::insert::{How, one_block};
use super::kind::{Kind, Rest, pieces};
use super::spill::{Codec, Coded, SpillOptions};
use super::{Batcher, BatcherBuilder};
use crate::ClickHouse;
use crate::arrow::arrow_array::cast::AsArray;
use crate::arrow::arrow_array::{Array, OffsetSizeTrait, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::DataType;
use clickhouse::Client;
use clickhouse::error::Result;
use clickhouse_ext_arrow::ArrowClientExt;
use qa_resource_core::{Group, async_trait};
use std::ops::Range;
use std::sync::Arc;

/// What the files of a spill have in place of the names of columns: each batch has its own.
const NAMES: &str = "(record batches)";

impl Batcher<RecordBatch> {
    /// Begins a batcher that takes Arrow record batches in place of rows, with all that a batcher of
    /// rows does: their rows go into the table in order, by the names of their columns, and those that
    /// the table has beside them are filled by the server.
    ///
    /// What of a batch does not fit into one insert goes into the next, without a copy, and what is
    /// small waits for more; batches of other columns than those before them begin an insert. Rows are
    /// what is counted everywhere. A row that is refused, and rows that are handed back, are
    /// record batches too. A push that is dropped or refused may have taken rows from the batch's
    /// beginning; a refusal hands back the rest.
    ///
    /// A batch takes as much of the [`capacity`](super::BatchOptions::capacity) as its rows need; what it
    /// is a slice of stays in memory as long.
    ///
    /// ```no_run
    /// use qa_clickhouse::arrow::arrow_array::RecordBatch;
    /// use qa_clickhouse::{Batcher, ClickHouse};
    /// use qa_resource_core::Group;
    ///
    /// # async fn example(bars: Group<ClickHouse>, batch: RecordBatch) -> Result<(), Box<dyn std::error::Error>> {
    /// let batcher = Batcher::columns(&bars, "bars").start().await?;
    /// batcher.push(batch).await?;
    /// batcher.flush().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn columns(
        group: impl Into<Group<ClickHouse>>,
        table: impl Into<String>,
    ) -> BatcherBuilder<RecordBatch> {
        BatcherBuilder::of(group.into(), table.into(), &ByColumn)
    }
}

impl BatcherBuilder<RecordBatch> {
    /// Writes record batches to files too, as [`spill`](Self::spill) does with rows. A folder is for
    /// rows or for record batches.
    pub fn spill_columns(mut self, options: SpillOptions) -> Self {
        self.spill = Some((options, Codec { names: NAMES.to_owned(), encode, decode, rows }));
        self
    }
}

/// Each chunk is a record batch.
struct ByColumn;

#[async_trait]
impl Kind<RecordBatch> for ByColumn {
    fn of_one(&self) -> bool {
        false
    }

    fn rows(&self, batch: &RecordBatch) -> usize {
        batch.num_rows()
    }

    fn bytes(&self, batch: &RecordBatch) -> usize {
        batch.columns().iter().map(|column| bytes(column)).sum()
    }

    fn slice(&self, batch: &RecordBatch, rows: Range<usize>) -> Option<RecordBatch> {
        Some(batch.slice(rows.start, rows.len()))
    }

    fn fits(&self, batch: &RecordBatch, next: &RecordBatch) -> bool {
        batch.schema_ref().fields() == next.schema_ref().fields()
    }

    fn names(&self) -> &'static [&'static str] {
        // The server compares them.
        &[]
    }

    /// Sends nothing before its turn.
    async fn begin(
        &self,
        client: &Client,
        chunks: &Arc<Vec<RecordBatch>>,
        rows: Range<usize>,
        how: How<'_>,
    ) -> Result<Rest> {
        let mut insert = one_block(client, rows.len(), how).insert_arrow(how.table)?;
        let chunks = Arc::clone(chunks);
        Ok(Box::pin(async move {
            for (batch, piece) in pieces(&ByColumn, &chunks, rows) {
                insert.write(&batch.slice(piece.start, piece.len())).await?;
            }
            insert.end().await
        }))
    }
}

/// What the values take, whatever they are a slice of.
fn bytes(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::List(_) => of_list::<i32>(array),
        DataType::LargeList(_) => of_list::<i64>(array),
        _ => {
            let size = array.to_data().get_slice_memory_size();
            size.unwrap_or_else(|_| array.get_array_memory_size())
        }
    }
}

fn of_list<O: OffsetSizeTrait>(array: &dyn Array) -> usize {
    let lists = array.as_list::<O>();
    let offsets = lists.value_offsets();
    let (begin, end) = (offsets[0].as_usize(), offsets[lists.len()].as_usize());
    size_of_val(offsets) + bytes(&lists.values().slice(begin, end - begin))
}

/// How many rows, and an Arrow stream of one batch.
fn encode(batch: &RecordBatch) -> Coded<Vec<u8>> {
    let rows = u32::try_from(batch.num_rows())?.to_le_bytes().to_vec();
    let mut stream = StreamWriter::try_new(rows, batch.schema_ref())?;
    stream.write(batch)?;
    let bytes = stream.into_inner()?;
    u32::try_from(bytes.len())?;
    Ok(bytes)
}

fn rows(bytes: &[u8]) -> Option<usize> {
    let (rows, _) = bytes.split_first_chunk()?;
    usize::try_from(u32::from_le_bytes(*rows)).ok()
}

fn decode(bytes: &[u8]) -> Coded<RecordBatch> {
    let stream = bytes.get(size_of::<u32>()..).ok_or("it is too short")?;
    let batch = StreamReader::try_new(stream, None)?.next().ok_or("it holds no batch")??;
    if rows(bytes) == Some(batch.num_rows()) {
        Ok(batch)
    } else {
        Err("it is of other rows".into())
    }
}

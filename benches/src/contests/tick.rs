//! Ticks, as the official ClickHouse client writes them.

use qa_pool::clickhouse::clickhouse::{self, Row};
use serde::{Deserialize, Serialize};

include!("../../shared/tick.rs");

#[cfg(test)]
mod tests {
    use super::*;
    use qa_pool::clickhouse::Table;

    #[test]
    fn the_columns_are_those_of_a_table_of_ticks() {
        let columns: Vec<_> = Table::ticks("ticks").columns().map(str::to_owned).collect();
        assert_eq!(<Tick as Row>::COLUMN_NAMES, columns);
        let (first, later) = (tick(0), tick(CODES + 1));
        assert_eq!((first.code.as_str(), later.code.as_str()), ("000000", "000001"));
        assert_eq!(later.time - first.time, 3000);
    }
}

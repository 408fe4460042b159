//! How things look: colour on a terminal only, plain tables.

use comfy_table::{CellAlignment, Table, presets};
use console::style;

/// Good news. `console` leaves the colour out where there is no terminal, or `NO_COLOR` is set.
pub(crate) fn good(text: &str) -> String {
    style(text).green().to_string()
}

/// Bad news.
pub(crate) fn bad(text: &str) -> String {
    style(text).red().bold().to_string()
}

/// What stands before an error, on standard error.
pub(crate) fn error() -> String {
    style("error:").for_stderr().red().bold().to_string()
}

/// News to be minded.
pub(crate) fn warn(text: &str) -> String {
    style(text).yellow().to_string()
}

/// A heading, with an empty line before it.
pub(crate) fn heading(text: &str) {
    println!("\n{}", style(text).bold());
}

/// A table whose columns from `numbers` on are aligned to the right.
pub(crate) fn table(
    header: &[&str],
    numbers: usize,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

//! How things are said and look: colour on a terminal only, plain tables.

use comfy_table::{CellAlignment, Table, presets};
use console::{strip_ansi_codes, style};
use std::io::{self, ErrorKind, Write};

/// `println!`, but that who reads may have had enough and have gone, as `head` does: see [`put`].
macro_rules! say {
    ($($text:tt)*) => {
        $crate::output::put(format!("{}\n", format_args!($($text)*)).as_bytes())
    };
}
pub(crate) use say;

/// Writes to standard output. A reader that has gone is no error; another one is the end, as of `println!`.
pub(crate) fn put(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
        assert!(error.kind() == ErrorKind::BrokenPipe, "cannot write to standard output: {error}");
    }
}

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
    say!("\n{}", style(text).bold());
}

/// A table whose columns from `numbers` on are aligned to the right. Cells may be coloured: what colours them takes
/// no room.
pub(crate) fn table(
    header: &[&str],
    numbers: usize,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let mut table = Table::new();
    let plain = rows.iter().map(|row| row.iter().map(|cell| strip_ansi_codes(cell)));
    table.load_preset(presets::NOTHING).set_header(header).add_rows(plain);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<_> = table.lines().collect();
    // A cell of several lines has no colour.
    if lines.len() != rows.len() + 1 {
        return lines.join("\n");
    }
    let coloured = lines[1..].iter().zip(&rows).map(|(line, row)| coloured(line, row));
    std::iter::once(lines[0].clone()).chain(coloured).collect::<Vec<_>>().join("\n")
}

/// A line of a table with its cells, which stand in it in order, as they were given.
fn coloured(line: &str, cells: &[String]) -> String {
    let (mut done, mut rest) = (String::new(), line);
    for cell in cells {
        let Some((before, after)) = rest.split_once(&*strip_ansi_codes(cell)) else { break };
        done.extend([before, cell]);
        rest = after;
    }
    done + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_coloured_stands_where_it_would_without() {
        let rows = |state: &str| {
            let row = |name: &str, state: &str| {
                vec![name.to_owned(), state.to_owned(), String::new(), "1".to_owned()]
            };
            [row("ready", state), row("b", "reconnecting")]
        };
        let header = ["name", "state", "", "lost"];
        let plain = table(&header, 3, rows("ready"));
        let green = table(&header, 3, rows("\x1b[32mready\x1b[0m"));
        assert_eq!(strip_ansi_codes(&green), plain);
        let expected = " ready  \x1b[32mready\x1b[0m ";
        assert!(green.lines().nth(1).unwrap().starts_with(expected), "{green:?}");
        assert_eq!(plain.lines().count(), 3);
    }
}

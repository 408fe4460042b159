//! A terminal's second screen, which is left as it was found.

use console::{Term, truncate_str};
use std::fmt::Write;
use std::io;

/// Enter the second screen and hide the cursor; and the way back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// The second screen, until it is dropped.
pub(crate) struct Screen(Term);

impl Screen {
    pub(crate) fn open(terminal: Term) -> io::Result<Self> {
        terminal.write_str(ENTER)?;
        Ok(Self(terminal))
    }

    /// Shows `text` in place of what was shown, as much of it as there is room for.
    pub(crate) fn draw(&self, text: &str) -> io::Result<()> {
        let (rows, columns) = self.0.size();
        self.0.write_str(&frame(text, rows.into(), columns.into()))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = self.0.write_str(LEAVE);
    }
}

/// From the upper left corner, each line up to the right edge; what was there before is wiped away.
fn frame(text: &str, rows: usize, columns: usize) -> String {
    let mut frame = String::from("\x1b[H");
    for line in text.lines().take(rows.saturating_sub(1)) {
        let _ = write!(frame, "{}\x1b[K\r\n", truncate_str(line, columns, "…"));
    }
    frame + "\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_no_wider_and_no_higher_than_the_terminal() {
        let text = "name state\n\x1b[31mcache\x1b[0m is down and was lost\nthree\nfour";
        let frame = frame(text, 4, 10);
        let lines: Vec<_> = frame.lines().collect();
        assert_eq!(lines.len(), 4, "{frame:?}");
        assert!(lines.iter().all(|line| console::measure_text_width(line) <= 10), "{lines:?}");
        assert!(frame.starts_with("\x1b[H") && frame.ends_with("\x1b[J"));
    }
}

//! Texts in HTML.

use std::fmt::{self, Display, Formatter, Write};

/// Shows what it holds with everything that HTML reads in a text or an attribute written out.
pub(crate) struct Escaped<T>(pub(crate) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            // Control characters are nothing to show, and NUL is not allowed in HTML at all.
            c if c.is_control() => self.0.write_char(' '),
            c => self.0.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_html_reads_gets_through() {
        let text = Escaped("<b onclick=\"x\">O'Neill & co</b>\0").to_string();
        assert_eq!(text, "&lt;b onclick=&quot;x&quot;&gt;O&#39;Neill &amp; co&lt;/b&gt; ");
    }
}

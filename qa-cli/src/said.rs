//! What an error says, where there is little room for it.

use qa_pool::Error;

/// What it says beyond who it is about, which stands beside it, and without the innards of MongoDB's.
pub(crate) fn said<'a>(system: &str, address: &str, error: &'a Error) -> &'a str {
    let who = format!("{system} at {address}");
    let said = error.message();
    let said = said.strip_prefix("cannot connect to ").unwrap_or(said);
    let said = said.strip_prefix(&who).unwrap_or(said);
    let said = said.strip_prefix(" is impaired").unwrap_or(said);
    let said = said.strip_prefix(": ").unwrap_or(said).trim_start();
    let Some(kind) = said.strip_prefix("Kind: ") else { return said };
    kind.split(", labels: ").next().unwrap_or(kind)
}

/// The same words on one line, and nothing that a terminal would obey: a server may say anything.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_pool::ErrorKind;

    #[test]
    fn who_it_is_about_is_not_said_again_and_innards_are_left_out() {
        for (system, address, text, expected) in [
            (
                "mongodb",
                "h:1/q",
                "cannot connect to mongodb at h:1/q: Kind: I/O error: Connection refused (os error 111), \
                 labels: {\"RetryableError\"}, source: None, server response: None",
                "I/O error: Connection refused (os error 111)",
            ),
            ("redis", "h:1", "redis at h:1 was lost and is back", "was lost and is back"),
            (
                "redis",
                "h:1",
                "no sign of life from redis at h:1",
                "no sign of life from redis at h:1",
            ),
        ] {
            let error = Error::new(ErrorKind::Connect, "r", text);
            assert_eq!(said(system, address, &error), expected);
        }
    }

    #[test]
    fn a_text_of_several_lines_is_one_and_commands_for_a_terminal_are_none() {
        assert_eq!(one_line("refused\r\n  by\tthe \x1b[2Jserver\n"), "refused by the [2Jserver");
    }
}

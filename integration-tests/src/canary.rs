//! A word that no output may hold, in any form.

use std::error::Error;
use std::fmt::Write;

/// Stands for every secret. The tests put it into users, passwords and values.
pub const CANARY: &str = "c4n4ry";

/// The canary as it is, percent-encoded, in base64 at each of the three alignments, in hexadecimal,
/// and as the bytes that a `Debug` of a buffer shows.
const FORMS: [&str; 8] = [
    CANARY,
    "%634n4ry",
    "YzRuNHJ5",
    "M0bjRye",
    "jNG40cn",
    "63346e347279",
    "99, 52, 110, 52, 114, 121",
    "0x63, 0x34, 0x6e",
];

/// Asserts that `text` shows no canary in any form.
///
/// # Panics
/// Where it does, with the line.
pub fn assert_clean(what: &str, text: &str) {
    for line in text.lines() {
        let lower = line.to_lowercase();
        let form = FORMS.iter().find(|form| line.contains(**form) || lower.contains(**form));
        assert_eq!(form, None, "{what} shows a secret: {line}");
    }
}

/// Everything that an error says in any way: its own `Display` and `Debug`, and those of its causes.
#[must_use]
pub fn every_word(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let _ = writeln!(text, "{error}\n{error:?}\n{error:#?}");
        next = error.source();
    }
    text
}

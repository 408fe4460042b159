//! A word that no output may hold, in any form.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::error::Error;
use std::fmt::Write;

/// What the tests put into users, passwords and values.
pub const CANARY: &str = "c4n4ry";

/// A secret in the forms in which it can be shown: as it is, in base64 at each of the three
/// alignments, in hexadecimal, as the bytes that a `Debug` of a buffer shows, and with every
/// character percent-encoded. That encoding which leaves letters alone leaves the canary alone.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let each = |show: fn(&u8) -> String| bytes.iter().map(show).collect::<Vec<_>>();
    let mut forms = vec![
        secret.to_owned(),
        each(|byte| format!("{byte:02x}")).concat(),
        each(|byte| format!("%{byte:02x}")).concat(),
        each(u8::to_string).join(", "),
        each(|byte| format!("{byte:#04x}")).join(", "),
    ];
    for before in 0..3 {
        let encoded = BASE64_STANDARD.encode(format!("{}{secret}", "x".repeat(before)));
        // Without the digits that its neighbours have a part in.
        let (begin, end) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
        forms.push(encoded[begin..end].to_owned());
    }
    forms
}

/// The lines of `text` that show one of `secrets` in any form.
pub(super) fn lines_that_show<'a>(text: &'a str, secrets: &[&str]) -> Vec<&'a str> {
    let forms: Vec<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    text.lines().filter(|line| is_shown(&forms, line)).collect()
}

fn is_shown(forms: &[String], line: &str) -> bool {
    let lower = line.to_lowercase();
    forms.iter().any(|form| line.contains(form) || lower.contains(form))
}

/// Everything that an error says in any way: its own `Display` and `Debug`, and those of its causes.
pub(super) fn every_word(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let _ = writeln!(text, "{error}\n{error:?}\n{error:#?}");
        next = error.source();
    }
    text
}

#[test]
fn a_secret_is_found_in_every_form() {
    let forms = forms(CANARY);
    for before in ["", "x", "xx", "somebody:"] {
        let encoded = BASE64_STANDARD.encode(format!("{before}{CANARY}/p@ss"));
        assert!(is_shown(&forms, &encoded), "{before}: {encoded}");
    }
    let bytes = CANARY.as_bytes();
    let debug = format!("{bytes:?}");
    for shown in [&debug, "63346E347279", "%63%34%6E%34%72%79", "user=c4n4ry%2Fp"] {
        assert!(is_shown(&forms, shown), "{shown}");
    }
    assert!(!is_shown(&forms, "canary") && !is_shown(&forms, "99, 52, 110, 52"));
}

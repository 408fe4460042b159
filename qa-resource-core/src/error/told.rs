//! An error with its causes, each said once.

use std::error::Error;
use std::fmt;

/// Writes the error and, after a colon each, those of its causes that are not in what was written
/// before: some errors have their cause in their text, and some (hyper's) leave it to the reader,
/// who would not learn that a port refused.
pub(super) struct Told<'a>(pub(super) &'a dyn Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // MongoDB's has its cause in it as `Debug` shows it.
            if !said.contains(&text) && !said.contains(&format!("{cause:?}")) {
                said.extend([": ", &text]);
            }
            next = cause.source();
        }
        f.write_str(&said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<Link>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn causes_follow_where_they_are_not_said_already() {
        for (chain, expected) in [
            (&["refused"][..], "refused"),
            (
                &["client error", "tcp connect error", "refused"],
                "client error: tcp connect error: refused",
            ),
            (&["cannot dial: refused", "refused"], "cannot dial: refused"),
            (
                &["network error: client error", "client error", "refused"],
                "network error: client error: refused",
            ),
            (&["broken", ""], "broken"),
            (&["broken: Link(\"lost\", None)", "lost"], "broken: Link(\"lost\", None)"),
        ] {
            let link =
                chain.iter().rev().fold(None, |cause, text| Some(Box::new(Link(text, cause))));
            assert_eq!(Told(&link.expect("a chain")).to_string(), expected);
        }
    }
}

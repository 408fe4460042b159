//! How long a server may take over a command before it counts as silent.

use redis::{Arg, Cmd};
use std::time::Duration;

/// How long the server may keep a command to itself before it answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Patience {
    /// It answers at once.
    None,
    /// It may wait so long for something to happen.
    Until(Duration),
    /// It may wait for ever.
    Endless,
}

impl Patience {
    /// What the command itself says; see <https://redis.io/docs/latest/commands/?group=list> and
    /// each command's page for where its timeout stands.
    pub(super) fn of(command: &Cmd) -> Self {
        let arguments: Vec<&[u8]> = command
            .args_iter()
            .map(|argument| match argument {
                Arg::Simple(bytes) => bytes,
                _ => b"0".as_slice(),
            })
            .collect();
        let Some((name, arguments)) = arguments.split_first() else { return Self::None };
        let last = arguments.last().copied();
        match name.to_ascii_uppercase().as_slice() {
            b"BLPOP" | b"BRPOP" | b"BRPOPLPUSH" | b"BLMOVE" | b"BZPOPMIN" | b"BZPOPMAX" => {
                Self::seconds(last)
            }
            b"BLMPOP" | b"BZMPOP" => Self::seconds(arguments.first().copied()),
            b"XREAD" | b"XREADGROUP" => Self::block(arguments),
            b"WAIT" | b"WAITAOF" => Self::milliseconds(last),
            _ => Self::None,
        }
    }

    /// How long to wait for an answer that is given at most `limit` when the server does not wait.
    pub(super) fn limit(self, limit: Duration) -> Option<Duration> {
        match self {
            Self::None => Some(limit),
            Self::Until(time) => Some(time.saturating_add(limit)),
            Self::Endless => None,
        }
    }

    /// That of both, one after the other.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, either) | (either, Self::None) => either,
            (Self::Until(one), Self::Until(two)) => Self::Until(one.saturating_add(two)),
            (Self::Endless, _) | (_, Self::Endless) => Self::Endless,
        }
    }

    /// The time after the word `BLOCK`, which stands before `STREAMS`: a key may have either name.
    fn block(arguments: &[&[u8]]) -> Self {
        let options = arguments.iter().take_while(|word| !word.eq_ignore_ascii_case(b"STREAMS"));
        let mut after = options.skip_while(|word| !word.eq_ignore_ascii_case(b"BLOCK"));
        match (after.next(), after.next()) {
            (Some(_), time) => Self::milliseconds(time.copied()),
            (None, _) => Self::None,
        }
    }

    fn seconds(text: Option<&[u8]>) -> Self {
        let seconds = number(text).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.map_or(Self::None, Self::at_most)
    }

    fn milliseconds(text: Option<&[u8]>) -> Self {
        let seconds = number(text).map(|milliseconds| milliseconds / 1000.0);
        let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.map_or(Self::None, Self::at_most)
    }

    /// To all of these commands, no time is any time.
    fn at_most(time: Duration) -> Self {
        if time.is_zero() { Self::Endless } else { Self::Until(time) }
    }
}

/// What is no number the server refuses at once.
fn number(text: Option<&[u8]>) -> Option<f64> {
    std::str::from_utf8(text?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(line: &str) -> Patience {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        Patience::of(&command)
    }

    #[test]
    fn a_pipeline_takes_as_long_as_all_of_it() {
        let (second, until) = (Duration::from_secs(1), Patience::Until(Duration::from_secs(3)));
        assert_eq!(Patience::None.and(until).limit(second), Some(4 * second));
        assert_eq!(until.and(until).limit(second), Some(7 * second));
        assert_eq!(Patience::Endless.and(until).limit(second), None);
        assert_eq!(Patience::None.and(Patience::None).limit(second), Some(second));
    }

    #[test]
    fn what_blocks_says_for_how_long() {
        let until = |milliseconds| Patience::Until(Duration::from_millis(milliseconds));
        let cases = [
            ("BLPOP a b 3", until(3_000)),
            ("brpop a 0.25", until(250)),
            ("BLMOVE a b LEFT RIGHT 1", until(1_000)),
            ("BZPOPMIN a 0", Patience::Endless),
            ("BLMPOP 2 1 a LEFT", until(2_000)),
            ("XREAD COUNT 2 BLOCK 1500 STREAMS a $", until(1_500)),
            ("XREADGROUP GROUP g me BLOCK 0 STREAMS a >", Patience::Endless),
            ("XREAD STREAMS BLOCK 0", Patience::None),
            ("XREAD COUNT 2 STREAMS a 0", Patience::None),
            ("WAIT 1 100", until(100)),
            ("WAITAOF 1 0 100", until(100)),
            ("GET 5", Patience::None),
            ("BLPOP a soon", Patience::None),
            ("BLPOP a -1", Patience::None),
            ("BLPOP", Patience::None),
        ];
        for (line, expected) in cases {
            assert_eq!(patience(line), expected, "{line}");
        }
    }
}

//! Several nodes' answers to one command, as one.

use super::commands::Join;
use super::nobody;
use crate::classify::classify;
use qa_resource_core::Outcome;
use redis::{RedisError, RedisResult, Value};
use std::io;

/// What each of several said, and the places that its part of the keys had, if it was about keys.
pub(super) type Said = (RedisResult<Value>, Vec<usize>);

/// One answer of several. A server's error is an error here, so that none is hidden.
pub(super) fn join(how: Join, said: Vec<Said>) -> RedisResult<Value> {
    let of = said.len();
    let (mut values, mut errors) = (Vec::with_capacity(of), Vec::new());
    for (answer, places) in said {
        match answer.and_then(Value::extract_error) {
            Ok(value) => values.push((value, places)),
            Err(error) => errors.push(error),
        }
    }
    if how == Join::OneSucceeded && !values.is_empty() {
        return Ok(values.swap_remove(0).0);
    }
    if let Some(error) = whole(errors, of) {
        return Err(error);
    }
    let numbers = |reduce: fn(i64, i64) -> i64| reduced(&values, reduce);
    let joined = match how {
        Join::Lists => return Ok(lists(values)),
        Join::Sum => numbers(i64::saturating_add),
        Join::Min => numbers(i64::min),
        Join::Max => numbers(i64::max),
        Join::And => numbers(|one, other| i64::from(one != 0 && other != 0)),
        Join::Or => numbers(|one, other| i64::from(one != 0 || other != 0)),
        Join::OneSucceeded | Join::AllSucceeded => None,
    };
    // What all of them did is told by any of them.
    let first = || values.first().map(|(value, _)| value.clone());
    joined.or_else(first).ok_or_else(nobody)
}

/// The error of a command of which some parts failed. That of one part alone says whether it was
/// applied; of the whole it says so only where every part failed.
pub(super) fn whole(errors: Vec<RedisError>, of: usize) -> Option<RedisError> {
    let failed = errors.len();
    let applied = |error: &RedisError| classify(error).outcome != Outcome::NotApplied;
    let unknown = errors.iter().position(applied);
    let mut errors = errors;
    match unknown {
        Some(at) => Some(errors.swap_remove(at)),
        None if failed == of => (failed > 0).then(|| errors.swap_remove(0)),
        None => {
            let error = errors.first()?;
            let text = format!("{failed} of {of} parts of it were not applied: {error}");
            Some(io::Error::new(io::ErrorKind::ConnectionAborted, text).into())
        }
    }
}

/// Numbers, or lists of as many numbers; `None` where it is neither.
fn reduced(values: &[(Value, Vec<usize>)], reduce: fn(i64, i64) -> i64) -> Option<Value> {
    let mut values = values.iter().map(|(value, _)| value);
    values.next().cloned().and_then(|first| {
        values.try_fold(first, |sum, value| two(sum, value, reduce)).filter(is_counted)
    })
}

fn two(one: Value, other: &Value, reduce: fn(i64, i64) -> i64) -> Option<Value> {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => Some(Value::Int(reduce(one, *other))),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let each = one.into_iter().zip(other).map(|(one, other)| two(one, other, reduce));
            each.collect::<Option<_>>().map(Value::Array)
        }
        _ => None,
    }
}

fn is_counted(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Array(_))
}

/// One list: of what belongs to keys in the order of the keys, of anything else one after the other.
fn lists(values: Vec<(Value, Vec<usize>)>) -> Value {
    let mut all: Vec<(usize, Value)> = Vec::new();
    for (value, places) in values {
        let items = match value {
            Value::Array(items) | Value::Set(items) => items,
            other => vec![other],
        };
        let places = places.into_iter().chain(std::iter::repeat(usize::MAX));
        all.extend(places.zip(items));
    }
    all.sort_by_key(|(place, _)| *place);
    Value::Array(all.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_resource_core::{Class, ErrorKind as Kind};
    use redis::{ErrorKind, ServerErrorKind};

    fn number(number: i64) -> Said {
        (Ok(Value::Int(number)), vec![])
    }

    fn list(numbers: &[i64], places: &[usize]) -> Said {
        let items = numbers.iter().map(|number| Value::Int(*number)).collect();
        (Ok(Value::Array(items)), places.to_vec())
    }

    fn refused() -> Said {
        let kind = ErrorKind::Server(ServerErrorKind::ClusterDown);
        (Err((kind, "the cluster is down").into()), vec![])
    }

    fn broken() -> Said {
        (Err(io::Error::from(io::ErrorKind::BrokenPipe).into()), vec![])
    }

    #[test]
    fn numbers_and_lists_of_numbers_are_put_together() {
        for (how, expected) in [
            (Join::Sum, 6),
            (Join::Min, 1),
            (Join::Max, 3),
            (Join::And, 1),
            (Join::Or, 1),
            (Join::AllSucceeded, 1),
            (Join::OneSucceeded, 1),
        ] {
            let said = vec![number(1), number(2), number(3)];
            assert_eq!(join(how, said).unwrap(), Value::Int(expected), "{how:?}");
        }
        let said = vec![list(&[1, 1, 0], &[]), list(&[1, 0, 0], &[])];
        assert_eq!(join(Join::And, said).unwrap(), list(&[1, 0, 0], &[]).0.unwrap());
        let said = || (Ok(Value::SimpleString("sha".into())), vec![]);
        let same = join(Join::And, vec![said(), said()]).unwrap();
        assert_eq!(same, Value::SimpleString("sha".into()));
    }

    #[test]
    fn what_belongs_to_keys_comes_in_their_order() {
        let said = vec![list(&[10, 13], &[0, 3]), list(&[12], &[2]), list(&[11], &[1])];
        let expected = list(&[10, 11, 12, 13], &[]).0.unwrap();
        assert_eq!(join(Join::Lists, said).unwrap(), expected);
        let said = vec![list(&[1, 2], &[]), list(&[], &[]), list(&[3], &[])];
        assert_eq!(join(Join::Lists, said).unwrap(), list(&[1, 2, 3], &[]).0.unwrap());
    }

    #[test]
    fn what_was_applied_in_part_is_not_said_to_have_not_been() {
        let class = |said: Vec<Said>| classify(&join(Join::Sum, said).unwrap_err());
        let not_applied = Class::not_applied(Kind::Connect);
        let unknown = Class::unknown(Kind::Connect);
        assert_eq!(class(vec![refused(), refused()]), not_applied);
        assert_eq!(class(vec![number(1), refused()]), unknown);
        assert_eq!(class(vec![refused(), broken()]), unknown);
        assert_eq!(class(vec![broken(), broken()]), unknown);
        assert!(join(Join::OneSucceeded, vec![refused(), number(5)]).is_ok());
        assert!(join(Join::Sum, vec![]).is_err());
    }
}

//! Times and figures as people read them.

use std::time::Duration;

/// `3.2 ms`, `975 ms`, `9.7 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        format!("{large} {large_unit} {small} {small_unit}")
    };
    match seconds {
        0 if time.as_millis() >= 100 => format!("{} ms", time.as_millis()),
        0 => format!("{:.1} ms", time.as_secs_f64() * 1000.0),
        1..=59 => format!("{:.1} s", time.as_secs_f64()),
        60..=3599 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..=86_399 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// `0`, `0.4`, `12`, `3,450`: a rate per second.
pub(crate) fn rate(rate: f64) -> String {
    match rate {
        ..=0.0 => "0".to_owned(),
        ..9.95 => format!("{rate:.1}"),
        _ => grouped(&format!("{rate:.0}")),
    }
}

/// With a comma between thousands.
pub(crate) fn count(count: u64) -> String {
    grouped(&count.to_string())
}

fn grouped(digits: &str) -> String {
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_figures_are_those_that_people_read() {
        for (millis, shown) in [
            (3, "3.0 ms"),
            (975, "975 ms"),
            (9_700, "9.7 s"),
            (192_000, "3 min 12 s"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(time(Duration::from_millis(millis)), shown);
        }
        for (figure, shown) in [(0.0, "0"), (0.42, "0.4"), (12.3, "12"), (3450.0, "3,450")] {
            assert_eq!(rate(figure), shown);
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123), "123");
    }
}

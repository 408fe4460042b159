//! Bars that look like real ones.

use qa_mongo::market::{DayBar, MinuteBar};

/// 2018-01-01, in seconds since 1970.
const START: u32 = 1_514_764_800;
const DAY: u32 = 86_400;

/// The name of a stock: `000000`, `000001` and so on.
pub(crate) fn code(stock: u32) -> String {
    format!("{stock:06}")
}

/// A day by its number: twelve months of 28 days each.
pub(crate) fn date(day: u32) -> String {
    format!("{}-{:02}-{:02}", 2018 + day / 336, day / 28 % 12 + 1, day % 28 + 1)
}

pub(crate) fn day(stock: u32, day: u32) -> DayBar {
    let price = 10.0 + f64::from(stock % 90) + f64::from(day % 10) / 100.0;
    DayBar {
        code: code(stock),
        date: date(day),
        date_stamp: f64::from(START + day * DAY),
        open: price,
        high: price + 0.05,
        low: price - 0.05,
        close: price + 0.01,
        vol: 10_000.0,
        amount: price * 10_000.0,
    }
}

/// A minute by its number in the day, of which there are 240.
pub(crate) fn minute(stock: u32, at: u32) -> MinuteBar {
    let day = day(stock, at / 240);
    let minute = at % 240;
    MinuteBar {
        datetime: format!("{} {:02}:{:02}:00", day.date, 9 + minute / 60, minute % 60),
        time_stamp: day.date_stamp + f64::from((9 * 60 + minute) * 60),
        code: day.code,
        date: day.date,
        date_stamp: day.date_stamp,
        frequency: "1min".to_owned(),
        open: day.open,
        high: day.high,
        low: day.low,
        close: day.close,
        vol: day.vol,
        amount: day.amount,
    }
}

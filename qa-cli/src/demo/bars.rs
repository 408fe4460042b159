//! The prices: read from CSV, checked line by line.

use crate::Usage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, PrimitiveDateTime, Time};

/// One bar of one instrument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bar {
    pub(crate) code: String,
    /// Seconds since 1970, UTC.
    pub(crate) time: u32,
    pub(crate) open: f64,
    pub(crate) high: f64,
    pub(crate) low: f64,
    pub(crate) close: f64,
    pub(crate) volume: f64,
}

impl Bar {
    /// What a bar is known by everywhere: the message's id.
    pub(crate) fn key(&self) -> String {
        format!("{}:{}", self.code, self.time)
    }
}

const COLUMNS: [&str; 6] = ["time", "open", "high", "low", "close", "volume"];
const WITH_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// The files that come with the project, wherever it is run from.
fn shipped() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data");
    ["eurusd_1h.csv", "goog_1d.csv"].map(|name| data.join(name)).into()
}

/// Every bar of every file; the shipped ones where none is given.
///
/// # Errors
/// [`Usage`] with file, line and what is wrong.
pub(crate) fn read_all(files: &[PathBuf]) -> Result<Vec<Bar>, Usage> {
    let shipped = if files.is_empty() { shipped() } else { Vec::new() };
    let mut bars = Vec::new();
    for file in files.iter().chain(&shipped) {
        bars.extend(read(file)?);
    }
    let mut keys: Vec<_> = bars.iter().map(Bar::key).collect();
    keys.sort_unstable();
    if let Some((key, _)) = keys.iter().zip(keys.iter().skip(1)).find(|(key, next)| key == next) {
        return Err(Usage(format!("two files have a bar {key}; give each code once")));
    }
    Ok(bars)
}

/// The codes that the bars are of.
pub(crate) fn codes(bars: &[Bar]) -> Vec<String> {
    let codes: BTreeSet<_> = bars.iter().map(|bar| bar.code.clone()).collect();
    codes.into_iter().collect()
}

/// The bars of one file, in order of time.
fn read(path: &Path) -> Result<Vec<Bar>, Usage> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Usage(format!("cannot read {shown}: {error}")))?;
    let code = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .and_then(|stem| stem.split('_').next())
        .unwrap_or("file");
    parse(&text, &code.to_uppercase())
        .map_err(|(line, message)| Usage(format!("{shown}:{line}: {message}")))
}

/// The error is the line, from 1, and what is wrong with it.
fn parse(text: &str, code: &str) -> Result<Vec<Bar>, (u64, String)> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| broken(&error))?;
    let names: Vec<_> = header.iter().map(str::to_lowercase).collect();
    let place = |column: &&str| names.iter().position(|name| name == column);
    if let Some(missing) = COLUMNS.iter().find(|column| place(column).is_none()) {
        return Err((
            1,
            format!(
                "there is no column `{missing}`; the columns are time, Open, High, Low, Close, Volume"
            ),
        ));
    }
    let places = COLUMNS.map(|column| place(&column).unwrap_or_default());
    let mut bars: Vec<Bar> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| broken(&error))?;
        let line = || record.position().map_or(0, |position| line_at(text, position.byte()));
        let bar = bar(code, places.map(|place| record.get(place).unwrap_or_default()))
            .map_err(|message| (line(), message))?;
        if bars.last().is_some_and(|last| last.time >= bar.time) {
            return Err((line(), "its time is not after that of the line before".to_owned()));
        }
        bars.push(bar);
    }
    if bars.is_empty() {
        return Err((1, "there is no bar behind the header".to_owned()));
    }
    Ok(bars)
}

/// The line of the record at `byte`, from 1: the reader's own count is that of the empty lines
/// before it.
fn line_at(text: &str, byte: u64) -> u64 {
    let begin = usize::try_from(byte).unwrap_or(usize::MAX);
    let (before, behind) = text.split_at_checked(begin).unwrap_or((text, ""));
    let skipped = behind.len() - behind.trim_start().len();
    let newlines = before.matches('\n').count() + behind[..skipped].matches('\n').count();
    newlines as u64 + 1
}

fn broken(error: &csv::Error) -> (u64, String) {
    let line = error.position().map_or(1, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} columns instead of {expected_len}")
        }
        _ => "it is not CSV".to_owned(),
    };
    (line, message)
}

fn bar(code: &str, [time, numbers @ ..]: [&str; 6]) -> Result<Bar, String> {
    let time = seconds(time)
        .ok_or("time is not like 2017-04-19 or 2017-04-19 09:00:00, from 1970 to 2105")?;
    let mut values = [0.0; 5];
    for ((value, text), column) in values.iter_mut().zip(numbers).zip(&COLUMNS[1..]) {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        *value = number.ok_or_else(|| format!("{column} is not a number"))?;
    }
    let [open, high, low, close, volume] = values;
    if !(low <= open.min(close) && high >= open.max(close)) {
        return Err("open and close are not between low and high".to_owned());
    }
    if volume < 0.0 {
        return Err("volume is negative".to_owned());
    }
    Ok(Bar { code: code.to_owned(), time, open, high, low, close, volume })
}

fn seconds(text: &str) -> Option<u32> {
    let day = |text| Date::parse(text, DAY).map(|day| PrimitiveDateTime::new(day, Time::MIDNIGHT));
    let moment = PrimitiveDateTime::parse(text, WITH_TIME).or_else(|_| day(text)).ok()?;
    u32::try_from(moment.assume_utc().unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_are_whole() {
        let bars = read_all(&[]).unwrap();
        let of = |code: &str| bars.iter().filter(|bar| bar.code == code).count();
        assert_eq!((of("EURUSD"), of("GOOG"), bars.len()), (5_000, 2_148, 7_148));
        assert_eq!(bars[0].key(), "EURUSD:1492592400");
    }

    #[test]
    fn a_broken_line_is_named() {
        let head = "time,Open,High,Low,Close,Volume\n2020-01-01,1,2,0.5,1,10\n";
        let cases = [
            ("", 1, "no column `time`"),
            ("time,Open,High,Low,Close\n", 1, "no column `volume`"),
            ("time,Open,High,Low,Close,Volume\n", 1, "no bar"),
            (&format!("{head}2020-01-02,1,2,0.5,x,10\n"), 3, "close is not a number"),
            (&format!("{head}2020-01-02,1,2,0.5,NaN,10\n"), 3, "close is not a number"),
            (&format!("{head}2020-01-02,1,2\n"), 3, "3 columns instead of 6"),
            (&format!("{head}\n2020-13-02,1,2,0.5,1,10\n"), 4, "time is not like"),
            (&format!("{head}1960-01-02,1,2,0.5,1,10\n"), 3, "from 1970"),
            (&format!("{head}2020-01-01,1,2,0.5,1,10\n"), 3, "not after"),
            (&format!("{head}2020-01-02,3,2,0.5,1,10\n"), 3, "between low and high"),
            (&format!("{head}2020-01-02,1,2,0.5,1,-1\n"), 3, "negative"),
        ];
        for (text, line, part) in cases {
            let (at, message) = parse(text, "X").unwrap_err();
            assert_eq!(at, line, "{text}: {message}");
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}

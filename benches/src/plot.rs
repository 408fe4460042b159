//! The pictures, as SVG: for each benchmark its ratios; and lines, for contests that differ only in how
//! much there was.

mod lines;
mod ratios;

use crate::row::Row;
use anyhow::Result;
use plotters::style::RGBColor;
use std::collections::BTreeSet;

const FONT: &str = "sans-serif";
const WIDTH: u32 = 920;
/// Told apart by people who see colours differently, too.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

/// Contests of one benchmark that are points of the same lines.
struct Series<'a> {
    contest: &'a str,
    unit: &'a str,
    axis: &'a str,
    rows: Vec<&'a Row>,
}

/// Every picture: its file's name, and what is in the file.
pub(crate) fn all(rows: &[Row]) -> Result<Vec<(String, String)>> {
    let mut pictures = Vec::new();
    for id in rows.iter().map(|row| row.id.as_str()).collect::<BTreeSet<_>>() {
        let of: Vec<_> = rows.iter().filter(|row| row.id == id).collect();
        pictures.push((ratios_name(id), ratios::draw(&of)?));
        for series in series(rows, id) {
            pictures.push((series.name(id), lines::draw(&series)?));
        }
    }
    Ok(pictures)
}

/// The pictures of a benchmark: their files' names, and what they show in words.
pub(crate) fn names(rows: &[Row], id: &str) -> Vec<(String, String)> {
    let mut names = vec![(ratios_name(id), format!("the ratios of {id}"))];
    for series in series(rows, id) {
        let Series { contest, unit, axis, .. } = series;
        names.push((series.name(id), format!("{contest}: {unit} over {axis}")));
    }
    names
}

fn ratios_name(id: &str) -> String {
    format!("{}.svg", id.to_lowercase())
}

/// The lines of a benchmark, in the order of its rows.
fn series<'a>(rows: &'a [Row], id: &str) -> Vec<Series<'a>> {
    let mut all: Vec<Series<'a>> = Vec::new();
    for row in rows.iter().filter(|row| row.id == id) {
        let Some(axis) = &row.axis else { continue };
        let known = all.iter_mut().find(|one| one.contest == row.contest && one.unit == row.unit);
        match known {
            Some(series) => series.rows.push(row),
            None => {
                all.push(Series { contest: &row.contest, unit: &row.unit, axis, rows: vec![row] });
            }
        }
    }
    all.retain(|series| series.amounts().len() > 1);
    all
}

impl Series<'_> {
    fn amounts(&self) -> BTreeSet<u32> {
        self.rows.iter().filter_map(|row| row.amount).collect()
    }

    fn name(&self, id: &str) -> String {
        let word = |text: &str| {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-").to_lowercase()
        };
        format!("{}-{}-{}.svg", id.to_lowercase(), word(self.contest), word(self.unit))
    }
}

/// The least and the greatest, a little apart, for an axis of logarithms.
fn around(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let good = values.filter(|value| value.is_finite() && *value > 0.0);
    let (low, high) =
        good.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    (high > 0.0).then_some((low / 1.15, high * 1.15))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::row::Setting;

    #[test]
    fn a_benchmark_has_its_ratios_and_a_line_for_each_party() {
        let row = |tasks, peer, rate| {
            let setting = Setting {
                id: "B2".into(),
                contest: "GET & SET".into(),
                at: Some(("tasks", tasks)),
                ours_name: "qa-redis".into(),
                ..Setting::default()
            };
            Row::new(&setting, "x/s", &[1000.0], (peer, &[rate]), Budget::AtLeast(0.97))
        };
        let rows = [
            row(1, "fred", 900.0),
            row(1, "bb8", 90.0),
            row(10, "fred", 9e3),
            row(10, "bb8", 95.0),
        ];
        let pictures = all(&rows).unwrap();
        let files: Vec<_> = pictures.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(files, ["b2.svg", "b2-get-set-x-s.svg"]);
        let named: Vec<_> = names(&rows, "B2").into_iter().map(|(name, _)| name).collect();
        assert_eq!(named, files);
        for (name, svg) in &pictures {
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{name}");
            assert!(svg.contains("fred") && svg.contains("bb8"), "{name}: {svg}");
        }
        assert!(pictures[1].1.contains("qa-redis"), "{}", pictures[1].1);
    }

    #[test]
    fn what_is_no_number_has_no_place_on_an_axis() {
        let (low, high) = around([f64::NAN, 0.0, 1.0, 4.0].into_iter()).unwrap();
        assert!(low < 1.0 && low > 0.8 && high > 4.0 && high < 5.0);
        assert!(around([f64::INFINITY, 0.0].into_iter()).is_none());
    }
}

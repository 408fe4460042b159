//! How much each party does, over how much there is of something.

use super::ratios::failed;
use super::{COLOURS, FONT, Series, WIDTH, around};
use crate::page::value;
use anyhow::Result;
use plotters::prelude::*;
use std::collections::BTreeMap;

const HEIGHT: u32 = 420;

/// A line for each party, on axes of logarithms.
pub(super) fn draw(series: &Series) -> Result<String> {
    let lines = lines(series);
    let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    let (left, right) = around(points().map(|(x, _)| x)).unwrap_or((1.0, 10.0));
    let (low, high) = around(points().map(|(_, y)| y)).unwrap_or((1.0, 10.0));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(series.contest, (FONT, 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(80)
            .build_cartesian_2d((left..right).log_scale(), (low..high).log_scale())
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(series.axis)
            .y_desc(series.unit)
            .y_labels(5)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| value(*y))
            .label_style((FONT, 12))
            .draw()
            .map_err(failed)?;
        for ((name, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let line =
                LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
            let key = *colour;
            chart
                .draw_series(line)
                .map_err(failed)?
                .label(name.as_str())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], key.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 12))
            .draw()
            .map_err(failed)?;
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

/// The parties with their points, ours first. Ours was measured once for each amount, and is in the row of
/// each peer.
fn lines(series: &Series) -> Vec<(String, Vec<(f64, f64)>)> {
    let mut ours = BTreeMap::new();
    let mut peers: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for row in &series.rows {
        let Some(amount) = row.amount else { continue };
        ours.insert(amount, row.ours);
        let Some(peer) = row.peer else { continue };
        let point = (f64::from(amount), peer);
        match peers.iter_mut().find(|(name, _)| *name == row.peer_name) {
            Some((_, points)) => points.push(point),
            None => peers.push((row.peer_name.clone(), vec![point])),
        }
    }
    let name = series.rows.first().map_or_else(String::new, |row| row.ours_name.clone());
    let ours = ours.into_iter().map(|(amount, value)| (f64::from(amount), value)).collect();
    [(name, ours)].into_iter().chain(peers).collect()
}

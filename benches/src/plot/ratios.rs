//! Ours to each peer: the median, its quartiles, and what it has to be.

use super::{COLOURS, FONT, WIDTH, around};
use crate::page::what;
use crate::row::Row;
use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Of a row, and of what is above and below them all, in pixels.
const ROW: u32 = 22;
const FRAME: u32 = 64;
/// For the words before a row.
const WORDS: u32 = 400;

/// A line for each row, on one axis of ratios.
pub(super) fn draw(rows: &[&Row]) -> Result<String> {
    let mut svg = String::new();
    let count = u32::try_from(rows.len())?;
    // One is on the axis, always: it is what all compare with.
    let ends = rows.iter().filter_map(|row| row.spread).flatten();
    let middles = rows.iter().filter_map(|row| row.ratio);
    let (low, high) = around(ends.chain(middles).chain([1.0])).unwrap_or((0.5, 2.0));
    {
        let root =
            SVGBackend::with_string(&mut svg, (WIDTH, FRAME + ROW * count)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .margin_left(WORDS)
            .x_label_area_size(36)
            .build_cartesian_2d((low..high).log_scale(), 0.0..f64::from(count))
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_desc("ours / theirs, within a round: median and quartiles")
            .x_label_formatter(&|ratio| {
                format!("{ratio:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
            })
            .label_style((FONT, 12))
            .draw()
            .map_err(failed)?;
        let one = [(1.0, 0.0), (1.0, f64::from(count))];
        chart.draw_series([PathElement::new(one, BLACK.mix(0.4))]).map_err(failed)?;
        for (row, at) in rows.iter().zip(0_u32..) {
            let y = f64::from(count - at) - 0.5;
            let colour = if row.pass { COLOURS[0] } else { COLOURS[1] };
            if let Some(ratio) = row.ratio.filter(|ratio| *ratio > 0.0) {
                let [from, to] = row.spread.unwrap_or([ratio; 2]);
                let quartiles = PathElement::new([(from, y), (to, y)], colour.stroke_width(3));
                chart.draw_series([quartiles]).map_err(failed)?;
                chart.draw_series([Circle::new((ratio, y), 4, colour.filled())]).map_err(failed)?;
            }
            let (_, pixel) = chart.backend_coord(&(1.0, y));
            let end = if row.failed.is_some() { "(it failed)" } else { &row.budget };
            let label = format!("{} / {}, {} {end}", what(row), row.peer_name, row.unit);
            let style = (FONT, 13).into_font().color(&BLACK);
            root.draw(&Text::new(label, (10, pixel - 7), style)).map_err(failed)?;
        }
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

/// Its errors borrow what is drawn on.
pub(super) fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing: {error}")
}

//! Plots as SVG.

use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

const SIZE: (u32, u32) = (860, 480);
/// Colours that differ for any colour vision (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Draws one line for each of `series`, with a mark at each point, the vertical axis from zero.
///
/// # Errors
///
/// No point to draw, or the file cannot be written.
pub fn lines(
    path: &Path,
    title: &str,
    x_label: &str,
    y_label: &str,
    x_log: bool,
    series: &[(String, Vec<(f64, f64)>)],
) -> Result<(), String> {
    let points = || series.iter().flat_map(|(_, points)| points);
    let least = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let most = points().map(|point| point.0).fold(f64::NEG_INFINITY, f64::max);
    let top = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;
    if points().next().is_none() {
        return Err(format!("{}: nothing to plot", path.display()));
    }
    // A single point still needs an axis with a length.
    let range = if least < most { least..most } else { least * 0.5..most * 2.0 + 1.0 };
    let drawn = if x_log {
        draw(path, (title, x_label, y_label), range.log_scale(), top, series)
    } else {
        draw(path, (title, x_label, y_label), range, top, series)
    };
    drawn.map_err(|fault| format!("{}: {fault}", path.display()))
}

fn draw<X>(
    path: &Path,
    (title, x_label, y_label): (&str, &str, &str),
    range: X,
    top: f64,
    series: &[(String, Vec<(f64, f64)>)],
) -> Result<(), Box<dyn std::error::Error>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(58)
        .build_cartesian_2d(range, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc(x_label)
        .y_desc(y_label)
        .light_line_style(TRANSPARENT)
        .label_style(("sans-serif", 14))
        .draw()?;
    for ((name, points), colour) in series.iter().zip(COLOURS.iter().cycle()) {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(4))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .border_style(RGBColor(190, 190, 190))
        .label_font(("sans-serif", 14))
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_names_its_series_and_axes() {
        let path = tempfile::tempdir().unwrap();
        let file = path.path().join("plot.svg");
        let series =
            [("alpha".to_owned(), vec![(10.0, 1.0), (100.0, 2.0)]), ("beta".to_owned(), vec![(10.0, 3.0)])];
        for x_log in [false, true] {
            lines(&file, "a title", "across", "up", x_log, &series).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(["alpha", "beta", "a title", "across", "up"].iter().all(|word| text.contains(word)));
        }
        assert!(lines(&file, "t", "x", "y", false, &[]).is_err());
    }
}

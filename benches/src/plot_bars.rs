//! A plot of medians as horizontal bars with their spread, as SVG.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its name, to its left.
    pub label: String,
    /// Its length.
    pub median: f64,
    /// The least value measured.
    pub low: f64,
    /// The greatest value measured.
    pub high: f64,
}

const WIDTH: i32 = 960;
/// Room for the names, left of the bars.
const NAMES: i32 = 290;
/// Room for the figures, right of the bars.
const FIGURES: i32 = 90;
/// Height of the title, of one bar with its gap, and of the axis.
const TITLE: i32 = 54;
const ROW: i32 = 34;
const AXIS: i32 = 52;
const INK: RGBColor = RGBColor(34, 34, 34);
const GRID: RGBColor = RGBColor(222, 222, 222);
/// Blue that colour-blind readers can distinguish from the whiskers.
const FILL: RGBColor = RGBColor(86, 152, 210);

/// Writes `bars` from top to bottom into the SVG file `path`. `unit` names the axis.
///
/// # Errors
///
/// When a value is not a finite number from zero on, or the file cannot be written.
pub fn bars(path: &Path, title: &str, unit: &str, bars: &[Bar]) -> Result<(), String> {
    if let Some(bar) =
        bars.iter().find(|bar| [bar.low, bar.median, bar.high].iter().any(|v| !(v.is_finite() && *v >= 0.0)))
    {
        return Err(format!("`{}` has a value that is no length", bar.label));
    }
    let rows = i32::try_from(bars.len()).map_err(|error| error.to_string())?;
    let height = TITLE + rows * ROW + AXIS;
    let area = SVGBackend::new(path, (WIDTH.cast_unsigned(), height.cast_unsigned())).into_drawing_area();
    draw(&area, title, unit, bars, TITLE + rows * ROW).map_err(|error| format!("{}: {error}", path.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn style(size: i32, across: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK).pos(Pos::new(across, VPos::Center))
}

fn draw(
    area: &Area<'_>,
    title: &str,
    unit: &str,
    bars: &[Bar],
    bottom: i32,
) -> Result<(), Box<dyn std::error::Error>> {
    area.fill(&WHITE)?;
    area.draw(&Text::new(title.to_owned(), (16, TITLE / 2), style(18, HPos::Left)))?;
    let step = step(bars.iter().map(|bar| bar.high).fold(0.0, f64::max));
    let most = bars.iter().map(|bar| bar.high).fold(step, f64::max);
    let x = |value: f64| NAMES + (value / most * f64::from(WIDTH - NAMES - FIGURES)).round() as i32;
    let mut tick = 0.0;
    while tick <= most {
        area.draw(&PathElement::new([(x(tick), TITLE), (x(tick), bottom)], GRID))?;
        area.draw(&Text::new(tick_label(tick, step), (x(tick), bottom + 14), style(13, HPos::Center)))?;
        tick += step;
    }
    area.draw(&Text::new(
        unit.to_owned(),
        (i32::midpoint(NAMES, WIDTH - FIGURES), bottom + 36),
        style(14, HPos::Center),
    ))?;
    for (row, bar) in (0_i32..).zip(bars) {
        let middle = TITLE + row * ROW + ROW / 2;
        area.draw(&Rectangle::new([(x(0.0), middle - 10), (x(bar.median), middle + 10)], FILL.filled()))?;
        let (low, high) = (x(bar.low), x(bar.high));
        for line in [
            [(low, middle), (high, middle)],
            [(low, middle - 5), (low, middle + 5)],
            [(high, middle - 5), (high, middle + 5)],
        ] {
            area.draw(&PathElement::new(line, INK.stroke_width(2)))?;
        }
        area.draw(&Text::new(bar.label.clone(), (NAMES - 10, middle), style(14, HPos::Right)))?;
        area.draw(&Text::new(
            figure(bar.median),
            (high.max(x(bar.median)) + 8, middle),
            style(14, HPos::Left),
        ))?;
    }
    area.present()?;
    Ok(())
}

/// A distance of 1, 2 or 5 times a power of ten that gives four to ten ticks up to `most`.
fn step(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf((most / 10.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|step| most / step <= 10.0)
        .unwrap_or(most)
}

/// As many digits as the distance between ticks needs.
fn tick_label(tick: f64, step: f64) -> String {
    let digits = (-step.log10().floor()).max(0.0) as usize;
    format!("{tick:.digits$}")
}

/// Formats a value with three significant digits, but no fewer than its whole part has.
fn figure(value: f64) -> String {
    let digits = match value {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, low: f64, median: f64, high: f64) -> Bar {
        Bar { label: label.to_owned(), median, low, high }
    }

    #[test]
    fn every_bar_has_its_name_its_figure_and_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.svg");
        bars(&path, "A <title>", "MB/s", &[bar("one", 90.0, 100.0, 110.0), bar("two", 190.0, 200.0, 220.0)])
            .unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        for text in ["A &lt;title&gt;", "MB/s", "one", "two", "100", "200"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        let widths: Vec<f64> = svg
            .lines()
            .filter(|line| line.starts_with("<rect") && line.contains("#5698D2"))
            .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(widths.len(), 2);
        assert!((widths[1] / widths[0] - 2.0).abs() < 0.02, "{widths:?}");
    }

    #[test]
    fn what_is_no_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for wrong in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(bars(&folder.path().join("x.svg"), "", "", &[bar("x", 1.0, wrong, 2.0)]).is_err());
        }
    }

    #[test]
    fn steps_are_round_and_few() {
        for (most, expected) in [(3900.0, 500.0), (10.0, 1.0), (0.7, 0.1), (1200.0, 200.0), (0.0, 1.0)] {
            assert!((step(most) - expected).abs() < 1e-9, "{most}: {}", step(most));
        }
    }

    #[test]
    fn ticks_have_as_many_digits_as_their_distance() {
        assert_eq!(tick_label(50.0, 50.0), "50");
        assert_eq!(tick_label(0.5, 0.1), "0.5");
        assert_eq!(tick_label(0.04, 0.02), "0.04");
        assert_eq!(tick_label(2.0, 1.0), "2");
    }

    #[test]
    fn nothing_is_an_empty_plot() {
        let folder = tempfile::tempdir().unwrap();
        bars(&folder.path().join("x.svg"), "nothing", "s", &[]).unwrap();
    }
}

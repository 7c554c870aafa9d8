//! The times as a picture: a dot for each engine, by level and batch.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Engine;
use super::report::{Report, Row};

const WIDTH: u32 = 900;
const LEFT: i32 = 250;
const RIGHT: i32 = 90;
const TOP: i32 = 70;
const LINE: i32 = 18;
const GAP: i32 = 12;
const INK: RGBColor = RGBColor(34, 34, 34);
const FAINT: RGBColor = RGBColor(228, 228, 228);

/// Dots on a logarithmic scale, since engines may lie orders of magnitude apart. Colours are those of Okabe and Ito (2008), which
/// colour-blind people can tell apart; every dot has its name and its number too.
pub fn svg(report: &Report) -> Result<String> {
    draw(report).map_err(|error| anyhow!("the chart cannot be drawn: {error}"))
}

fn draw(report: &Report) -> Result<String, Box<dyn std::error::Error>> {
    let groups: Vec<&[Row]> = report.rows.chunk_by(|a, b| (a.level, a.batch) == (b.level, b.batch)).collect();
    let lines = report.rows.len() as i32;
    let height = TOP + lines * LINE + groups.len() as i32 * (GAP + 4) + 30;
    let times = || report.rows.iter().map(Row::median_ms);
    let low = times().fold(f64::INFINITY, f64::min).log10().floor();
    let high = times().fold(0.0, f64::max).log10().ceil().max(low + 1.0);
    let span = f64::from(WIDTH as i32 - LEFT - RIGHT);
    let x = |ms: f64| LEFT + (span * (ms.log10() - low) / (high - low)) as i32;

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        let text = |size: i32, h: HPos| {
            ("Helvetica, Arial, sans-serif", size).into_font().color(&INK).pos(Pos::new(h, VPos::Center))
        };
        let words = |text: String, at: (i32, i32), style: TextStyle<'static>| Text::new(text, at, style);
        root.draw(&words(report.prepared.title(), (WIDTH as i32 / 2, 20), text(18, HPos::Center)))?;
        let axis = "milliseconds of a run (median, logarithmic scale)".to_owned();
        root.draw(&words(axis, (LEFT + span as i32 / 2, 42), text(13, HPos::Center)))?;
        for power in low as i32..=high as i32 {
            let at = x(10f64.powi(power));
            root.draw(&PathElement::new(vec![(at, TOP), (at, height - 16)], FAINT))?;
            root.draw(&words(10f64.powi(power).to_string(), (at, TOP - 10), text(12, HPos::Center)))?;
        }
        let mut y = TOP;
        for group in groups {
            y += GAP;
            let (level, batch) = (group[0].level, group[0].batch);
            let label = format!("level {level}, batch {batch}");
            root.draw(&words(label, (12, y + LINE / 2), text(14, HPos::Left)))?;
            for row in group {
                let (ms, middle) = (row.median_ms(), y + LINE / 2);
                root.draw(&words(row.engine.key(), (LEFT - 8, middle), text(13, HPos::Right)))?;
                root.draw(&PathElement::new(vec![(LEFT, middle), (x(ms), middle)], FAINT))?;
                root.draw(&Circle::new((x(ms), middle), 5, color(row.engine).filled()))?;
                let number = if ms < 100.0 { format!("{ms:.1}") } else { format!("{ms:.0}") };
                root.draw(&words(number, (x(ms) + 10, middle), text(12, HPos::Left)))?;
                y += LINE;
            }
            y += 4;
        }
        root.present()?;
    }
    Ok(svg)
}

/// Blues are ours, oranges onnxruntime's, greens TensorFlow.js's.
fn color(engine: Engine) -> RGBColor {
    match engine {
        Engine::Webgpu => RGBColor(86, 180, 233),
        Engine::Cpu | Engine::CpuThreads => RGBColor(0, 114, 178),
        Engine::OrtWebgpu => RGBColor(230, 159, 0),
        Engine::OrtWasm1 | Engine::OrtWasm => RGBColor(213, 94, 0),
        Engine::TfjsWebgpu => RGBColor(240, 228, 66),
        Engine::TfjsWasm => RGBColor(0, 158, 115),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_web::report::tests::{prepared, row};

    #[test]
    fn ten_times_the_time_lies_a_decade_to_the_right() -> Result<()> {
        let prepared = prepared("wrn-32-4", &[1, 4]);
        let rows = [row("cpu", 1, &[&[2.0]]), row("ort-wasm-1", 1, &[&[20.0]]), row("cpu", 2, &[&[200.0]])];
        let svg = svg(&Report { prepared: &prepared, rows: &rows })?;
        let number = |text: &str| text.split('"').next().and_then(|n| n.parse::<i32>().ok());
        let dots: Vec<i32> = svg.split("<circle cx=\"").skip(1).filter_map(number).collect();
        let decade = (WIDTH as i32 - LEFT - RIGHT) / 3;
        assert_eq!(dots.len(), 3, "{svg}");
        assert!(dots.windows(2).all(|pair| (pair[1] - pair[0] - decade).abs() <= 1), "{dots:?}, {decade}");
        assert!(svg.contains("level 2, batch 1") && svg.contains("ort-wasm-1"), "{svg}");
        Ok(())
    }
}

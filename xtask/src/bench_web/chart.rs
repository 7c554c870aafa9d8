//! The times as a picture: a bar for each engine, by level and batch.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Engine;
use super::report::{Report, Row};

const WIDTH: u32 = 900;
const LEFT: i32 = 250;
const RIGHT: i32 = 90;
const TOP: i32 = 70;
const BAR: i32 = 14;
const GAP: i32 = 12;
const INK: RGBColor = RGBColor(34, 34, 34);
const FAINT: RGBColor = RGBColor(228, 228, 228);

/// Bars on a logarithmic scale: engines lie orders of magnitude apart. Colours are those of Okabe and Ito (2008), which
/// colour-blind people can tell apart; every bar has its name and its number too.
pub fn svg(report: &Report) -> Result<String> {
    draw(report).map_err(|error| anyhow!("the chart cannot be drawn: {error}"))
}

fn draw(report: &Report) -> Result<String, Box<dyn std::error::Error>> {
    let groups: Vec<&[Row]> = report.rows.chunk_by(|a, b| (a.level, a.batch) == (b.level, b.batch)).collect();
    let bars = report.rows.len() as i32;
    let height = TOP + bars * (BAR + 4) + groups.len() as i32 * (GAP + 4) + 30;
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
            root.draw(&words(label, (12, y + BAR / 2), text(14, HPos::Left)))?;
            for row in group {
                let (ms, middle) = (row.median_ms(), y + BAR / 2);
                root.draw(&words(row.engine.key(), (LEFT - 8, middle), text(13, HPos::Right)))?;
                let bar = [(LEFT, y), (x(ms).max(LEFT + 1), y + BAR)];
                root.draw(&Rectangle::new(bar, color(row.engine).filled()))?;
                let number = if ms < 100.0 { format!("{ms:.1}") } else { format!("{ms:.0}") };
                root.draw(&words(number, (bar[1].0 + 6, middle), text(12, HPos::Left)))?;
                y += BAR + 4;
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
        Engine::Cpu => RGBColor(0, 114, 178),
        Engine::OrtWebgpu => RGBColor(230, 159, 0),
        Engine::OrtWasm1 | Engine::OrtWasm => RGBColor(213, 94, 0),
        Engine::TfjsWebgpu => RGBColor(240, 228, 66),
        Engine::TfjsWasm => RGBColor(0, 158, 115),
    }
}

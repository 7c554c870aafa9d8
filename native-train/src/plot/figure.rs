//! Figures made of panels, as SVG. Colours are those of Okabe and Ito (2008), which colour-blind people can tell apart.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

pub const BLACK: RGBColor = RGBColor(0, 0, 0);
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub const SKY_BLUE: RGBColor = RGBColor(86, 180, 233);
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);

const INK: RGBColor = RGBColor(34, 34, 34);
const FAINT_INK: RGBColor = RGBColor(90, 90, 90);
const GRID: RGBColor = RGBColor(228, 228, 228);

/// plotters has whole coordinates only; drawn larger and shown at its true size, a curve is smooth.
const FINE: u32 = 4;
const PANEL: (u32, u32) = (500, 340);
const HEAD: u32 = 62;
const ROW: u32 = 21;
const MARGIN: u32 = 18;
const TITLE: u32 = 34;
const Y_LABELS: u32 = 58;
/// plotters' sizes are those of a line of text; letters are this much smaller.
const LINE_OF_TEXT: f64 = 1.24;

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Marker {
    Dot,
    Ring,
    Square,
    Triangle,
}

/// How points are joined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Join {
    None,
    Thin,
    Solid,
    Dashed,
}

/// A look, also of an entry in a legend.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub color: RGBColor,
    pub join: Join,
    pub marker: Option<Marker>,
}

/// Points in order.
pub struct Series {
    pub style: Style,
    pub points: Vec<(f64, f64)>,
    /// What it is, in the panel's own legend; none if it stands in the figure's.
    pub key: Option<String>,
}

/// One pair of axes.
pub struct Panel {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub x: Range<f64>,
    pub y: Range<f64>,
    pub series: Vec<Series>,
}

/// Panels in rows.
pub struct Figure {
    pub title: String,
    pub subtitle: String,
    pub columns: usize,
    pub panels: Vec<Panel>,
    /// Common to all panels, below them.
    pub legend: Vec<(Style, String)>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure = DrawingAreaErrorKind<std::io::Error>;

fn fine(v: u32) -> i32 {
    (v * FINE) as i32
}

fn text(size: u32, color: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    let size = f64::from(size * FINE) * LINE_OF_TEXT;
    ("Helvetica, Arial, sans-serif", size).into_font().color(&color).pos(Pos::new(h, v))
}

impl Figure {
    /// The picture.
    pub fn svg(&self) -> Result<String, Failure> {
        let columns = self.columns.max(1);
        let rows = self.panels.len().div_ceil(columns) as u32;
        let keys = |p: &Panel| p.series.iter().filter(|s| s.key.is_some()).count() as u32;
        let key_rows = self.panels.iter().map(keys).max().unwrap_or(0);
        let panel_height = PANEL.1 + key_rows * ROW + MARGIN;
        let legend_height = if self.legend.is_empty() { 0 } else { ROW + 12 };
        let width = columns as u32 * PANEL.0 + 2 * MARGIN;
        let height = HEAD + rows * panel_height + legend_height + MARGIN;
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (width * FINE, height * FINE)).into_drawing_area();
            root.fill(&WHITE)?;
            let middle = fine(width / 2);
            let centred = |size, color| text(size, color, HPos::Center, VPos::Center);
            root.draw(&Text::new(self.title.as_str(), (middle, fine(24)), centred(18, INK)))?;
            root.draw(&Text::new(self.subtitle.as_str(), (middle, fine(46)), centred(13, FAINT_INK)))?;
            for (i, panel) in self.panels.iter().enumerate() {
                let (row, column) = ((i / columns) as u32, (i % columns) as u32);
                let corner = (MARGIN + column * PANEL.0, HEAD + row * panel_height);
                panel.draw(&root, corner)?;
            }
            self.draw_legend(&root, width, HEAD + rows * panel_height + ROW / 2)?;
            root.present()?;
        }
        // Its true size, and its title for those who hear it.
        let drawn = format!("width=\"{}\" height=\"{}\"", width * FINE, height * FINE);
        let shown = format!("width=\"{width}\" height=\"{height}\" role=\"img\"");
        let title = format!(">\n<title>{}</title>\n", escaped(&format!("{}: {}", self.title, self.subtitle)));
        Ok(svg.replacen(&drawn, &shown, 1).replacen(">\n", &title, 1))
    }

    fn draw_legend(&self, root: &Area, width: u32, y: u32) -> Result<(), Failure> {
        const SAMPLE: u32 = 44;
        // Without fonts at hand: seven pixels a letter are enough for a text of size 13.
        let space = |label: &str| SAMPLE + 7 * label.chars().count() as u32 + 14;
        let total: u32 = self.legend.iter().map(|(_, label)| space(label)).sum();
        let mut x = width.saturating_sub(total) / 2;
        for (style, label) in &self.legend {
            entry(root, (x, y), *style, label)?;
            x += space(label);
        }
        Ok(())
    }
}

/// A sample of a style and what it stands for.
fn entry(root: &Area, (x, y): (u32, u32), style: Style, label: &str) -> Result<(), Failure> {
    let at = (fine(x + 16), fine(y));
    join(root, style, &[(fine(x), fine(y)), (fine(x + 32), fine(y))])?;
    mark(root, style, at)?;
    root.draw(&Text::new(label, (fine(x + 40), fine(y)), text(13, INK, HPos::Left, VPos::Center)))
}

impl Panel {
    /// Test accuracy in percent against millions of parameters.
    pub fn of_accuracies(title: &str, series: Vec<Series>) -> Panel {
        let all = || series.iter().flat_map(|s| &s.points);
        let largest = all().map(|p| p.0).fold(0.0, f64::max);
        Panel {
            title: title.to_owned(),
            x_label: "parameters kept for inference, all counted (millions)".into(),
            y_label: "test accuracy (%)".into(),
            x: 0.0..(1.1 * largest).max(1e-3),
            y: around(all().map(|p| p.1), 0.0..100.0),
            series,
        }
    }

    fn draw(&self, root: &Area, (left, top): (u32, u32)) -> Result<(), Failure> {
        let area = root.clone().shrink((fine(left), fine(top)), (fine(PANEL.0), fine(PANEL.1)));
        let mut chart = ChartBuilder::on(&area)
            .margin(fine(8))
            .margin_top(fine(TITLE))
            .margin_right(fine(18))
            .x_label_area_size(fine(44))
            .y_label_area_size(fine(Y_LABELS))
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(FINE))
            .axis_style(FAINT_INK.stroke_width(FINE))
            .set_all_tick_mark_size(fine(4))
            .x_labels(9)
            .y_labels(8)
            .x_label_formatter(&|v| number(*v))
            .y_label_formatter(&|v| number(*v))
            .x_desc(self.x_label.as_str())
            .y_desc(self.y_label.as_str())
            .label_style(text(12, FAINT_INK, HPos::Center, VPos::Center))
            .axis_desc_style(text(13, INK, HPos::Center, VPos::Center))
            .draw()?;
        // Over the axes, not over the panel.
        let middle = (fine(left + (Y_LABELS + PANEL.0) / 2), fine(top + TITLE / 2));
        root.draw(&Text::new(self.title.as_str(), middle, text(15, INK, HPos::Center, VPos::Center)))?;
        let places: Vec<Vec<(i32, i32)>> =
            self.series.iter().map(|s| s.points.iter().map(|p| chart.backend_coord(p)).collect()).collect();
        for (series, places) in self.series.iter().zip(&places) {
            join(root, series.style, places)?;
        }
        for (series, places) in self.series.iter().zip(&places) {
            for &place in places {
                mark(root, series.style, place)?;
            }
        }
        let mut y = top + PANEL.1 + ROW / 2;
        for series in &self.series {
            if let Some(key) = &series.key {
                entry(root, (left + 70, y), series.style, key)?;
                y += ROW;
            }
        }
        Ok(())
    }
}

fn join(root: &Area, style: Style, places: &[(i32, i32)]) -> Result<(), Failure> {
    let (color, width) = match style.join {
        Join::None => return Ok(()),
        Join::Thin => (style.color.mix(0.45), FINE),
        Join::Solid | Join::Dashed => (style.color.to_rgba(), 2 * FINE),
    };
    let stroke = color.stroke_width(width);
    if style.join == Join::Dashed {
        let dashes = DashedLineSeries::new(places.iter().copied(), fine(6), fine(4), stroke);
        return dashes.into_iter().try_for_each(|dash| root.draw(&dash));
    }
    root.draw(&PathElement::new(places.to_vec(), stroke))
}

fn mark(root: &Area, style: Style, (x, y): (i32, i32)) -> Result<(), Failure> {
    let filled = style.color.filled();
    let stroke = style.color.stroke_width(2 * FINE);
    match style.marker {
        None => Ok(()),
        Some(Marker::Dot) => root.draw(&Circle::new((x, y), fine(4), filled)),
        Some(Marker::Ring) => {
            root.draw(&Circle::new((x, y), fine(5), WHITE.filled()))?;
            root.draw(&Circle::new((x, y), fine(5), stroke))
        }
        Some(Marker::Square) => {
            let r = fine(4);
            root.draw(&Rectangle::new([(x - r, y - r), (x + r, y + r)], filled))
        }
        Some(Marker::Triangle) => {
            let r = fine(5);
            root.draw(&Polygon::new(vec![(x, y - r), (x + r, y + r), (x - r, y + r)], filled))
        }
    }
}

/// As short as it can be said.
fn number(v: f64) -> String {
    let rounded = (v * 1e4).round() / 1e4;
    // Not -0.
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A range around all values, a little wider, within `bounds`.
pub fn around(values: impl Iterator<Item = f64>, bounds: Range<f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return bounds;
    }
    let pad = (0.12 * (high - low)).max(0.5);
    (low - pad).max(bounds.start)..(high + pad).min(bounds.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_float_noise() {
        for (v, text) in [(0.1 + 0.2, "0.3"), (-0.0, "0"), (95.0, "95"), (2.5, "2.5")] {
            assert_eq!(number(v), text);
        }
    }

    #[test]
    fn names_cannot_break_the_picture() {
        let figure = Figure {
            title: "<script>&".into(),
            subtitle: "a > b".into(),
            columns: 1,
            panels: Vec::new(),
            legend: vec![(Style { color: BLUE, join: Join::Solid, marker: None }, "</svg>".into())],
        };
        let svg = figure.svg().unwrap();
        assert!(svg.contains("<title>&lt;script&gt;&amp;: a &gt; b</title>"), "{svg}");
        assert!(!svg.contains("<script>") && svg.matches("</svg>").count() == 1, "{svg}");
    }

    #[test]
    fn ranges_hold_all_values() {
        assert_eq!(around([90.0, 95.0].into_iter(), 0.0..100.0), 89.4..95.6);
        assert_eq!(around([0.2, 99.8].into_iter(), 0.0..100.0), 0.0..100.0);
        assert_eq!(around(std::iter::empty(), 0.0..100.0), 0.0..100.0);
    }
}

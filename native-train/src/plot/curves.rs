//! Learning curves: loss and accuracy of each task's levels over the epochs, a row of two panels for each task.

use super::figure::{self, Figure, Join, Marker, Panel, Series, Style};
use plotters::style::RGBColor;

/// Points of a curve: epochs, value.
pub type Points = Vec<(f64, f64)>;

/// One task's curves, by level.
pub struct Task {
    pub title: String,
    pub loss: Vec<Points>,
    /// Percent, on training batches.
    pub training: Vec<Points>,
    /// Percent, on test images.
    pub test: Vec<Points>,
}

/// What is drawn.
pub struct Curves<'a> {
    /// The model's name and what it is.
    pub name: &'a str,
    pub what: &'a str,
    pub tasks: &'a [Task],
}

/// Of levels 1 up; larger numbers begin again.
const LEVELS: [RGBColor; 6] =
    [figure::SKY_BLUE, figure::GREEN, figure::ORANGE, figure::VERMILION, figure::PURPLE, figure::BLUE];
/// A curve has at most this many points: each the mean of its neighbourhood.
const POINTS: usize = 80;

impl Curves<'_> {
    pub fn figure(&self) -> Figure {
        let levels = self.tasks.iter().map(|t| t.loss.len().max(t.test.len())).max().unwrap_or(0);
        let solid = |color| Style { color, join: Join::Solid, marker: None };
        let mut legend: Vec<(Style, String)> =
            (0..levels).map(|l| (solid(color(l)), format!("level {}", l + 1))).collect();
        let grey = RGBColor(110, 110, 110);
        let test = Style { color: grey, join: Join::Solid, marker: Some(Marker::Dot) };
        let training = Style { color: figure::BLACK, join: Join::Thin, marker: None };
        legend.push((test, "on test images".into()));
        legend.push((training, "on training batches".into()));
        Figure {
            title: format!("{}: learning curves", self.name),
            subtitle: self.what.to_owned(),
            columns: 2,
            panels: self.tasks.iter().flat_map(|task| [loss(task), accuracy(task)]).collect(),
            legend,
        }
    }
}

fn color(level: usize) -> RGBColor {
    LEVELS[level % LEVELS.len()]
}

fn series(curves: &[Points], join: Join, marker: Option<Marker>) -> impl Iterator<Item = Series> {
    curves.iter().enumerate().map(move |(level, points)| Series {
        style: Style { color: color(level), join, marker },
        points: thinned(points),
        key: None,
    })
}

fn panel(task: &Task, what: &str, y_label: &str, series: Vec<Series>) -> Panel {
    let all = || series.iter().flat_map(|s| &s.points);
    let last = all().map(|p| p.0).fold(0.0, f64::max);
    let highest = all().map(|p| p.1).fold(0.0, f64::max);
    Panel {
        title: format!("{}: {what}", task.title),
        x_label: "epochs".into(),
        y_label: y_label.into(),
        x: 0.0..(1.02 * last).max(1e-3),
        y: 0.0..(1.05 * highest).max(1e-3),
        series,
    }
}

fn loss(task: &Task) -> Panel {
    let series = series(&task.loss, Join::Solid, None).collect();
    panel(task, "training loss", "cross-entropy of an image (nats)", series)
}

fn accuracy(task: &Task) -> Panel {
    let training = series(&task.training, Join::Thin, None);
    let test = series(&task.test, Join::Solid, Some(Marker::Dot));
    let mut panel = panel(task, "accuracy", "accuracy (%)", training.chain(test).collect());
    panel.y.end = panel.y.end.min(100.0);
    panel
}

/// At most [`POINTS`] points, each the mean of as many of the given ones.
fn thinned(points: &[(f64, f64)]) -> Points {
    let group = points.len().div_ceil(POINTS).max(1);
    let mean = |group: &[(f64, f64)]| {
        let n = group.len() as f64;
        let (x, y) = group.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
        (x / n, y / n)
    };
    points.chunks(group).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_are_thinned_to_means() {
        let points: Points = (0..1000).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS && thin.len() > POINTS / 2);
        assert_eq!(thin[0], (6.0, 6.0 / 13.0));
        assert_eq!(thinned(&points[..3]), points[..3]);
    }
}

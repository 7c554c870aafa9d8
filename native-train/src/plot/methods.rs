//! Methods side by side: accuracy against parameters, a panel for each task.

use super::figure::{self, Figure, Join, Marker, Panel, Series, Style};
use plotters::style::RGBColor;

/// One level of a method.
pub struct Point {
    /// Everything that it needs, counted.
    pub parameters: u64,
    /// Mean test accuracy over seeds, percent.
    pub mean: f64,
    /// Its standard deviation, of more than one seed.
    pub deviation: Option<f64>,
}

/// One task.
pub struct Task {
    pub title: String,
    /// The methods that know it, by name, with their levels.
    pub methods: Vec<(String, Vec<Point>)>,
}

/// What is drawn.
pub struct Methods<'a> {
    pub title: &'a str,
    pub subtitle: String,
    pub tasks: &'a [Task],
}

/// As many as can be told apart; more methods take them again.
const LOOKS: [(RGBColor, Marker); 8] = [
    (figure::BLUE, Marker::Dot),
    (figure::VERMILION, Marker::Ring),
    (figure::BLACK, Marker::Square),
    (figure::GREEN, Marker::Triangle),
    (figure::PURPLE, Marker::Dot),
    (figure::ORANGE, Marker::Square),
    (figure::SKY_BLUE, Marker::Triangle),
    (figure::BLACK, Marker::Ring),
];

impl Methods<'_> {
    pub fn figure(&self) -> Figure {
        Figure {
            title: self.title.to_owned(),
            subtitle: self.subtitle.clone(),
            columns: self.tasks.len().min(2),
            panels: self.tasks.iter().map(Task::panel).collect(),
            legend: Vec::new(),
        }
    }
}

impl Task {
    fn panel(&self) -> Panel {
        let mut series = Vec::new();
        for ((name, levels), (color, marker)) in self.methods.iter().zip(LOOKS.iter().cycle()) {
            let place = |p: &Point| (p.parameters as f64 / 1e6, p.mean);
            for level in levels {
                let (x, mean) = place(level);
                let Some(deviation) = level.deviation else { continue };
                let style = Style { color: *color, join: Join::Solid, marker: None };
                series.push(Series {
                    style,
                    points: vec![(x, mean - deviation), (x, mean + deviation)],
                    key: None,
                });
            }
            let said: Vec<String> = levels.iter().map(|p| format!("{:.1}", p.mean)).collect();
            series.push(Series {
                style: Style { color: *color, join: Join::Thin, marker: Some(*marker) },
                points: levels.iter().map(place).collect(),
                key: Some(format!("{name}: {}", said.join(", "))),
            });
        }
        Panel::of_accuracies(&self.title, series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_every_task_is_drawn_and_said() {
        let point = |mean, deviation| Point { parameters: 300_000, mean, deviation };
        let task = |title: &str, methods: Vec<(&str, Vec<Point>)>| Task {
            title: title.into(),
            methods: methods.into_iter().map(|(name, levels)| (name.into(), levels)).collect(),
        };
        let tasks = [
            task(
                "CIFAR-10",
                vec![
                    ("DVN", vec![point(61.04, Some(2.0)), point(70.0, None)]),
                    ("LwF", vec![point(65.0, None)]),
                ],
            ),
            task("CIFAR-100", vec![("DVN", vec![point(20.0, None)])]),
        ];
        let svg = Methods { title: "S", subtitle: "3 seeds".into(), tasks: &tasks }.figure().svg().unwrap();
        for text in ["DVN: 61.0, 70.0", "LwF: 65.0", "DVN: 20.0", "CIFAR-100", "S: 3 seeds"] {
            assert!(svg.contains(text), "{text}");
        }
        // DVN's points and, in each panel, the sample in the legend.
        assert_eq!(svg.matches("<circle").count(), 3 + 2 + 4, "rings are two circles");
    }
}

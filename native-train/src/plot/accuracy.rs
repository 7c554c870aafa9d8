//! Accuracy against parameters, a panel for each task.

use super::figure::{self, Figure, Join, Marker, Panel, Series, Style};
use super::paper;

/// One task's levels.
pub struct Task {
    pub title: String,
    /// Level, parameters in all, test accuracy in percent; smallest first. A task without any has no panel.
    pub levels: Vec<(usize, u64, f64)>,
}

/// What is drawn.
pub struct Accuracy<'a> {
    /// The model's name and what it is.
    pub name: &'a str,
    pub what: &'a str,
    /// Number of test images of each task behind an accuracy, as it is written.
    pub images: &'a str,
    pub tasks: &'a [Task],
    /// The paper's figures for the same scenario; none or one for each task.
    pub paper: &'a [paper::Task],
}

const OURS: Style = Style { color: figure::BLUE, join: Join::Solid, marker: Some(Marker::Dot) };

impl Accuracy<'_> {
    pub fn figure(&self) -> Figure {
        let measured = self.tasks.iter().enumerate().filter(|(_, task)| !task.levels.is_empty());
        let panel = |(t, task): (usize, &Task)| self.panel(task, self.paper.get(t));
        let panels: Vec<Panel> = measured.map(panel).collect();
        Figure {
            title: format!("{}: accuracy against parameters", self.name),
            subtitle: format!("{}; {} test images of each task", self.what, self.images),
            columns: panels.len().min(2),
            panels,
            legend: Vec::new(),
        }
    }

    fn panel(&self, task: &Task, paper: Option<&paper::Task>) -> Panel {
        let millions = |&(_, parameters, accuracy): &(usize, u64, f64)| (parameters as f64 / 1e6, accuracy);
        let ours: Vec<(f64, f64)> = task.levels.iter().map(millions).collect();
        let mut series: Vec<Series> = paper.into_iter().flat_map(|p| p.series()).collect();
        let accuracies = ours.iter().map(|(_, accuracy)| format!("{accuracy:.1}")).collect::<Vec<_>>();
        let key = format!("DVN, this run: {} ({})", accuracies.join(", "), task.numbers());
        series.push(Series { style: OURS, points: ours, key: Some(key) });
        Panel::of_accuracies(&task.title, series)
    }
}

impl Task {
    /// Which levels there are, for people.
    fn numbers(&self) -> String {
        let numbers: Vec<usize> = self.levels.iter().map(|&(level, ..)| level).collect();
        match numbers[..] {
            [level] => format!("level {level}"),
            [first, .., last] if last + 1 - first == numbers.len() => format!("levels {first} to {last}"),
            _ => format!("levels {}", numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_named_by_their_numbers() {
        for (numbers, expected) in
            [(vec![2], "level 2"), (vec![1, 2, 3], "levels 1 to 3"), (vec![1, 3], "levels 1, 3")]
        {
            let levels = numbers.into_iter().map(|level| (level, 1, 50.0)).collect();
            assert_eq!(Task { title: String::new(), levels }.numbers(), expected);
        }
    }

    /// The numbers of the attributes `names` of each element that is written with `element` and holds `also`.
    fn attributes(svg: &str, element: &str, also: &str, names: [&str; 2]) -> Vec<[f64; 2]> {
        let of = |text: &str, name: &str| -> f64 {
            let (_, rest) = text.split_once(&format!(" {name}=\"")).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let elements = svg.split(element).skip(1).filter(|e| e.split('<').next().unwrap().contains(also));
        elements.map(|e| names.map(|name| of(e, name))).collect()
    }

    /// The points, measured in the picture by means of the axes' own numbers, are where the values say.
    #[test]
    fn points_lie_where_the_axes_say() {
        let levels = vec![(1, 1_000_000, 20.0), (2, 3_000_000, 60.0), (3, 8_000_000, 80.0)];
        let tasks = [Task { title: "CIFAR-10".into(), levels: levels.clone() }];
        let accuracy = Accuracy { name: "a", what: "b", images: "10", tasks: &tasks, paper: &[] };
        let svg = accuracy.figure().svg().unwrap();
        let tick = |text: &str| attributes(&svg, "<text", &format!(">\n{text}\n"), ["x", "y"])[0];
        let (x1, x8) = (tick("1")[0], tick("8")[0]);
        let (y20, y80) = (tick("20")[1], tick("80")[1]);
        let dots = attributes(&svg, "<circle", "fill=\"#0072B2\"", ["cx", "cy"]);
        // The last one is the sample in the legend.
        assert_eq!(dots.len(), levels.len() + 1);
        for ((_, parameters, percent), [x, y]) in levels.into_iter().zip(dots) {
            let found = 1.0 + 7.0 * (x - x1) / (x8 - x1);
            assert!((found - parameters as f64 / 1e6).abs() < 0.03, "{found} of {parameters}");
            let found = 20.0 + 60.0 * (y - y20) / (y80 - y20);
            assert!((found - percent).abs() < 0.3, "{found} of {percent}");
        }
    }

    #[test]
    fn only_j1_is_shown_beside_the_papers_figures() {
        let tasks =
            ["CIFAR-10", "CIFAR-100"].map(|t| Task { title: t.into(), levels: vec![(1, 1_900_000, 50.0)] });
        let svg = |backbone, names: &[&str]| {
            let paper = paper::figures(backbone, names);
            let accuracy = Accuracy { name: "a", what: "b", images: "10", tasks: &tasks, paper };
            accuracy.figure().svg().unwrap()
        };
        let j1 = svg("wrn-32-4", &["cifar10", "cifar100"]);
        for name in [
            "DVN, paper: 94.6 with one unit, 95.1 with both",
            "DVN, paper: 75.0 with one unit, 77.3 with both",
            "NestedNet, paper: 94.7",
            "NestedNet, paper: 76.7",
            "Baseline (a network for each task), paper: 94.8",
            "Baseline (a network for each task), paper: 76.4",
        ] {
            assert!(j1.contains(name), "{name}");
        }
        for (backbone, names) in
            [("wrn-14-2", ["cifar10", "cifar100"]), ("wrn-32-4", ["cifar100", "cifar10"])]
        {
            assert!(!svg(backbone, &names).contains("paper"));
        }
    }
}

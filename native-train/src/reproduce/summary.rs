//! What a study found: a table in the manner of the paper's, with means and spreads over seeds.

use super::statistics::{deviation, half_interval, mean};
use super::study::{Method, Part, Study};
use super::{Settings, folder};
use crate::config;
use crate::plot::figure::Figure;
use crate::plot::methods::{self, Methods, Point};
use crate::report::thousands;
use crate::train::Output;
use crate::train::metrics::{Line, Metrics};
use anyhow::Context;
use dvn::folder::ModelFolder;
use serde::Serialize;
use std::fmt::Write;

/// All methods of a study, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The study's title.
    pub title: String,
    /// Its note.
    pub note: String,
    /// The command that made it.
    pub command: String,
    /// The version of this program.
    pub version: &'static str,
    /// How many seeds each method was trained with, from 1.
    pub seeds: u64,
    /// The tasks, in the order in which the methods know them.
    pub tasks: Vec<Task>,
    /// A row for each level of each method.
    pub rows: Vec<Row>,
}

/// A task of the study.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Task {
    /// Its data set.
    pub name: String,
    /// Test images behind its accuracies.
    pub images: u64,
}

/// A level of a method's models.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The method's name.
    pub method: String,
    /// Where the method comes from.
    pub source: String,
    /// The run that made the models, where others go on from it.
    pub after: Option<String>,
    /// From 1.
    pub level: usize,
    /// Levels that there are.
    pub levels: usize,
    /// Everything that this level needs, by task; 0 of a task that the models do not know.
    pub parameters: Vec<u64>,
    /// Everything in the method's models.
    pub parameters_of_all: u64,
    /// Test accuracies in percent, by task, then seed; none of a task that the models do not know.
    pub accuracies: Vec<Vec<f64>>,
    /// The paper's, by task, where it has them.
    pub paper: Vec<Option<f64>>,
    /// Mean seconds that training the models took, with the runs that they go on from.
    pub seconds: f64,
}

/// A model of a method, for one seed.
struct Model {
    names: Vec<String>,
    /// By task, then level - 1: parameters; percent and images.
    levels: Vec<Vec<(u64, f64, u64)>>,
    all: u64,
    seconds: f64,
}

impl Model {
    fn read(study: &Settings, method: &Method, seed: u64, part: &Part) -> anyhow::Result<Model> {
        let path = folder(study.out, method, seed, part);
        let model = ModelFolder::open(&path)?;
        let level = |l: &dvn::manifest::Level| {
            let measured = l.accuracy.map_or((f64::NAN, 0), |a| (a.percent, a.images));
            (l.parameters, measured.0, measured.1)
        };
        let tasks = &model.manifest().tasks;
        let metrics = Output::training_of(&path).join("metrics.jsonl");
        let lines = Metrics::read(&metrics).with_context(|| metrics.display().to_string())?;
        let seconds = lines.iter().rev().find_map(|line| match line {
            Line::Step(line) => Some(line.seconds),
            Line::Evaluation { .. } => None,
        });
        Ok(Model {
            names: tasks.iter().map(|t| t.name.clone()).collect(),
            levels: tasks.iter().map(|t| t.levels.iter().map(level).collect()).collect(),
            all: model.network().total_parameters(),
            seconds: seconds.unwrap_or(0.0),
        })
    }
}

impl Summary {
    /// Reads what the runs of a study have left.
    ///
    /// # Errors
    /// If a run's files cannot be read.
    pub fn read(study: &Study, settings: &Settings) -> anyhow::Result<Summary> {
        let mut summary = Summary {
            title: study.title.clone(),
            note: study.note.trim().to_owned(),
            command: settings.command.clone(),
            version: env!("CARGO_PKG_VERSION"),
            seeds: settings.seeds,
            tasks: Vec::new(),
            rows: Vec::new(),
        };
        for method in &study.methods {
            let last: Vec<&Part> = method.last().collect();
            let before = method.parts.iter().filter(|part| !last.iter().any(|l| l.name == part.name));
            for part in before {
                summary.add(settings, method, &[part], Some(&part.name))?;
            }
            summary.add(settings, method, &last, None)?;
        }
        for row in &mut summary.rows {
            row.parameters.resize(summary.tasks.len(), 0);
            row.accuracies.resize(summary.tasks.len(), Vec::new());
            row.paper.resize(summary.tasks.len(), None);
        }
        Ok(summary)
    }

    /// Adds the rows of some models of a method.
    fn add(
        &mut self,
        settings: &Settings,
        method: &Method,
        parts: &[&Part],
        after: Option<&str>,
    ) -> anyhow::Result<()> {
        let mut rows: Vec<Row> = Vec::new();
        let mut seconds = 0.0;
        for seed in 1..=settings.seeds {
            // Training those with which the models go on is part of training them.
            let trained = method.parts.iter().filter(|p| match after {
                Some(after) => p.name == after,
                None => true,
            });
            for part in trained {
                seconds += Model::read(settings, method, seed, part)?.seconds;
            }
            for part in parts {
                let model = Model::read(settings, method, seed, part)?;
                for (name, levels) in model.names.iter().zip(&model.levels) {
                    let task = self.task(name, levels.first().map_or(0, |l| l.2));
                    for (i, &(parameters, percent, _)) in levels.iter().enumerate() {
                        if rows.len() <= i {
                            rows.push(Row::new(method, after, i + 1, levels.len()));
                        }
                        let row = &mut rows[i];
                        row.parameters.resize(self.tasks.len(), 0);
                        row.accuracies.resize(self.tasks.len(), Vec::new());
                        row.parameters[task] = parameters;
                        row.accuracies[task].push(percent);
                    }
                }
                if seed == 1 {
                    rows.iter_mut().for_each(|row| row.parameters_of_all += model.all);
                }
            }
        }
        for (i, row) in rows.iter_mut().enumerate() {
            row.seconds = seconds / settings.seeds as f64;
            if let (None, Some(paper)) = (after, method.paper.get(i)) {
                row.paper = paper.iter().copied().map(Some).collect();
            }
        }
        self.rows.extend(rows);
        Ok(())
    }

    /// The place of a task, which is new if its name is.
    fn task(&mut self, name: &str, images: u64) -> usize {
        if let Some(place) = self.tasks.iter().position(|t| t.name == name) {
            return place;
        }
        self.tasks.push(Task { name: name.to_owned(), images });
        self.tasks.len() - 1
    }

    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n", self.title);
        if !self.note.is_empty() {
            text += &format!("{}\n\n", self.note);
        }
        text += &format!("    {}\n\n", self.command);
        let _ = writeln!(
            text,
            "dvn-train {}; {}. Test accuracy in percent, mean over {} and standard deviation; the paper's in brackets.\n\
             Parameters (millions): all that a level of one task needs, of the task that needs most; and all that the method \
             keeps.\n",
            self.version,
            self.images(),
            self.of_seeds(),
        );
        let titles: Vec<String> = self.tasks.iter().map(|t| config::title(&t.name)).collect();
        text += &line(
            ["method", "level", "parameters", "of all"]
                .map(String::from)
                .into_iter()
                .chain(titles.clone())
                .chain(["minutes".into()]),
        );
        text += &line((0..5 + titles.len()).map(|i| if i == 0 { "---" } else { "---:" }.to_owned()));
        for row in &self.rows {
            let cells = row.accuracies.iter().zip(&row.paper).map(|(own, paper)| accuracy(own, *paper));
            let start = [
                row.name(),
                format!("{} of {}", row.level, row.levels),
                format!("{:.2}", row.parameters.iter().max().map_or(0.0, |&p| p as f64 / 1e6)),
                format!("{:.2}", row.parameters_of_all as f64 / 1e6),
            ];
            text += &line(start.into_iter().chain(cells).chain([format!("{:.1}", row.seconds / 60.0)]));
        }
        if let Some(differences) = self.differences(&titles) {
            text += &differences;
        }
        text += "\n![accuracy against parameters](report.svg)\n\nSources: ";
        let mut sources: Vec<(&str, &str)> =
            self.rows.iter().map(|r| (&r.method[..], &r.source[..])).collect();
        sources.dedup();
        let sources: Vec<String> =
            sources.iter().map(|(method, source)| format!("{method}: {source}")).collect();
        text + &sources.join("; ") + ".\n"
    }

    /// Accuracy against parameters of every method.
    pub fn figure(&self) -> Figure {
        let of_task = |(t, task): (usize, &Task)| {
            let mut methods: Vec<(String, Vec<Point>)> = Vec::new();
            for row in self.rows.iter().filter(|r| r.after.is_none() && !r.accuracies[t].is_empty()) {
                let own = &row.accuracies[t];
                let point =
                    Point { parameters: row.parameters[t], mean: mean(own), deviation: deviation(own) };
                match methods.last_mut() {
                    Some((name, levels)) if *name == row.method => levels.push(point),
                    _ => methods.push((row.method.clone(), vec![point])),
                }
            }
            methods::Task { title: config::title(&task.name), methods }
        };
        let tasks: Vec<methods::Task> = self.tasks.iter().enumerate().map(of_task).collect();
        let subtitle = format!("mean over {}, standard deviation; {}", self.of_seeds(), self.images());
        Methods { title: &self.title, subtitle, tasks: &tasks }.figure()
    }

    fn of_seeds(&self) -> String {
        if self.seeds == 1 { "one seed".into() } else { format!("{} seeds", self.seeds) }
    }

    fn images(&self) -> String {
        let about = |t: &Task| format!("{} of {}", thousands(t.images), config::title(&t.name));
        format!("test images: {}", self.tasks.iter().map(about).collect::<Vec<_>>().join(", "))
    }

    /// Every row against the first method's last level, paired over seeds; nothing of a single seed.
    fn differences(&self, titles: &[String]) -> Option<String> {
        let first = self.rows.first()?;
        let of_first = |r: &&Row| r.method == first.method && r.after.is_none() && r.level == r.levels;
        let reference = self.rows.iter().find(of_first)?;
        if self.seeds < 2 {
            return None;
        }
        let mut text = format!(
            "\nAgainst {}, level {}: mean difference over seeds with its 95 % confidence interval (Student's t, paired); \
             ~ where that holds 0.\n\n",
            reference.method, reference.level
        );
        text += &line(["method", "level"].map(String::from).into_iter().chain(titles.iter().cloned()));
        text += &line((0..2 + titles.len()).map(|i| if i == 0 { "---" } else { "---:" }.to_owned()));
        for row in self.rows.iter().filter(|row| !std::ptr::eq(*row, reference)) {
            let cells =
                row.accuracies.iter().zip(&reference.accuracies).map(|(own, other)| difference(own, other));
            let start = [row.name(), format!("{} of {}", row.level, row.levels)];
            text += &line(start.into_iter().chain(cells));
        }
        Some(text)
    }
}

impl Row {
    fn new(method: &Method, after: Option<&str>, level: usize, levels: usize) -> Row {
        Row {
            method: method.name.clone(),
            source: method.source.clone(),
            after: after.map(str::to_owned),
            level,
            levels,
            parameters: Vec::new(),
            parameters_of_all: 0,
            accuracies: Vec::new(),
            paper: Vec::new(),
            seconds: 0.0,
        }
    }

    fn name(&self) -> String {
        match &self.after {
            Some(after) => format!("{}, after `{after}`", self.method),
            None => self.method.clone(),
        }
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn accuracy(own: &[f64], paper: Option<f64>) -> String {
    if own.is_empty() {
        return String::new();
    }
    let spread = deviation(own).map(|d| format!(" ± {d:.1}")).unwrap_or_default();
    let paper = paper.map(|p| format!(" ({p:.1})")).unwrap_or_default();
    format!("{:.1}{spread}{paper}", mean(own))
}

/// Of two methods' accuracies, seed by seed.
fn difference(own: &[f64], other: &[f64]) -> String {
    if own.is_empty() || own.len() != other.len() {
        return String::new();
    }
    let pairs: Vec<f64> = own.iter().zip(other).map(|(a, b)| a - b).collect();
    let (mean, half) = (mean(&pairs), half_interval(&pairs).unwrap_or(f64::INFINITY));
    let chance = if mean.abs() <= half { " ~" } else { "" };
    format!("{mean:+.1} ± {half:.1}{chance}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(method: &str, accuracies: [&[f64]; 2], paper: [Option<f64>; 2]) -> Row {
        Row {
            method: method.into(),
            source: format!("source of {method}"),
            after: None,
            level: 1,
            levels: 1,
            parameters: vec![1_000_000, 1_234_567],
            parameters_of_all: 7_400_000,
            accuracies: accuracies.map(<[f64]>::to_vec).into(),
            paper: paper.into(),
            seconds: 90.0,
        }
    }

    fn summary(rows: Vec<Row>) -> Summary {
        let task = |name: &str| Task { name: name.into(), images: 10_000 };
        Summary {
            title: "S".into(),
            note: String::new(),
            command: "dvn-train reproduce s.toml".into(),
            version: "1",
            seeds: 3,
            tasks: vec![task("cifar10"), task("cifar100")],
            rows,
        }
    }

    /// The second method's differences on the first task are 1, 2 and 4: mean 2.33, interval 3.79 to either side (see
    /// `statistics`); on the second 1 each time.
    #[test]
    fn the_tables_say_means_spreads_and_paired_differences() {
        let a = row("A", [&[50.0, 60.0, 70.0], &[20.0, 21.0, 22.0]], [Some(94.6), None]);
        let b = row("B", [&[51.0, 62.0, 74.0], &[21.0, 22.0, 23.0]], [None, None]);
        let text = summary(vec![a, b]).markdown();
        for expected in [
            "| method | level | parameters | of all | CIFAR-10 | CIFAR-100 | minutes |",
            "| A | 1 of 1 | 1.23 | 7.40 | 60.0 ± 10.0 (94.6) | 21.0 ± 1.0 | 1.5 |",
            "| B | 1 of 1 | 1.23 | 7.40 | 62.3 ± 11.5 | 22.0 ± 1.0 | 1.5 |",
            "| B | 1 of 1 | +2.3 ± 3.8 ~ | +1.0 ± 0.0 |",
            "Sources: A: source of A; B: source of B.",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn a_task_that_a_method_does_not_know_is_left_blank() {
        let rows = vec![row("A", [&[50.0, 60.0, 70.0], &[]], [None, None])];
        assert!(summary(rows).markdown().contains("| 60.0 ± 10.0 |  | 1.5 |"));
    }
}

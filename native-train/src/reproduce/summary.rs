//! What a study found: a table in the manner of the paper's, with means and spreads over seeds.

use super::study::{Method, Study};
use super::{Settings, folder};
use crate::config;
use crate::report::thousands;
use crate::train::Output;
use crate::train::metrics::{Line, Metrics};
use anyhow::Context;
use dvn::folder::ModelFolder;
use dvn::manifest::{self, Accuracy};
use serde::Serialize;
use std::path::Path;

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
    /// Mean seconds that training took, with the runs that the models go on from.
    pub seconds: f64,
}

/// The model of one run, for one seed.
struct Model {
    /// Names and levels of its tasks.
    tasks: Vec<(String, Vec<Level>)>,
    /// All of its parameters.
    parameters: u64,
    seconds: f64,
}

struct Level {
    parameters: u64,
    accuracy: Accuracy,
}

impl Model {
    fn read(path: &Path) -> anyhow::Result<Model> {
        let model = ModelFolder::open(path)?;
        let mut tasks = Vec::new();
        for task in &model.manifest().tasks {
            let measured = |l: &manifest::Level| {
                let missing =
                    || format!("{}: level {} of {} was not measured", path.display(), l.level, task.name);
                Ok(Level { parameters: l.parameters, accuracy: l.accuracy.with_context(missing)? })
            };
            tasks.push((task.name.clone(), task.levels.iter().map(measured).collect::<anyhow::Result<_>>()?));
        }
        let metrics = Output::training_of(path).join("metrics.jsonl");
        let lines = Metrics::read(&metrics).with_context(|| metrics.display().to_string())?;
        let seconds = lines.iter().rev().find_map(|line| match line {
            Line::Step(line) => Some(line.seconds),
            Line::Evaluation { .. } => None,
        });
        Ok(Model { tasks, parameters: model.network().total_parameters(), seconds: seconds.unwrap_or(0.0) })
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
            // By run, then seed.
            let mut models: Vec<Vec<Model>> = Vec::new();
            for part in &method.parts {
                let read = |seed| Model::read(&folder(settings.out, method, seed, part));
                models.push((1..=settings.seeds).map(read).collect::<Result<_, _>>()?);
            }
            let last: Vec<&str> = method.last().map(|part| &part.name[..]).collect();
            let (last, before): (Vec<_>, Vec<_>) =
                method.parts.iter().zip(&models).partition(|(part, _)| last.contains(&&part.name[..]));
            for (part, models) in before {
                let rows = summary.rows_of(method, &[models])?;
                let alone = |row| Row { after: Some(part.name.clone()), paper: Vec::new(), ..row };
                summary.rows.extend(rows.into_iter().map(alone));
            }
            let last: Vec<&Vec<Model>> = last.into_iter().map(|(_, models)| models).collect();
            let rows = summary.rows_of(method, &last)?;
            // What the models go on from is part of what it took to train them.
            let seconds = models.iter().flatten().map(|model| model.seconds).sum::<f64>();
            let whole = |row| Row { seconds: seconds / settings.seeds as f64, ..row };
            summary.rows.extend(rows.into_iter().map(whole));
        }
        for row in &mut summary.rows {
            row.parameters.resize(summary.tasks.len(), 0);
            row.accuracies.resize(summary.tasks.len(), Vec::new());
            row.paper.resize(summary.tasks.len(), None);
        }
        Ok(summary)
    }

    /// A row for each level of some models of a method, which are given by run, then seed.
    fn rows_of(&mut self, method: &Method, models: &[&Vec<Model>]) -> anyhow::Result<Vec<Row>> {
        let mut rows: Vec<Row> = Vec::new();
        // Of the models' tasks, in their order, which is that of the method's figures of the paper.
        let mut places = Vec::new();
        for seeds in models {
            let first = seeds.first().context("a study needs a seed")?;
            for (t, (name, levels)) in first.tasks.iter().enumerate() {
                let place = self.task(name, levels.first().map_or(0, |l| l.accuracy.images));
                places.push(place);
                for (i, level) in levels.iter().enumerate() {
                    if rows.len() <= i {
                        rows.push(Row::new(method, i + 1, levels.len()));
                    }
                    let row = &mut rows[i];
                    row.parameters.resize(self.tasks.len(), 0);
                    row.accuracies.resize(self.tasks.len(), Vec::new());
                    row.parameters[place] = level.parameters;
                    let of_seed = |model: &Model| Some(model.tasks.get(t)?.1.get(i)?.accuracy.percent);
                    let percent: Option<Vec<f64>> = seeds.iter().map(of_seed).collect();
                    row.accuracies[place] =
                        percent.context("the seeds' models have different tasks or levels")?;
                }
            }
            let seconds = seeds.iter().map(|model| model.seconds).sum::<f64>() / seeds.len() as f64;
            for row in &mut rows {
                row.parameters_of_all += first.parameters;
                row.seconds += seconds;
            }
        }
        for (row, paper) in rows.iter_mut().zip(&method.paper) {
            row.paper.resize(self.tasks.len(), None);
            places.iter().zip(paper).for_each(|(&place, &percent)| row.paper[place] = Some(percent));
        }
        Ok(rows)
    }

    /// The place of a task, which is new if its name is.
    fn task(&mut self, name: &str, images: u64) -> usize {
        if let Some(place) = self.tasks.iter().position(|t| t.name == name) {
            return place;
        }
        self.tasks.push(Task { name: name.to_owned(), images });
        self.tasks.len() - 1
    }

    /// For people.
    pub(super) fn of_seeds(&self) -> String {
        if self.seeds == 1 { "one seed".into() } else { format!("{} seeds", self.seeds) }
    }

    /// For people.
    pub(super) fn images(&self) -> String {
        let about = |t: &Task| format!("{} of {}", thousands(t.images), config::title(&t.name));
        format!("test images: {}", self.tasks.iter().map(about).collect::<Vec<_>>().join("; "))
    }
}

impl Row {
    fn new(method: &Method, level: usize, levels: usize) -> Row {
        Row {
            method: method.name.clone(),
            source: method.source.clone(),
            after: None,
            level,
            levels,
            parameters: Vec::new(),
            parameters_of_all: 0,
            accuracies: Vec::new(),
            paper: Vec::new(),
            seconds: 0.0,
        }
    }
}

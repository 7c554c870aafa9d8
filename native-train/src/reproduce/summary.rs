//! What a study found: a table in the manner of the paper's, with means and spreads over seeds.

use super::study::{Method, Part, Study};
use super::{Settings, folder};
use crate::config;
use crate::report::thousands;
use crate::train::Output;
use crate::train::metrics::{Line, Metrics};
use anyhow::Context;
use dvn::folder::ModelFolder;
use serde::Serialize;

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

    /// For people.
    pub(super) fn of_seeds(&self) -> String {
        if self.seeds == 1 { "one seed".into() } else { format!("{} seeds", self.seeds) }
    }

    /// For people.
    pub(super) fn images(&self) -> String {
        let about = |t: &Task| format!("{} of {}", thousands(t.images), config::title(&t.name));
        format!("test images: {}", self.tasks.iter().map(about).collect::<Vec<_>>().join(", "))
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
}

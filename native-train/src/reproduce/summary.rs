//! What a study found: a table in the manner of the paper's, with means and spreads over seeds.

use super::statistics::mean;
use super::study::{Method, Part, Study};
use super::{Settings, folder};
use crate::aside;
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
    /// Everything that this level needs, by task; 0 of a task that the models do not know, or have not trained this level of.
    pub parameters: Vec<u64>,
    /// Everything in the method's models.
    pub parameters_of_all: u64,
    /// Test accuracies in percent, by task, then seed; none where there are no parameters either.
    pub accuracies: Vec<Vec<f64>>,
    /// The paper's, by task, where it has them.
    pub paper: Vec<Option<f64>>,
    /// Mean seconds that training took, with the runs that the models go on from.
    pub seconds: f64,
}

/// The model of one run, for one seed.
struct Model {
    /// Names and levels of its tasks; none of a level that was not trained.
    tasks: Vec<(String, Vec<Option<Level>>)>,
    /// All that its trained levels need.
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
                let level =
                    || Ok(Level { parameters: l.parameters, accuracy: l.accuracy.with_context(missing)? });
                (!l.untrained).then(level).transpose()
            };
            tasks.push((task.name.clone(), task.levels.iter().map(measured).collect::<anyhow::Result<_>>()?));
        }
        let trained = model.manifest().tasks.iter().enumerate();
        let trained: Vec<(usize, usize)> =
            trained.flat_map(|(t, task)| task.trained().into_iter().map(move |level| (t, level))).collect();
        let parameters = model.network().parameters_of(&trained)?;
        let metrics = Output::training_of(path).join("metrics.jsonl");
        let lines = Metrics::read(&metrics).with_context(|| metrics.display().to_string())?;
        let seconds = lines.iter().rev().find_map(|line| match line {
            Line::Step(line) => Some(line.seconds),
            Line::Evaluation { .. } => None,
        });
        Ok(Model { tasks, parameters, seconds: seconds.unwrap_or(0.0) })
    }
}

impl Summary {
    /// Reads what the runs of a study have left.
    ///
    /// # Errors
    /// If a run's files cannot be read.
    pub fn read(study: &Study, settings: &Settings) -> anyhow::Result<Summary> {
        // By method, run, then seed.
        let mut all: Vec<Vec<Vec<Model>>> = Vec::new();
        for method in &study.methods {
            let of_part = |part: &Part| -> anyhow::Result<Vec<Model>> {
                (1..=settings.seeds)
                    .map(|seed| Model::read(&folder(settings.out, method, seed, part)))
                    .collect()
            };
            all.push(method.parts.iter().map(of_part).collect::<Result<_, _>>()?);
        }
        let mut tasks: Vec<Task> = Vec::new();
        for (name, levels) in all.iter().flatten().flatten().flat_map(|model| &model.tasks) {
            if tasks.iter().all(|task| task.name != *name) {
                let images = levels.iter().flatten().next().map_or(0, |l| l.accuracy.images);
                tasks.push(Task { name: name.clone(), images });
            }
        }
        let mut rows = Vec::new();
        for (method, models) in study.methods.iter().zip(&all) {
            let (last, before): (Vec<_>, Vec<_>) =
                method.parts.iter().zip(models).partition(|(part, _)| method.is_last(part));
            for (part, models) in before {
                let alone = rows_of(method, &tasks, &[models], &[])?;
                rows.extend(alone.into_iter().map(|row| Row { after: Some(part.name.clone()), ..row }));
            }
            let last: Vec<&Vec<Model>> = last.into_iter().map(|(_, models)| models).collect();
            // What the models go on from is part of what it took to train them.
            let seconds = models.iter().map(|seeds| mean_seconds(seeds)).sum();
            let last = rows_of(method, &tasks, &last, &method.paper)?;
            rows.extend(last.into_iter().map(|row| Row { seconds, ..row }));
        }
        Ok(Summary {
            title: study.title.clone(),
            note: study.note.trim().to_owned(),
            command: settings.command.clone(),
            version: env!("CARGO_PKG_VERSION"),
            seeds: settings.seeds,
            tasks,
            rows,
        })
    }

    /// Writes report.md, report.svg and report.json into a folder.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn write(&self, out: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        let reports =
            [("report.md", self.markdown()), ("report.svg", self.figure().svg()?), ("report.json", json)];
        for (name, content) in reports {
            let path = out.join(name);
            aside::write(&path, content.as_bytes()).with_context(|| path.display().to_string())?;
        }
        Ok(())
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

/// A row for each trained level of some models of a method, which are given by run, then seed; `paper` has the paper's figures by level,
/// then task in the models' order.
fn rows_of(
    method: &Method,
    tasks: &[Task],
    models: &[&Vec<Model>],
    paper: &[Vec<f64>],
) -> anyhow::Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut known = 0;
    for seeds in models {
        let [first, ..] = &seeds[..] else { continue };
        for (t, (name, levels)) in first.tasks.iter().enumerate() {
            let place = tasks.iter().position(|task| task.name == *name).context("a task of no model")?;
            for (i, level) in levels.iter().enumerate() {
                if rows.len() <= i {
                    rows.push(Row::new(method, tasks.len(), i + 1, levels.len()));
                }
                let Some(level) = level else { continue };
                let of_seed = |model: &Model| Some(model.tasks.get(t)?.1.get(i)?.as_ref()?.accuracy.percent);
                let percent: Option<Vec<f64>> = seeds.iter().map(of_seed).collect();
                let row = &mut rows[i];
                row.parameters[place] = level.parameters;
                row.accuracies[place] =
                    percent.context("the seeds' models have different tasks or levels")?;
                let paper = paper.get(i).and_then(|tasks| tasks.get(known)).copied();
                row.paper[place] = paper.filter(|percent| !percent.is_nan());
            }
            known += 1;
        }
        for row in &mut rows {
            row.parameters_of_all += first.parameters;
            row.seconds += mean_seconds(seeds);
        }
    }
    rows.retain(|row| !row.accuracies.iter().all(Vec::is_empty));
    Ok(rows)
}

/// Of training a run, over its seeds.
fn mean_seconds(seeds: &[Model]) -> f64 {
    mean(&seeds.iter().map(|model| model.seconds).collect::<Vec<_>>())
}

impl Row {
    fn new(method: &Method, tasks: usize, level: usize, levels: usize) -> Row {
        Row {
            method: method.name.clone(),
            source: method.source.clone(),
            after: None,
            level,
            levels,
            parameters: vec![0; tasks],
            parameters_of_all: 0,
            accuracies: vec![Vec::new(); tasks],
            paper: vec![None; tasks],
            seconds: 0.0,
        }
    }
}

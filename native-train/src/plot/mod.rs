//! Pictures of a run, as SVG files in its OUT/training: accuracy against parameters, and learning curves.

mod accuracy;
mod curves;
pub(crate) mod figure;
pub(crate) mod methods;
pub(crate) mod paper;

use crate::aside;
use crate::config::{self, Config};
use crate::report::{Report, TaskReport, thousands, units};
use crate::train::metrics::{Line, Metrics, StepLine};
use crate::train::{Checkpoint, Output};
use accuracy::Accuracy;
use anyhow::{Context, ensure};
use curves::{Curves, Points};
use dvn::folder::ModelFolder;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What is known of a run.
struct Scene {
    name: String,
    backbone: String,
    units: usize,
    /// The tasks' names and titles.
    tasks: Vec<(String, String)>,
    /// How many of them, from the first, are only kept (sequential learning).
    kept: usize,
    /// The levels with their accuracies, where they were measured.
    report: Option<Vec<TaskReport>>,
    lines: Vec<Line>,
}

/// Draws what there is to draw of the run in `out`, finished or not: accuracies from `model.json`, or the last evaluation
/// while there is none; curves from `metrics.jsonl`. Gives the files written.
///
/// # Errors
/// If `out` holds no run or model, or a file cannot be read or written.
pub fn write(out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let scene = Scene::read(out)?;
    let folder = Output::training_of(out);
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let mut written = Vec::new();
    for (name, figure) in [("accuracy.svg", scene.accuracy()), ("curves.svg", scene.curves())] {
        let Some(figure) = figure else { continue };
        let path = folder.join(name);
        aside::write(&path, figure.svg()?.as_bytes()).with_context(|| format!("{}", path.display()))?;
        written.push(path);
    }
    ensure!(!written.is_empty(), "{}: nothing to draw yet: no accuracies and no metrics", out.display());
    Ok(written)
}

impl Scene {
    fn read(out: &Path) -> anyhow::Result<Scene> {
        let folder = Output::training_of(out);
        let metrics = folder.join("metrics.jsonl");
        let lines = match Metrics::read(&metrics) {
            Ok(lines) => lines,
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e).with_context(|| format!("{}", metrics.display())),
        };
        // A finished model may have lost its checkpoint, and with it which of its tasks it was to keep.
        let checkpoint = Checkpoint::read(&Output::last_checkpoint_of(out));
        let old = checkpoint.map(|c| c.head.old).unwrap_or_default();
        if out.join("model.json").exists() {
            let model = ModelFolder::open(out)?;
            let manifest = model.manifest();
            return Ok(Scene {
                name: manifest.name.clone(),
                backbone: manifest.backbone.clone(),
                units: manifest.units.len(),
                tasks: manifest.tasks.iter().map(|t| (t.name.clone(), t.title.clone())).collect(),
                kept: old.len(),
                report: Some(Report::of_manifest(manifest, model.network())?.tasks),
                lines,
            });
        }
        let (config, _) = Config::read(&folder.join("config.toml"))
            .with_context(|| format!("{} holds neither a model nor a run", out.display()))?;
        let evaluation = lines.iter().rev().find_map(|line| match line {
            Line::Evaluation { tasks, .. } => Some(tasks.clone()),
            Line::Step(_) => None,
        });
        let kept = old.len();
        let known = old.into_iter().map(|t| (t.name, t.title));
        let learned = config.tasks.iter().map(|t| (t.data.clone(), config::title(&t.data)));
        Ok(Scene {
            units: config.split()?.units(),
            tasks: known.chain(learned).collect(),
            kept,
            name: config.name,
            backbone: config.backbone,
            report: evaluation,
            lines,
        })
    }

    fn what(&self) -> String {
        format!("{}, {}", self.backbone, units(self.units))
    }

    /// Nothing where no accuracy was measured.
    fn accuracy(&self) -> Option<figure::Figure> {
        let report = self.report.as_ref()?;
        let tasks: Vec<accuracy::Task> = self
            .tasks
            .iter()
            .zip(report)
            .map(|((_, title), task)| {
                let trained = task.levels.iter().filter(|l| !l.untrained);
                let measured = trained.filter_map(|l| Some((l.level, l.parameters, l.accuracy?)));
                accuracy::Task { title: title.clone(), levels: measured.collect() }
            })
            .collect();
        let images = report.iter().flat_map(|t| &t.levels).filter_map(|l| l.images).min()?;
        let images = &thousands(images);
        let names: Vec<&str> = self.tasks.iter().map(|(name, _)| name.as_str()).collect();
        let paper = if self.kept == 0 { paper::figures(&self.backbone, &names) } else { &[] };
        let (name, what) = (&self.name, &self.what());
        Some(Accuracy { name, what, images, tasks: &tasks, paper }.figure())
    }

    /// Nothing before the first line about steps, which is also what tells how many steps an epoch has.
    fn curves(&self) -> Option<figure::Figure> {
        let steps = || {
            self.lines.iter().filter_map(|line| match line {
                Line::Step(line) => Some(line),
                Line::Evaluation { .. } => None,
            })
        };
        let last = steps().next_back()?;
        let epochs_of_a_step = last.epoch / last.step.max(1) as f64;
        let mut tasks = Vec::new();
        for (t, (_, title)) in self.tasks.iter().enumerate() {
            let levels = last.loss.get(t)?.len();
            let curve = |values: &dyn Fn(&StepLine) -> Option<f64>| -> Points {
                steps().filter_map(|line| Some((line.epoch, values(line)?))).collect()
            };
            let test = |level: usize| -> Points {
                let point = |line: &Line| match line {
                    Line::Evaluation { step, tasks } => {
                        let level = tasks.get(t)?.levels.get(level).filter(|l| !l.untrained)?;
                        Some((*step as f64 * epochs_of_a_step, level.accuracy?))
                    }
                    Line::Step(_) => None,
                };
                self.lines.iter().filter_map(point).collect()
            };
            tasks.push(curves::Task {
                title: format!("{title}{}", if t < self.kept { " (kept)" } else { "" }),
                loss: (0..levels).map(|l| curve(&|line| *line.loss.get(t)?.get(l)?)).collect(),
                training: (0..levels)
                    .map(|l| curve(&|line| *line.training_accuracy.get(t)?.get(l)?))
                    .collect(),
                test: (0..levels).map(test).collect(),
            });
        }
        let (name, what) = (&self.name, &self.what());
        Some(Curves { name, what, tasks: &tasks }.figure())
    }
}

//! `dvn-train eval`.

use super::print;
use crate::data::{self, Dataset, Split};
use crate::evaluate::{self, engines};
use anyhow::ensure;
use dvn::folder::ModelFolder;
use dvn::manifest::{Accuracy, Input};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure every level of every task on test images: units, costs, accuracy, milliseconds an image.
#[derive(clap::Args)]
pub struct Args {
    /// Model folder.
    model: PathBuf,
    /// Folder of the data sets.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Which engine runs it.
    #[arg(long, value_enum, default_value_t = engines::Kind::Cpu)]
    engine: engines::Kind,
    /// At most this many test images of each task.
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Other data sets than those that the tasks are named after, one for each task.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    sets: Vec<String>,
    /// Write the accuracies into model.json (only with all test images).
    #[arg(long, conflicts_with_all = ["images", "sets"])]
    write: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut model = ModelFolder::open(&args.model)?;
    let tasks = model.manifest().tasks.clone();
    let names: Vec<String> =
        if args.sets.is_empty() { tasks.iter().map(|t| t.name.clone()).collect() } else { args.sets };
    ensure!(names.len() == tasks.len(), "{} data sets for {} tasks", names.len(), tasks.len());
    let load = |name: &String| data::load(name, Split::Test, &args.data);
    let sets: Vec<Dataset> = names.iter().map(load).collect::<Result<_, _>>()?;
    for (task, set) in tasks.iter().zip(&sets) {
        ensure!(
            task.classes == set.classes && task.input.size == set.size,
            "{}: {} classes of {}x{} pixels, but task {} has {} of {}x{}, or they are named or ordered otherwise",
            set.name,
            set.classes.len(),
            set.size,
            set.size,
            task.name,
            task.classes.len(),
            task.input.size,
            task.input.size
        );
    }
    let inputs: Vec<Input> = tasks.iter().map(|t| t.input).collect();
    let at_most = args.images.unwrap_or(usize::MAX);
    let bar = ProgressBar::new(sets.iter().map(|s| s.len().min(at_most) as u64).sum());
    let style = ProgressStyle::with_template("{bar:28} {pos}/{len} images, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut engine = args.engine.open(&model)?;
    let tick = |n| bar.inc(n as u64);
    let mut report = evaluate::evaluate(&mut *engine, model.network(), &inputs, &sets, at_most, tick)?;
    report.mark_untrained(&tasks.iter().map(|t| t.trained()).collect::<Vec<_>>());
    bar.finish_and_clear();
    if args.write {
        let mut manifest = model.manifest().clone();
        for (task, report) in manifest.tasks.iter_mut().zip(&report.tasks) {
            for (level, report) in task.levels.iter_mut().zip(&report.levels) {
                let seeds = level.accuracy.map_or(1, |a| a.seeds);
                let measured = report.accuracy.zip(report.images);
                level.accuracy = measured.map(|(percent, images)| Accuracy { percent, images, seeds });
            }
        }
        model.update(manifest)?;
    }
    if !args.json {
        eprintln!("{}, {}", args.model.display(), engine.name());
    }
    print(&report, args.json)?;
    Ok(ExitCode::SUCCESS)
}

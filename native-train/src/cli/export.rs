//! `dvn-train export`.

use crate::onnx;
use anyhow::{Context, bail};
use dvn::Budget;
use dvn::folder::ModelFolder;
use dvn::manifest::Task;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write one level of one task as an ONNX model, for any other runtime.
#[derive(clap::Args)]
pub struct Args {
    /// Model folder.
    model: PathBuf,
    /// The task's name; needed where there are several.
    #[arg(long)]
    task: Option<String>,
    /// Level, from 1; the full one without it.
    #[arg(long, conflicts_with = "budget")]
    level: Option<usize>,
    /// The largest level that fits: parameters (2M) or bytes (8MB).
    #[arg(long)]
    budget: Option<Budget>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let model = ModelFolder::open(&args.model)?;
    let tasks = &model.manifest().tasks;
    let t = find(tasks, args.task.as_deref())?;
    let task = &tasks[t];
    let level = match args.budget {
        Some(budget) => affordable(task, budget)?,
        None => args.level.unwrap_or(task.levels.len()),
    };
    let bytes = onnx::write(&model, t, level, &args.onnx)?;
    let (size, classes) = (task.input.size, task.classes.len());
    outln!(
        "{}: {}, level {level} of {}, {:.2} MB, ONNX opset {}",
        args.onnx.display(),
        task.title,
        task.levels.len(),
        bytes as f64 / 1e6,
        onnx::OPSET
    );
    outln!("  in:  {} [N, 3, {size}, {size}], RGB, 0 to 1", onnx::INPUT);
    outln!("  out: {} [N, {classes}], class names in the metadata", onnx::OUTPUT);
    Ok(ExitCode::SUCCESS)
}

/// The number of the task of that name, from 0.
fn find(tasks: &[Task], name: Option<&str>) -> anyhow::Result<usize> {
    let known = || tasks.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => match tasks.iter().position(|t| t.name == name) {
            Some(t) => Ok(t),
            None => bail!("no task {name:?}: this model has {}", known()),
        },
        None if tasks.len() == 1 => Ok(0),
        None => bail!("which task? Give --task with one of {}", known()),
    }
}

/// The largest level that fits a budget.
fn affordable(task: &Task, budget: Budget) -> anyhow::Result<usize> {
    let parameters: Vec<u64> = task.levels.iter().map(|l| l.parameters).collect();
    budget.level(&parameters).with_context(|| {
        format!("{budget} is below level 1 of {}, which takes {} parameters", task.name, parameters[0])
    })
}

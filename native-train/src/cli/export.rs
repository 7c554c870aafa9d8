//! `dvn-train export`.

use super::choice::{self, LevelChoice};
use crate::onnx;
use anyhow::bail;
use dvn::folder::ModelFolder;
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
    #[command(flatten)]
    level: LevelChoice,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let model = ModelFolder::open(&args.model)?;
    let tasks = &model.manifest().tasks;
    let t = match &args.task {
        Some(name) => choice::find(tasks, name)?,
        None if tasks.len() == 1 => 0,
        None => bail!("which task? Give --task with one of {}", choice::names(tasks)),
    };
    let task = &tasks[t];
    let level = args.level.of(task)?;
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

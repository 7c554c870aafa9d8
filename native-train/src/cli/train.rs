//! `dvn-train train`.

use super::print;
use crate::config::Config;
use crate::train::{Checkpoint, Outcome, Run};
use anyhow::Context;
use candle_core::Device;
use clap::ValueEnum;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Train a network from a configuration and write its model folder.
///
/// Checkpoints, metrics (JSON lines) and a copy of the configuration go to OUT/training. Ctrl-C writes a checkpoint and
/// stops; --resume goes on from it.
#[derive(clap::Args)]
pub struct Args {
    /// Configuration, for example native-train/configs/taste.toml.
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// Folder of the data sets.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Folder of the model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to compute on.
    #[arg(long, value_enum, default_value_t = On::Auto)]
    device: On,
    /// Go on from a checkpoint: OUT's own, or the file given (which knows its configuration).
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    resume: Option<Option<PathBuf>>,
    /// Start anew although OUT holds a checkpoint.
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    /// Print the final report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    /// All cores, with the project's own kernels.
    Cpu,
    /// The first NVIDIA GPU, through candle's built-in operations (a build with `--features cuda`).
    Cuda,
    /// CUDA where this build and this machine have it, else the CPU.
    Auto,
}

fn device(on: On) -> anyhow::Result<Device> {
    match on {
        On::Cpu => Ok(Device::Cpu),
        On::Cuda => Device::new_cuda(0).context(
            "--device cuda: no usable CUDA device, or this dvn-train was built without --features cuda",
        ),
        On::Auto => Ok(Device::cuda_if_available(0)?),
    }
}

/// The words of the command line, for the record; programs and paths by their names only where they are absolute.
fn command() -> String {
    let mut words: Vec<String> = std::env::args().collect();
    for word in &mut words {
        let path = std::path::Path::new(word.as_str());
        if path.is_absolute()
            && let Some(name) = path.file_name()
        {
            *word = name.to_string_lossy().into_owned();
        }
    }
    if let Some(program) = words.first_mut() {
        *program = "dvn-train".into();
    }
    words.join(" ")
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let own = Run::last_checkpoint(&args.out);
    let resume = args.resume.map(|file| file.unwrap_or_else(|| own.clone()));
    if resume.is_none() && !args.overwrite && own.exists() {
        anyhow::bail!("{} exists: --resume goes on from it, --overwrite starts anew", own.display());
    }
    let checkpoint = resume.map(|file| Checkpoint::read(&file)).transpose()?;
    let (config, text) = match (&args.config, &checkpoint) {
        (Some(path), _) => Config::read(path)?,
        (None, Some(c)) => (Config::parse(&c.head.config)?, c.head.config.clone()),
        (None, None) => anyhow::bail!("give a configuration, or a checkpoint with --resume"),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            // Asked twice: leave at once. The last checkpoint is intact.
            std::process::exit(130);
        }
        eprintln!("stopping after this step (again: at once)");
    })?;
    let device = device(args.device)?;
    let mut run = Run::new(config, text, command(), &args.data, &args.out, device, checkpoint)?;
    eprintln!("{}", run.describe());
    match run.train(|_| stop.load(Ordering::Relaxed))? {
        Outcome::Finished(report) => {
            print(&report, args.json)?;
            eprintln!("model folder: {}", args.out.display());
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted { step, steps } => {
            eprintln!(
                "interrupted at step {step} of {steps}; go on with: dvn-train train --resume {} --out {}",
                own.display(),
                args.out.display()
            );
            Ok(ExitCode::from(130))
        }
    }
}

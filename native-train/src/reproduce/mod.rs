//! Studies: the paper's scenarios with the methods that it compares, every method under the same code and with several seeds.

mod picture;
mod statistics;
pub mod study;
pub mod summary;
mod tables;

pub use study::Study;
pub use summary::Summary;

use crate::config::Config;
use crate::train::{Checkpoint, Outcome, Output, Run, Setup, Start};
use anyhow::{Context, ensure};
use candle_core::Device;
use dvn::folder::ModelFolder;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use study::{Method, Part};

/// How a study is run.
pub struct Settings<'a> {
    /// The command that runs it, for the record.
    pub command: String,
    /// The data sets' folder.
    pub data: &'a Path,
    /// Where its runs and the report go.
    pub out: &'a Path,
    /// What to compute on.
    pub device: Device,
    /// How many seeds every method is trained with, from 1.
    pub seeds: u64,
}

/// The model folder of one run of a method.
fn folder(out: &Path, method: &Method, seed: u64, part: &Part) -> PathBuf {
    out.join(method.folder()).join(format!("seed-{seed}")).join(&part.name)
}

/// Trains every method of a study with every seed, seed after seed, unless that was done before in the same folder. Gives
/// nothing if `stop`, asked after every step, interrupted it; calling it again goes on.
///
/// # Errors
/// If a run fails, or the folder holds one of another configuration.
pub fn reproduce(
    study: &Study,
    settings: &Settings,
    stop: impl Fn() -> bool,
) -> anyhow::Result<Option<Summary>> {
    ensure!(settings.seeds > 0, "a study needs a seed");
    let each_seed: usize = study.methods.iter().map(|m| m.parts.len()).sum();
    let all = each_seed * settings.seeds as usize;
    let mut count = 0;
    for seed in 1..=settings.seeds {
        for method in &study.methods {
            for part in &method.parts {
                count += 1;
                let out = folder(settings.out, method, seed, part);
                let text = study.configuration(method, part, seed)?;
                if is_done(&out, &text)? {
                    continue;
                }
                let name = format!("{}, seed {seed}, {}", method.name, part.name);
                eprintln!("[{count}/{all}] {name}");
                let outcome = train(settings, part, text, &out, &stop);
                let outcome = outcome.with_context(|| format!("{name} ({})", out.display()))?;
                if let Outcome::Interrupted { .. } = outcome {
                    return Ok(None);
                }
            }
        }
    }
    Summary::read(study, settings).map(Some)
}

/// Trains one run, in a folder beside those of the same method and seed.
fn train(
    settings: &Settings,
    part: &Part,
    text: String,
    out: &Path,
    stop: impl Fn() -> bool,
) -> anyhow::Result<Outcome> {
    let last = Run::last_checkpoint(out);
    let checkpoint = last.exists().then(|| Checkpoint::read(&last)).transpose()?;
    let [from, add_to] =
        [&part.from, &part.add_to].map(|run| run.as_ref().map(|run| out.with_file_name(run)));
    let mut run = Run::new(Setup {
        config: Config::parse(&text)?,
        text,
        command: settings.command.clone(),
        data: settings.data,
        out,
        device: settings.device.clone(),
        start: Start::first_of(checkpoint, from.as_deref(), add_to.as_deref()),
        team: Arc::default(),
    })?;
    eprintln!("{}", run.describe());
    run.train(|_| stop())
}

/// Whether the run in `out` has its model.
fn is_done(out: &Path, text: &str) -> anyhow::Result<bool> {
    if !out.join("model.json").exists() {
        return Ok(false);
    }
    let path = Output::training_of(out).join("config.toml");
    let own = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    ensure!(
        own == text,
        "{} was trained by another configuration than the study has now: choose another --out, or delete it",
        out.display()
    );
    // A model that cannot be read is better known before the other runs than after them.
    ModelFolder::open(out).with_context(|| out.display().to_string())?;
    Ok(true)
}

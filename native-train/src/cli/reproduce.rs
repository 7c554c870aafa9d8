//! `dvn-train reproduce`.

use super::training::{On, asked_to_stop, command};
use crate::reproduce::{Settings, Study, reproduce};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

/// Train the methods of a study, each with several seeds, and compare them: the paper's scenarios with its methods.
///
/// Every run has its folder in OUT, as `dvn-train train` writes it. Ctrl-C writes a checkpoint and stops; the same command goes
/// on. At the end OUT holds report.md, report.svg and report.json: means and spreads over seeds beside the paper's figures.
#[derive(clap::Args)]
pub struct Args {
    /// The study, for example native-train/scenarios/s1-small.toml.
    study: PathBuf,
    /// How many seeds each method is trained with; with more than before, only the new ones are.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Folder of the data sets.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Folder of the runs and the report.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to compute on.
    #[arg(long, value_enum, default_value_t = On::Auto)]
    device: On,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let study = Study::read(&args.study)?;
    let stop = asked_to_stop(true)?;
    let settings = Settings {
        command: command(),
        data: &args.data,
        out: &args.out,
        device: args.device.device()?,
        seeds: args.seeds,
    };
    let Some(summary) = reproduce(&study, &settings, || stop.load(Ordering::Relaxed))? else {
        eprintln!("interrupted; the same command goes on");
        return Ok(ExitCode::from(130));
    };
    summary.write(&args.out)?;
    outln!("{}", summary.markdown().trim_end());
    Ok(ExitCode::SUCCESS)
}

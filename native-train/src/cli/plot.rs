//! `dvn-train plot`.

use crate::plot;
use std::path::PathBuf;
use std::process::ExitCode;

/// Draw a run, finished or still going on: accuracy against parameters and learning curves, as SVG files in OUT/training.
///
/// `dvn-train train` draws them at its end.
#[derive(clap::Args)]
pub struct Args {
    /// The run's model folder.
    out: PathBuf,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    for path in plot::write(&args.out)? {
        outln!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

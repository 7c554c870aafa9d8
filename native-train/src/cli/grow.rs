//! `dvn-train grow`.

use crate::grow::Growth;
use crate::report::units;
use anyhow::bail;
use dvn::Backbone;
use dvn::folder::ModelFolder;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make a larger network that computes what a trained one does, to go on training from.
///
/// Blocks may be added to each stage, and neighbouring units joined. Every level of the new network gives the answers of the
/// level of the old one that has the same channels. Train it on with `dvn-train train CONFIG --from DIR`.
#[derive(clap::Args)]
pub struct Args {
    /// Model folder.
    model: PathBuf,
    /// The same widths with as many blocks a stage or more, as in wrn-32-4 for wrn-14-4; the model's own without it.
    #[arg(long)]
    backbone: Option<Backbone>,
    /// How many units to join the model's to; as many as it has without it.
    #[arg(long, value_name = "N")]
    units: Option<usize>,
    /// Of the new blocks' random weights.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The new model folder; must not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let model = ModelFolder::open(&args.model)?;
    let network = model.network();
    let backbone = args.backbone.unwrap_or(network.backbone());
    let growth = Growth::new(&model, backbone, args.units.unwrap_or(network.levels()))?;
    if args.out.exists() {
        bail!("{} exists already", args.out.display());
    }
    let grown = growth.write(args.seed, &args.out)?;
    outln!(
        "{}: {}, {}, from {}, {}",
        args.out.display(),
        grown.network().backbone(),
        units(grown.network().levels()),
        network.backbone(),
        units(network.levels())
    );
    for level in 1..=grown.network().levels() {
        outln!("  level {level} answers as level {} did", growth.source_level(level));
    }
    Ok(ExitCode::SUCCESS)
}

//! `dvn-train inspect`.

use super::print;
use crate::report::Report;
use dvn::folder::ModelFolder;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check every file of a model folder and describe it.
#[derive(clap::Args)]
pub struct Args {
    /// Model folder.
    model: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let model = ModelFolder::open(&args.model)?;
    let (manifest, network) = (model.manifest(), model.network());
    let mut bytes = 0;
    for id in network.shards() {
        model.read(id)?;
        bytes += manifest.shard(id)?.bytes;
    }
    if !args.json {
        let units: Vec<String> = manifest.units.iter().map(|u| format!("{u:.3}")).collect();
        outln!("{}: {}, units {}", manifest.name, manifest.backbone, units.join(" "));
        outln!(
            "{} shards, {:.2} MB, {} parameters; every file has its length and hash, every tensor its shape",
            manifest.shards.len(),
            bytes as f64 / 1e6,
            network.total_parameters()
        );
        for task in &manifest.tasks {
            let order: Vec<String> = task.order.iter().map(|u| u.to_string()).collect();
            outln!(
                "{}: {} classes, {}x{} pixels, units join in the order {}",
                task.title,
                task.classes.len(),
                task.input.size,
                task.input.size,
                order.join(" ")
            );
        }
        if let Some(t) = &manifest.training {
            outln!("made by {}: {}, seed {}, {:.1} epochs", t.program, t.command, t.seed, t.epochs);
        }
    }
    let report = Report::of_manifest(manifest, network)?;
    print(&report, args.json)?;
    if !args.json && !report.together.is_empty() {
        outln!("all tasks under one budget, blocks that several use counted once:");
        outln!("{}", report.together_table());
    }
    Ok(ExitCode::SUCCESS)
}

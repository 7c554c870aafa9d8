//! `dvn-train plan`.

use super::print;
use crate::report::Report;
use crate::untrained;
use dvn::{Backbone, Network, Split, TaskSpec, order};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what every level of a network would cost, without any weights.
#[derive(clap::Args)]
pub struct Args {
    /// wrn-D-S or resnet-D, as in wrn-32-4 or resnet-42.
    backbone: Backbone,
    /// Equal units (4) or fractions (1/2,1/4,1/4).
    #[arg(long, value_parser = Split::parse)]
    units: Split,
    /// Classes of each task.
    #[arg(long, value_name = "N", value_delimiter = ',', required = true)]
    classes: Vec<usize>,
    /// Orders of the tasks' units, as in --order "1 2 3 4" "4 3 2 1"; the paper's rule without it.
    #[arg(long, value_name = "ORDER", num_args = 1..)]
    order: Vec<String>,
    /// Height and width of the images, pixels.
    #[arg(long, default_value_t = 32)]
    size: usize,
    /// Also write such a network as a model folder, with random weights, to measure how fast it is.
    #[arg(long, value_name = "DIR")]
    untrained: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let orders = if args.order.is_empty() {
        order::default_orders(args.units.units(), args.classes.len())?
    } else {
        anyhow::ensure!(
            args.order.len() == args.classes.len(),
            "{} orders for {} tasks",
            args.order.len(),
            args.classes.len()
        );
        args.order.iter().map(|text| order::parse(text)).collect::<Result<_, _>>()?
    };
    let spec = |(&classes, order)| TaskSpec { classes, input_size: args.size, order };
    let tasks = args.classes.iter().zip(orders).map(spec).collect();
    let network = Network::new(args.backbone, args.units, tasks)?;
    if let Some(folder) = &args.untrained {
        untrained::write(&network, 1, folder)?;
    }
    let names: Vec<String> = (1..=args.classes.len()).map(|t| format!("task {t}")).collect();
    print(&Report::of_network(&network, &names)?, args.json)?;
    Ok(ExitCode::SUCCESS)
}

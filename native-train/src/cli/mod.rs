//! The command line of `dvn-train`.

/// `println!` that gives its error back, such as a reader that went away, instead of a panic.
macro_rules! outln {
    ($($words:tt)*) => {
        std::io::Write::write_fmt(&mut std::io::stdout().lock(), format_args!("{}\n", format_args!($($words)*)))?
    };
}

mod bench;
mod choice;
mod data;
mod eval;
mod export;
mod grow;
mod inspect;
mod plan;
mod plot;
mod predict;
mod reproduce;
mod train;
mod training;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Trains Deep Virtual Networks: one set of weights that serves several tasks, each at several memory budgets.
///
/// A run writes a model folder, which `cargo xtask demo --model DIR` opens in the browser. Exit codes: 0 done, 1 failed,
/// 2 wrong usage, 130 interrupted (a checkpoint was written).
#[derive(Parser)]
#[command(name = "dvn-train", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(train::Args),
    Reproduce(reproduce::Args),
    Data(data::Args),
    Eval(eval::Args),
    Predict(predict::Args),
    Inspect(inspect::Args),
    Export(export::Args),
    Grow(grow::Args),
    Plan(plan::Args),
    Plot(plot::Args),
    Bench(bench::Args),
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Train(args) => train::run(args),
            Command::Reproduce(args) => reproduce::run(args),
            Command::Data(args) => data::run(args),
            Command::Eval(args) => eval::run(args),
            Command::Predict(args) => predict::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Export(args) => export::run(args),
            Command::Grow(args) => grow::run(args),
            Command::Plan(args) => plan::run(args),
            Command::Plot(args) => plot::run(args),
            Command::Bench(args) => bench::run(args),
        }
    }
}

/// Prints a report as JSON or as a table.
fn print(report: &crate::report::Report, json: bool) -> anyhow::Result<()> {
    if json {
        outln!("{}", serde_json::to_string_pretty(report)?);
    } else {
        outln!("{}", report.table());
    }
    Ok(())
}

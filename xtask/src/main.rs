//! The project's own commands, run as `cargo xtask COMMAND`.

mod bench_train;
mod bench_web;
mod browser;
mod fingerprint;
mod models;
mod mpi;
mod npm;
mod page;
mod project;
mod server;
mod site;
mod statistics;
mod steps;
mod suite;
mod summary;
mod toolchain;
mod trainer;
mod vulkan;
mod wasm;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::project::Project;
use crate::steps::Steps;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The project's own commands", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything the page needs and serve it on this machine
    ///
    /// Builds the engine to WebAssembly and the page around it, then serves both with the models of
    /// web/models. What is already up to date is not built again.
    Demo {
        /// Port to serve on
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Another model folder (with its model.json), served beside the others and opened first
        #[arg(long, value_name = "DIR")]
        model: Option<PathBuf>,
    },
    /// Run every check and every test of the project, the browser's included
    Test {
        /// Run one step alone (steps it builds on run too, silently counted)
        #[arg(long, value_enum)]
        only: Option<suite::Step>,
    },
    /// Time the training step beside PyTorch's and candle's, in turns
    BenchTrain(bench_train::BenchTrain),
    /// Time every level in a browser beside onnxruntime-web and TensorFlow.js, in turns
    BenchWeb(bench_web::BenchWeb),
    /// Build the engine to WebAssembly, into web/src/engine
    Wasm,
    /// Build the page with its engine, into web/dist
    Web,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let project = Project::locate()?;
    match cli.command {
        Command::Demo { port, model } => demo(&project, port, model),
        Command::Test { only } => suite::run(&project, only),
        Command::BenchTrain(bench) => {
            bench_train::run(&project, &bench)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::BenchWeb(bench) => {
            bench_web::run(&project, &bench)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Wasm => {
            wasm::build(&project, &mut Steps::new(wasm::STEPS))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Web => {
            let mut steps = Steps::new(wasm::STEPS + page::STEPS);
            wasm::build(&project, &mut steps)?;
            page::build(&project, &mut steps)?;
            println!("The page is in {}", project.show(&project.dist()));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn demo(project: &Project, port: u16, model: Option<PathBuf>) -> Result<ExitCode> {
    // The cheap reasons to stop come first: nobody should wait minutes for "this port is taken".
    let listener = server::listen(port)?;
    let extra = model.map(|folder| models::given(project, &folder)).transpose()?;

    let mut steps = Steps::new(wasm::STEPS + page::STEPS);
    wasm::build(project, &mut steps)?;
    page::build(project, &mut steps)?;

    let site = site::Site::of_page(project, extra.as_ref())?;
    println!("\n  Open http://localhost:{}/   (Ctrl-C stops it)\n", listener.local_addr()?.port());
    server::serve(listener, site);
    Ok(ExitCode::SUCCESS)
}

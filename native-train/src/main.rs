//! `dvn-train`: see `dvn-train --help`.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match native_train::cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

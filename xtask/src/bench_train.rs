//! `cargo xtask bench-train`: the training step beside PyTorch's and candle's, in turns on one machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::project::Project;
use crate::statistics::median;
use crate::steps::{Done, Steps};
use crate::trainer;

/// What to measure.
#[derive(Args)]
pub struct BenchTrain {
    /// Depth D of wrn-D-S
    #[arg(long, default_value_t = 32)]
    depth: u32,
    /// Scale S of wrn-D-S
    #[arg(long, default_value_t = 4)]
    scale: u32,
    /// Equal units
    #[arg(long, default_value_t = 2)]
    units: u32,
    /// Images of each of the two tasks in a step
    #[arg(long, default_value_t = 128)]
    batch: u32,
    /// Rounds: in each, every engine is run once
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Also write the table as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

const ENGINES: [&str; 3] = ["dvn-train", "PyTorch", "candle"];

/// Sets up PyTorch in an environment of its own, runs the engines in turns, prints the medians.
pub fn run(project: &Project, bench: &BenchTrain) -> Result<()> {
    let mut steps = Steps::new(3);
    let mut program = PathBuf::new();
    steps.step("Building dvn-train", || {
        program = trainer::build(project)?;
        Ok(Done::Built)
    })?;
    let mut python = PathBuf::new();
    steps.step("PyTorch in an environment of its own", || {
        let (path, done) = torch(project)?;
        python = path;
        Ok(done)
    })?;
    let mut results: Vec<Vec<Value>> = vec![Vec::new(); ENGINES.len()];
    let threads = thread::available_parallelism().map_or(1, usize::from);
    steps.step("Measuring, in turns", || {
        for round in 1..=bench.rounds {
            for (engine, results) in results.iter_mut().enumerate() {
                let result = measure(project, bench, &program, &python, engine, threads)?;
                println!(
                    "  round {round}: {:<10} {:.1} images/s",
                    ENGINES[engine],
                    number(&result, "images_per_s")
                );
                results.push(result);
            }
        }
        Ok(Done::Built)
    })?;
    report(bench, &results, threads)
}

/// Python with PyTorch from PyPI, kept beside the build.
fn torch(project: &Project) -> Result<(PathBuf, Done)> {
    let folder = project.stamps().join("torch");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let works = |python: &Path| {
        let check = Command::new(python).args(["-c", "import torch"]).stderr(Stdio::null()).status();
        check.is_ok_and(|status| status.success())
    };
    if works(&python) {
        return Ok((python, Done::Fresh));
    }
    let system = if cfg!(windows) { "python" } else { "python3" };
    let made = Command::new(system).args(["-m", "venv"]).arg(&folder).status();
    if !made.context("python3 is needed for PyTorch")?.success() {
        bail!("python3 could not make an environment (Debian: apt-get install python3-venv)");
    }
    let installed = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "torch", "numpy"])
        .status()?;
    if !installed.success() || !works(&python) {
        bail!("PyTorch could not be installed with pip");
    }
    Ok((python, Done::Built))
}

fn measure(
    project: &Project,
    bench: &BenchTrain,
    trainer: &Path,
    python: &Path,
    engine: usize,
    threads: usize,
) -> Result<Value> {
    let mut command = Command::new(if ENGINES[engine] == "PyTorch" { python } else { trainer });
    let (units, batch) = (bench.units.to_string(), bench.batch.to_string());
    match ENGINES[engine] {
        "PyTorch" => {
            command.arg(project.root().join("native-train/benches/torch_step.py"));
            command.args(["--depth", &bench.depth.to_string(), "--scale", &bench.scale.to_string()]);
            command.args(["--threads", &threads.to_string(), "--steps", "3"]);
        }
        name => {
            command.args(["bench", "--json", "--backbone", &format!("wrn-{}-{}", bench.depth, bench.scale)]);
            // candle takes many times as long: fewer steps say the same.
            let (kind, steps, warm_up) =
                if name == "candle" { ("candle", "1", "0") } else { ("kernels", "5", "2") };
            command.args(["--engine", kind, "--steps", steps, "--warm-up", warm_up]);
        }
    }
    command.args(["--units", &units, "--batch", &batch]);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{} failed", ENGINES[engine]);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("{} printed no JSON", ENGINES[engine]))
}

fn number(result: &Value, key: &str) -> f64 {
    result.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn report(bench: &BenchTrain, results: &[Vec<Value>], threads: usize) -> Result<()> {
    let network = format!("wrn-{}-{}, {} units", bench.depth, bench.scale, bench.units);
    println!("\nJoint training step: {network}, two tasks, batch {} each, {threads} threads", bench.batch);
    println!("| engine | images/s | dvn-train's ratio, by round | peak memory |\n| --- | --- | --- | --- |");
    let mut rows = Vec::new();
    for runs in results {
        let speed = median(runs.iter().map(|r| number(r, "images_per_s")).collect());
        let peak = median(runs.iter().map(|r| number(r, "peak_bytes")).collect());
        let engine = runs.first().and_then(|r| r.get("engine")).cloned().unwrap_or_default();
        let ratios = results[0].iter().zip(runs).map(|(ours, theirs)| {
            format!("{:.2}", number(ours, "images_per_s") / number(theirs, "images_per_s"))
        });
        let ratios = ratios.collect::<Vec<_>>().join(" ");
        println!("| {} | {speed:.1} | {ratios} | {:.2} GB |", engine.as_str().unwrap_or("?"), peak / 1e9);
        rows.push(json!({
            "engine": engine, "network": network, "batch": bench.batch, "threads": threads,
            "images_per_s": speed, "peak_bytes": peak,
        }));
    }
    if let Some(file) = &bench.json {
        let text = serde_json::to_string_pretty(&json!({ "rows": rows }))?;
        std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

//! `cargo xtask bench-web`: every level of a model in one browser, through our engines, onnxruntime-web and
//! TensorFlow.js, in turns.

mod chart;
mod model;
mod report;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, ValueEnum};
use serde_json::{Value, json};

use crate::project::Project;
use crate::site::Site;
use crate::steps::{Done, Steps};
use crate::summary::Counts;
use crate::{browser, npm, server, trainer, wasm};
use model::Prepared;
use report::{Report, Row};

/// What to measure.
#[derive(Args)]
pub struct BenchWeb {
    /// A model of web/models by its name, or a model folder; the first of web/models without it
    #[arg(long, value_name = "NAME|DIR", conflicts_with = "backbone")]
    model: Option<String>,
    /// Instead of a model: a network with random weights, wrn-D-S or resnet-D
    #[arg(long)]
    backbone: Option<String>,
    /// Units of that network: equal ones (4) or fractions (1/2,1/4,1/4)
    #[arg(long, default_value = "2", requires = "backbone")]
    units: String,
    /// The task's name; the model's first without it
    #[arg(long)]
    task: Option<String>,
    /// Engines, in the order of their turns
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Engine::value_variants().to_vec())]
    engines: Vec<Engine>,
    /// Levels; all without it
    #[arg(long, value_name = "L", value_delimiter = ',')]
    levels: Vec<usize>,
    /// Images at once
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 8, 64])]
    batches: Vec<usize>,
    /// Seconds for which each engine runs before it is timed: browsers put their best code in place late
    #[arg(long, value_name = "SECONDS", default_value_t = 8.0)]
    warm_up: f64,
    /// Turns of each engine
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of a turn; a run that takes longer is a turn
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    turn: f64,
    /// Also write the rows as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw the times as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What can run a level in a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Ours, WebGPU
    Webgpu,
    /// Ours, CPU, one thread
    Cpu,
    /// Ours, CPU, as many threads as the machine has
    CpuThreads,
    /// onnxruntime-web, WebGPU
    OrtWebgpu,
    /// onnxruntime-web, WebAssembly, one thread
    #[value(name = "ort-wasm-1")]
    OrtWasm1,
    /// onnxruntime-web, WebAssembly, as many threads as the machine has
    OrtWasm,
    /// TensorFlow.js, WebGPU
    TfjsWebgpu,
    /// TensorFlow.js, WebAssembly, one thread
    TfjsWasm,
}

impl Engine {
    /// Its name on the command line and in JSON.
    fn key(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }

    /// The engine of ours that does the same kind of work.
    fn ours(self) -> Self {
        match self {
            Self::Webgpu | Self::OrtWebgpu | Self::TfjsWebgpu => Self::Webgpu,
            Self::Cpu | Self::OrtWasm1 | Self::TfjsWasm => Self::Cpu,
            Self::CpuThreads | Self::OrtWasm => Self::CpuThreads,
        }
    }
}

/// Measures and tells what was found.
pub fn run(project: &Project, bench: &BenchWeb) -> Result<()> {
    let (prepared, rows) = rows(project, bench)?;
    if rows.is_empty() {
        bail!("no engine gave a result");
    }
    let report = Report { prepared: &prepared, rows: &rows };
    println!("\n{}", report.tables());
    if let Some(file) = &bench.json {
        let text = serde_json::to_string_pretty(&report.json())?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &bench.svg {
        fs::write(file, chart::svg(&report)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Whether the benchmark works: every library once, on one level of a small network.
pub fn check(project: &Project) -> Result<Counts> {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchWeb,
    }
    let engines = "cpu,cpu-threads,ort-wasm-1,tfjs-wasm";
    let line =
        "bench-web --backbone wrn-8-1 --levels 1 --batches 2 --warm-up 0 --rounds 1 --turn 0 --engines";
    let Line { bench } = Line::try_parse_from(line.split(' ').chain([engines]))?;
    let (_, rows) = rows(project, &bench)?;
    let (passed, wanted) = (rows.len() as u64, bench.engines.len() as u64);
    Ok(Counts { passed, failed: wanted - passed })
}

/// Prepares everything and measures.
fn rows(project: &Project, bench: &BenchWeb) -> Result<(Prepared, Vec<Row>)> {
    if bench.rounds == 0 || bench.batches.contains(&0) {
        bail!("give at least one round and one image");
    }
    let chromium = browser::chromium()?;
    let mut steps = Steps::new(wasm::STEPS + 3);
    wasm::build(project, &mut steps)?;
    steps.step("Packages of the benchmark", || npm::install(&project.web_bench()))?;
    let mut program = PathBuf::new();
    steps.step("Building dvn-train, which exports to ONNX", || {
        program = trainer::build(project)?;
        Ok(Done::Built)
    })?;
    let mut prepared = None;
    steps.step("The levels as ONNX", || {
        prepared = Some(model::prepare(project, bench, &program)?);
        Ok(Done::Built)
    })?;
    let prepared = prepared.context("the model was prepared")?;

    let site = Site::of_folder(&project.web_bench())?
        .mount("/engine/", &project.engine())?
        .mount("/model/", &prepared.folder)?
        .mount("/levels/", &prepared.levels_folder)?;
    let address = server::start(site)?;

    println!("\n{}: {}", prepared.title(), Machine::of_this());
    let rows = measure(project, bench, &prepared, &job(bench, &prepared, &address, &chromium))?;
    Ok((prepared, rows))
}

/// What the driver is told.
fn job(bench: &BenchWeb, prepared: &Prepared, address: &str, chromium: &Path) -> Value {
    json!({
        "address": address,
        "chromium": chromium,
        "threads": thread::available_parallelism().map_or(1, usize::from),
        "engines": bench.engines.iter().map(|e| e.key()).collect::<Vec<_>>(),
        "folder": prepared.levels_folder,
        "model": "/model",
        "levelsAt": "/levels",
        "task": prepared.task,
        "size": prepared.size,
        "classes": prepared.classes,
        "levels": prepared.levels,
        "exported": prepared.exported,
        "last": prepared.macs.len(),
        "batches": bench.batches,
        "warmUp": bench.warm_up,
        "turn": bench.turn,
        "rounds": bench.rounds,
    })
}

/// Runs the driver, shows what it says, collects its rows.
fn measure(project: &Project, bench: &BenchWeb, prepared: &Prepared, job: &Value) -> Result<Vec<Row>> {
    let mut driver = Command::new("node")
        .arg("driver/main.js")
        .current_dir(project.web_bench())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("node could not be started")?;
    if let Some(mut input) = driver.stdin.take() {
        input.write_all(job.to_string().as_bytes())?;
    }
    let mut rows = Vec::new();
    for line in driver.stdout.take().map(|out| BufReader::new(out).lines()).into_iter().flatten() {
        let event: Value = serde_json::from_str(&line?).context("the driver printed no JSON")?;
        if let Some(line) = event.get("say").and_then(Value::as_str) {
            println!("{line}");
        } else if let Some(skipped) = event.get("skipped") {
            let text =
                |key: &str| skipped[key].as_str().map_or_else(|| skipped[key].to_string(), str::to_owned);
            println!(
                "  left out: {} (level {}, batch {}): {}",
                text("engine"),
                text("level"),
                text("batch"),
                text("why")
            );
        } else if let Some(row) = event.get("row") {
            rows.push(Row::read(row)?);
        }
    }
    if !driver.wait()?.success() {
        bail!("the browser's side failed (its message is above)");
    }
    let order = |row: &Row| {
        let turn = bench.engines.iter().position(|e| *e == row.engine);
        (prepared.levels.iter().position(|l| *l == row.level), row.batch, turn)
    };
    rows.sort_by_key(order);
    Ok(rows)
}

/// What the times are times of.
struct Machine {
    processor: Option<String>,
    threads: usize,
}

impl Machine {
    fn of_this() -> Self {
        let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = about.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
        Self {
            processor: name.map(|(_, name)| name.to_owned()),
            threads: thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.threads == 1 { "" } else { "s" };
        if let Some(processor) = &self.processor {
            write!(f, "{processor}, ")?;
        }
        write!(f, "{} processor thread{plural}", self.threads)
    }
}

//! The CPU engine beside rten, tract, candle and onnxruntime: the same levels, in turns, in one run.
//!
//!     cargo bench -p dvn-tests --features peers [-- [--threads N] BACKBONE UNITS BATCH..]
//!
//! Random weights: only the shapes matter. onnxruntime comes from PyPI into an environment under the target folder; without
//! a network it is left out. Everyone's logits are held to the CPU engine's before anyone is timed.

mod onnxruntime;
mod runtimes;

use anyhow::{Context, Result, bail, ensure};
use dvn::{Network, Split, TaskSpec, order};
use dvn_tests::runner::{TOLERANCE, relative_error};
use native_train::{onnx, untrained};
use std::time::{Duration, Instant};

/// A level that is ready to run on images of one number.
pub trait Ready {
    /// The logits, images x classes.
    fn run(&mut self) -> Result<Vec<f32>>;

    /// Seconds of each run, for at least `length` and one run.
    fn turn(&mut self, length: Duration) -> Result<Vec<f64>> {
        let (start, mut times) = (Instant::now(), Vec::new());
        while times.is_empty() || start.elapsed() < length {
            let start = Instant::now();
            self.run()?;
            times.push(start.elapsed().as_secs_f64());
        }
        Ok(times)
    }
}

/// What everyone is given: a level, and images in 0 to 1.
pub struct Job<'a> {
    /// As dvn-train exports it.
    pub onnx: &'a [u8],
    /// N H W C.
    pub images: &'a [f32],
    /// Height and width, pixels.
    pub size: usize,
    /// Images.
    pub count: usize,
    /// Threads that may be used.
    pub threads: usize,
}

impl Job<'_> {
    /// The images as N C H W.
    pub fn planes(&self) -> Vec<f32> {
        let images = self.images.chunks_exact(3 * self.size * self.size);
        images.flat_map(|i| (0..3).flat_map(move |c| i.iter().skip(c).step_by(3).copied())).collect()
    }
}

const SIZE: usize = 32;
const CLASSES: usize = 10;
const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(500);
const TURN: Duration = Duration::from_millis(400);

struct Arguments {
    backbone: String,
    units: String,
    batches: Vec<usize>,
    threads: usize,
}

impl Arguments {
    fn read() -> Result<Arguments> {
        // Cargo adds `--bench`.
        let mut given: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
        let mut threads = 1;
        if let Some(at) = given.iter().position(|a| a == "--threads") {
            threads = given.get(at + 1).context("--threads wants a number")?.parse()?;
            given.drain(at..at + 2);
        }
        let mut given = given.into_iter();
        let backbone = given.next().unwrap_or_else(|| "wrn-32-4".into());
        let units = given.next().unwrap_or_else(|| "2".into());
        let mut batches: Vec<usize> = given.map(|b| b.parse()).collect::<Result<_, _>>()?;
        if batches.is_empty() {
            batches = vec![1, 8];
        }
        if threads == 0 || batches.contains(&0) {
            bail!("give at least one thread and one image");
        }
        Ok(Arguments { backbone, units, batches, threads })
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build_global()?;
    let split = Split::parse(&arguments.units)?;
    let order = order::default_orders(split.units(), 1)?.remove(0);
    let tasks = vec![TaskSpec { classes: CLASSES, input_size: SIZE, order }];
    let network = Network::new(arguments.backbone.parse()?, split, tasks)?;
    let folder = tempfile::tempdir()?;
    let model = untrained::write(&network, 1, folder.path())?;
    let python = onnxruntime::environment().inspect_err(|e| println!("left out: onnxruntime: {e:#}")).ok();

    println!(
        "{}, {} units, {SIZE} x {SIZE} pixels; threads: {}",
        arguments.backbone,
        network.levels(),
        arguments.threads
    );
    println!(
        "Milliseconds of a run (median of {ROUNDS} turns in alternating order); ratio: ours over this one.\n"
    );
    println!("| level | batch | engine | median | fastest | ratio |\n| --- | --- | --- | --- | --- | --- |");
    for level in 1..=network.levels() {
        let onnx = onnx::encode(&model, 0, level)?;
        for &count in &arguments.batches {
            let images: Vec<f32> =
                (0..count * SIZE * SIZE * 3).map(|i| (i * 31 % 101) as f32 / 100.0).collect();
            let job = Job { onnx: &onnx, images: &images, size: SIZE, count, threads: arguments.threads };
            let mut engines: Vec<(&str, Box<dyn Ready>)> = vec![
                ("CPU engine", runtimes::ours(&model, level, &job)?),
                ("rten", runtimes::rten(&job)?),
                ("tract", runtimes::tract(&job)?),
                ("candle", runtimes::candle(&model, level, &job)?),
            ];
            if let Some(python) = &python {
                engines.push(("onnxruntime", onnxruntime::ready(python, folder.path(), &job)?));
            }
            let times = measure(&mut engines)?;
            for ((name, _), (median, fastest)) in engines.iter().zip(&times) {
                let (ms, ratio) = (1e3 * median, times[0].0 / median);
                println!("| {level} | {count} | {name} | {ms:.2} | {:.2} | {ratio:.2} |", 1e3 * fastest);
            }
        }
    }
    Ok(())
}

/// The median and the fewest seconds of a run of each engine; the first one's logits are the others' measure.
fn measure(engines: &mut [(&str, Box<dyn Ready>)]) -> Result<Vec<(f64, f64)>> {
    let mut expected = Vec::new();
    for (name, engine) in engines.iter_mut() {
        let logits = engine.run()?;
        if expected.is_empty() {
            expected = logits.into_iter().map(f64::from).collect();
        } else {
            let (found, wanted) = (logits.len(), expected.len());
            ensure!(found == wanted, "{name} is wrong: it gives {found} logits, the CPU engine {wanted}");
            let apart = relative_error(&logits, &expected);
            ensure!(
                apart <= TOLERANCE,
                "{name} is wrong: its logits differ from the CPU engine's by {apart:.1e}"
            );
        }
        engine.turn(WARM_UP)?;
    }
    let mut times = vec![Vec::new(); engines.len()];
    for round in 0..ROUNDS {
        let forth = 0..engines.len();
        let order: Vec<usize> = if round % 2 == 0 { forth.collect() } else { forth.rev().collect() };
        for at in order {
            times[at].extend(engines[at].1.turn(TURN)?);
        }
    }
    let spread = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[0])
    };
    Ok(times.into_iter().map(spread).collect())
}

//! `dvn-train bench`.

use crate::config::Config;
use crate::data::augment::Augment;
use crate::data::{Dataset, Images, Loader, Prefetch, Scale};
use crate::report::units;
use crate::train::Joint;
use candle_core::Device;
use clap::ValueEnum;
use dvn::{Backbone, Network, Split, TaskSpec, order};
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Time the training step on random images: joint learning of every level of every task, as `train` does it.
///
/// The defaults are the paper's J1: CIFAR-10 and CIFAR-100, two units, wrn-32-4, batch 128.
#[derive(clap::Args)]
pub struct Args {
    /// wrn-D-S or resnet-D.
    #[arg(long, default_value = "wrn-32-4")]
    backbone: Backbone,
    /// Equal units (4) or fractions (1/2,1/4,1/4).
    #[arg(long, value_parser = Split::parse, default_value = "2")]
    units: Split,
    /// Classes of each task.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [10, 100])]
    classes: Vec<usize>,
    /// Height and width of the images, pixels.
    #[arg(long, default_value_t = 32)]
    size: usize,
    /// Images of each task in a step.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Steps that are timed.
    #[arg(long, default_value_t = 5)]
    steps: u64,
    /// Steps before those.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// What runs the convolutions.
    #[arg(long, value_enum, default_value_t = With::Kernels)]
    engine: With,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum With {
    /// The project's own kernels.
    Kernels,
    /// candle's built-in operations.
    Candle,
}

/// What was measured; seconds are of one step.
#[derive(Serialize)]
struct Measured {
    engine: &'static str,
    network: String,
    batch: usize,
    threads: usize,
    images_per_s: f64,
    gflop_per_s: f64,
    /// Of fused multiply-adds in registers, on all threads at once.
    peak_gflop_per_s: f64,
    forward_s: f64,
    backward_s: f64,
    optimizer_s: f64,
    waited_for_input_s: f64,
    other_s: f64,
    step_s: f64,
    peak_bytes: Option<u64>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(args.steps > 0 && args.batch > 1, "give at least one step and two images");
    let orders = order::default_orders(args.units.units(), args.classes.len())?;
    let spec = |(&classes, order)| TaskSpec { classes, input_size: args.size, order };
    let tasks = args.classes.iter().zip(orders).map(spec).collect();
    let network = Network::new(args.backbone, args.units, tasks)?;
    let training = Config::parse(include_str!("../../configs/j1.toml")).map(|c| c.training)?;
    let mut joint = Joint::new(&network, 1, Device::Cpu)?;
    if args.engine == With::Candle {
        joint = joint.with_built_in_operations();
    }
    let loaders = args.classes.iter().enumerate().map(|(task, &classes)| {
        let set = Arc::new(noise(args.size, classes, 8 * args.batch));
        Ok(Loader::new(set, args.batch, 1, task)?.with_augment(Augment::standard(args.size)))
    });
    let loaders = loaders.collect::<anyhow::Result<Vec<_>>>()?;
    let mut batches = Prefetch::new(loaders, 0..args.warm_up + args.steps, |_| Scale::Full)?;

    let mut macs = 0;
    for task in 0..args.classes.len() {
        for level in 1..=network.levels() {
            macs += network.plan(task, level)?.costs().macs;
        }
    }
    let (mut start, mut before, mut waited) = (Instant::now(), joint.times(), batches.waited());
    let mut step = 0;
    while let Some(batch) = batches.next_step() {
        joint.step(&batch, 1e-4, &training)?;
        batches.recycle(batch);
        step += 1;
        if step == args.warm_up {
            (start, before, waited) = (Instant::now(), joint.times(), batches.waited());
        }
    }
    let steps = args.steps as f64;
    let step_s = start.elapsed().as_secs_f64() / steps;
    let after = joint.times();
    let forward_s = (after.0.forward - before.0.forward).as_secs_f64() / steps;
    let backward_s = (after.0.backward - before.0.backward).as_secs_f64() / steps;
    let optimizer_s = (after.1 - before.1).as_secs_f64() / steps;
    let waited_s = (batches.waited() - waited).as_secs_f64() / steps;
    let measured = Measured {
        engine: if args.engine == With::Kernels { "dvn-train" } else { "candle" },
        network: format!("{}, {}", args.backbone, units(network.levels())),
        batch: args.batch,
        threads: rayon::current_num_threads(),
        images_per_s: (args.batch * args.classes.len()) as f64 / step_s,
        // Forward, input gradient and weight gradient, two operations a multiply-accumulate, counted as direct convolution.
        gflop_per_s: 6.0 * (macs * args.batch as u64) as f64 / step_s / 1e9,
        peak_gflop_per_s: peak_gflop_per_s(),
        forward_s,
        backward_s,
        optimizer_s,
        waited_for_input_s: waited_s,
        other_s: step_s - forward_s - backward_s - optimizer_s - waited_s,
        step_s,
        peak_bytes: peak_bytes(),
    };
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&measured)?);
        return Ok(ExitCode::SUCCESS);
    }
    let m = &measured;
    outln!("{}, batch {} of each task, {} threads", m.network, m.batch, m.threads);
    outln!(
        "  {:.1} images/s through all levels, {:.0} GFLOP/s counted as direct convolution; multiply-adds alone reach {:.0}",
        m.images_per_s,
        m.gflop_per_s,
        m.peak_gflop_per_s
    );
    for (name, seconds) in [
        ("forward", m.forward_s),
        ("backward", m.backward_s),
        ("optimizer", m.optimizer_s),
        ("waiting for input", m.waited_for_input_s),
        ("packing, loss, other", m.other_s),
        ("a step", m.step_s),
    ] {
        outln!("  {name:22}{:9.1} ms {:5.1} %", 1e3 * seconds, 100.0 * seconds / m.step_s);
    }
    if let Some(bytes) = m.peak_bytes {
        outln!("  peak memory {:.2} GB", bytes as f64 / 1e9);
    }
    Ok(ExitCode::SUCCESS)
}

/// Random images with random labels.
fn noise(size: usize, classes: usize, images: usize) -> Dataset {
    let mut rng = crate::data::rng::Rng::keyed(&[images as u64]);
    let pixels = (0..images * size * size * 3).map(|_| rng.below(256) as u8).collect();
    Dataset {
        name: "noise".into(),
        classes: (0..classes).map(|c| c.to_string()).collect(),
        size,
        images: Images::new(size, pixels),
        labels: (0..images).map(|_| rng.below(classes) as u16).collect(),
    }
}

/// What all threads do together, best of ten.
fn peak_gflop_per_s() -> f64 {
    let isa = cpu_kernels::Isa::best();
    let once = |_| {
        let start = Instant::now();
        let operations: u64 = rayon::broadcast(|_| cpu_kernels::multiply_adds(isa, 1 << 20)).iter().sum();
        1e-9 * operations as f64 / start.elapsed().as_secs_f64()
    };
    (0..10).map(once).fold(0.0, f64::max)
}

/// The most memory that this process has held, where the system says (Linux).
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

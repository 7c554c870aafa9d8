//! Milliseconds an image at every level, on every engine: does the time follow the arithmetic?
//!
//!     cargo bench -p wasm-infer --features native [-- BACKBONE UNITS BATCH..]
//!
//! Random weights: only the shapes matter. A software adapter is left out: its times say nothing of a GPU's.

mod common;

use dvn::{Network, Split, TaskSpec, order};
use std::error::Error;
use std::time::Instant;
use wasm_infer::{Engine, Gpu, block_on};

/// A level is run for at least so long, after as long for warming up.
const SECONDS: f64 = 1.0;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let backbone = arguments.first().map_or("wrn-32-4", String::as_str);
    let split = Split::parse(arguments.get(1).map_or("4", String::as_str))?;
    let batches: Vec<usize> = match arguments.get(2..) {
        Some(given) if !given.is_empty() => given.iter().map(|b| b.parse()).collect::<Result<_, _>>()?,
        _ => vec![1, 8, 64],
    };
    let order = order::default_orders(split.units(), 1)?.remove(0);
    let tasks = vec![TaskSpec { classes: 10, input_size: 32, order }];
    let network = Network::new(backbone.parse()?, split, tasks)?;
    let whole = network.plan(0, network.levels())?.costs();

    let mut engines = vec![("CPU".to_owned(), Engine::cpu(network.clone()))];
    match block_on(Gpu::request()) {
        Ok(gpu) if gpu.software() => println!("left out: {}, a software adapter", gpu.name()),
        Ok(gpu) => engines.push((gpu.name().to_owned(), Engine::gpu(gpu, network.clone()))),
        Err(e) => println!("left out: {e}"),
    }
    println!(
        "{backbone}, {} units, 32 x 32 pixels; whole: {:.2} M parameters",
        network.levels(),
        whole.parameters as f64 / 1e6
    );
    println!(
        "| engine | batch | level | M multiply-accumulates | ms an image | of the whole's time | of its arithmetic |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (name, engine) in &engines {
        for id in network.shards() {
            engine.insert(id, common::shard(&network, id)?)?;
        }
        for &batch in &batches {
            let input: Vec<f32> = (0..batch * 32 * 32 * 3).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect();
            let time = |level| -> Result<f64, Box<dyn Error>> {
                let run = || block_on(engine.run(0, level, &input, batch)).map(drop);
                let start = Instant::now();
                while start.elapsed().as_secs_f64() < SECONDS {
                    run()?;
                }
                let mut times = Vec::new();
                while times.iter().sum::<f64>() < SECONDS {
                    let start = Instant::now();
                    run()?;
                    times.push(start.elapsed().as_secs_f64());
                }
                times.sort_by(f64::total_cmp);
                Ok(1e3 * times[times.len() / 2] / batch as f64)
            };
            let times = (1..=network.levels()).map(time).collect::<Result<Vec<f64>, _>>()?;
            let last = times[times.len() - 1];
            for (level, ms) in (1..).zip(&times) {
                let macs = network.plan(0, level)?.costs().macs as f64;
                println!(
                    "| {name} | {batch} | {level} | {:.1} | {ms:.3} | {:.3} | {:.3} |",
                    macs / 1e6,
                    ms / last,
                    macs / whole.macs as f64
                );
            }
        }
    }
    Ok(())
}

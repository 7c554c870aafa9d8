//! Every kernel of the GPU engine on every shape of layer, beside what the GPU can do at most.
//!
//!     cargo bench -p wasm-infer --features native --bench kernels [-- BACKBONE UNITS LEVEL BATCH..]
//!
//! A layer's share of the peak counts direct multiply-accumulates: Winograd may show more than all. Random weights: only
//! the shapes matter. A software adapter's figures say nothing of a GPU's.

mod common;

use dvn::{Network, Split, TaskSpec, order};
use std::error::Error;
use std::time::Instant;
use wasm_infer::{Gpu, GpuEngine, GpuOptions, block_on};

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let backbone = arguments.first().map_or("wrn-32-4", String::as_str);
    let split = Split::parse(arguments.get(1).map_or("4", String::as_str))?;
    let level = arguments.get(2).map_or(Ok(split.units()), |l| l.parse())?;
    let batches: Vec<usize> = match arguments.get(3..) {
        Some(given) if !given.is_empty() => given.iter().map(|b| b.parse()).collect::<Result<_, _>>()?,
        _ => vec![1, 8, 64],
    };
    let order = order::default_orders(split.units(), 1)?.remove(0);
    let tasks = vec![TaskSpec { classes: 10, input_size: 32, order }];
    let network = Network::new(backbone.parse()?, split, tasks)?;

    let gpu = block_on(Gpu::request_with(GpuOptions { every_kernel: true, ..GpuOptions::default() }))?;
    let Peak { flops, dispatch } = block_on(peak())?;
    println!(
        "{}: {:.1} GFLOP/s of f32 multiply-adds, {:.1} us a dependent dispatch",
        gpu.name(),
        flops / 1e9,
        1e6 * dispatch
    );
    if gpu.software() {
        println!("a software adapter: what follows says nothing of a GPU");
    }
    for (name, reason) in gpu.dropped() {
        println!("left out: {name}: {reason}");
    }
    let engine = GpuEngine::new(gpu, network.clone());
    for id in network.plan(0, level)?.shards() {
        engine.insert(id, common::shard(&network, id)?)?;
    }
    println!("{backbone}, level {level} of {}", network.levels());
    println!("| batch | layer | layers | kernel | us | GFLOP/s | share of the peak | floor, us |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for batch in batches {
        let (mut best, mut floors) = (0.0, 0.0);
        for layer in block_on(engine.layer_times(0, level, batch))? {
            let operations = 2.0 * layer.macs as f64;
            let floor = operations / flops + dispatch;
            for (variant, ms) in &layer.times {
                let rate = operations / (ms / 1e3);
                println!(
                    "| {batch} | {} | {} | {} | {:.1} | {:.1} | {:.2} | {:.1} |",
                    layer.shape,
                    layer.layers,
                    variant.name(),
                    1e3 * ms,
                    rate / 1e9,
                    rate / flops,
                    1e6 * floor
                );
            }
            let fastest = layer.times.iter().map(|(_, ms)| *ms).fold(f64::INFINITY, f64::min);
            best += layer.layers as f64 * fastest;
            floors += layer.layers as f64 * floor;
        }
        println!("batch {batch}: {best:.3} ms by the fastest kernels, floor {:.3} ms", 1e3 * floors);
    }
    Ok(())
}

/// What the GPU can do at most.
struct Peak {
    /// f32 operations a second, two for a multiply-add.
    flops: f64,
    /// Seconds of a dispatch that does next to nothing, after another one that writes the same.
    dispatch: f64,
}

const THREADS: u32 = 256;
/// Enough for the largest GPUs.
const GROUPS: u32 = 4096;
const ROUNDS: u32 = 512;
/// Multiply-adds of a round: eight independent chains of four.
const ROUND: u32 = 32;

const SHADER: &str = "
override ROUNDS: u32;
@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let m = vec4<f32>(0.999) + y[0];
    var a = vec4<f32>(f32(id.x));
    var b = a + 1.0;
    var c = a + 2.0;
    var d = a + 3.0;
    var e = a + 4.0;
    var f = a + 5.0;
    var g = a + 6.0;
    var h = a + 7.0;
    for (var i = 0u; i < ROUNDS; i++) {
        a = fma(a, m, m);
        b = fma(b, m, m);
        c = fma(c, m, m);
        d = fma(d, m, m);
        e = fma(e, m, m);
        f = fma(f, m, m);
        g = fma(g, m, m);
        h = fma(h, m, m);
    }
    let sum = a + b + c + d + e + f + g + h;
    // Never true, but the compiler does not know.
    if sum.x == 1e30 {
        y[1] = sum;
    }
}
";

async fn peak() -> Result<Peak, Box<dyn Error>> {
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    let adapter = wgpu::Instance::default().request_adapter(&options).await?;
    let (device, queue) = adapter.request_device(&wgpu::DeviceDescriptor::default()).await?;
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(SHADER.into()),
    });
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 32,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    // Seconds of one of `times` dispatches, the best of a few goes after one for warming up.
    let time = |rounds: u32, groups: u32, times: u32| -> Result<f64, Box<dyn Error>> {
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[("ROUNDS", f64::from(rounds))],
                ..Default::default()
            },
            cache: None,
        });
        let entry = wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() };
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[entry],
        });
        let mut best = f64::INFINITY;
        for _ in 0..4 {
            let start = Instant::now();
            let mut encoder = device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bindings, &[]);
            (0..times).for_each(|_| pass.dispatch_workgroups(groups, 1, 1));
            drop(pass);
            queue.submit([encoder.finish()]);
            device.poll(wgpu::PollType::wait_indefinitely())?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        Ok(best / f64::from(times))
    };
    let operations = 2.0 * f64::from(THREADS) * f64::from(GROUPS) * f64::from(ROUNDS) * f64::from(ROUND);
    Ok(Peak { flops: operations / time(ROUNDS, GROUPS, 1)?, dispatch: time(1, 1, 1000)? })
}

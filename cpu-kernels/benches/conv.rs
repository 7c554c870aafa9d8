//! Speed of the convolutions, counted as direct ones, beside the processor's peak.
//!
//! `cargo bench -p cpu-kernels [-- [--quick] [WORD...]]`: only lines that contain all words, such as `Avx2`, `threads: 1` or
//! `64 -> 64`.

use cpu_kernels::{Activation, Gradient, Input, InputGradient, Isa, Output, Shape, Workspace};
use std::time::Instant;

/// images, size of the input, inputs, outputs, stride
const SHAPES: [(usize, usize, usize, usize, usize); 14] = [
    (64, 32, 64, 64, 1),
    (64, 16, 128, 128, 1),
    (64, 8, 256, 256, 1),
    (64, 32, 32, 32, 1),
    (64, 32, 16, 16, 1),
    (64, 32, 8, 8, 1),
    (64, 16, 16, 16, 1),
    (64, 8, 32, 32, 1),
    (64, 32, 24, 24, 1),
    (64, 32, 64, 128, 2),
    (64, 16, 128, 256, 2),
    (64, 32, 3, 64, 1),
    (64, 32, 3, 16, 1),
    (1, 16, 128, 128, 1),
];

fn main() {
    let (options, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let quick = options.iter().any(|o| o == "--quick");
    let rounds = if quick { 5 } else { 15 };
    let most = std::thread::available_parallelism().map_or(1, usize::from);
    for isa in Isa::available() {
        if isa == Isa::Portable && quick {
            continue;
        }
        for threads in if most > 1 { vec![1, most] } else { vec![1] } {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
            pool.install(|| table(isa, threads, rounds, &words));
        }
    }
}

fn table(isa: Isa, threads: usize, rounds: usize, words: &[String]) {
    let mut ws = if isa == Isa::best() { Workspace::new() } else { Workspace::with_isa(isa) };
    let title = format!("{isa:?}, threads: {threads}");
    let named = SHAPES.map(|(images, size, inputs, outputs, stride)| {
        let name = format!("{images}, {inputs} -> {outputs} at {size} x {size}, stride {stride}");
        (name, Shape { images, height: size, width: size, inputs, outputs, stride })
    });
    let chosen: Vec<_> = named
        .iter()
        .filter(|(name, _)| words.iter().all(|w| name.contains(w) || title.contains(w)))
        .collect();
    if chosen.is_empty() {
        return;
    }
    println!("\n{title}, peak of a thread {:.1} GFLOP/s", peak(isa));
    println!("GFLOP/s as direct convolution (ms), best of {rounds}");
    println!("{:38} {:>18} {:>18} {:>18}", "images, shape", "forward", "input gradient", "weight gradient");
    for (name, shape) in chosen {
        let x = values(shape.input().len());
        let g = values(shape.output().len());
        let w = values(shape.weights());
        let (mut y, mut dx, mut dw) = (g.clone(), x.clone(), w.clone());
        let gradient = Gradient { g: &g, norm: None };
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            let t = Instant::now();
            cpu_kernels::forward(&mut ws, shape, Input::Plain(&x), &w, &mut y, Output::Plain);
            times[0].push(t.elapsed().as_secs_f64());
            let t = Instant::now();
            cpu_kernels::input_gradient(&mut ws, shape, gradient, &w, &mut dx, InputGradient::Plain);
            times[1].push(t.elapsed().as_secs_f64());
            let t = Instant::now();
            cpu_kernels::weight_gradient(&mut ws, shape, Activation::Plain(&x), gradient, &mut dw);
            times[2].push(t.elapsed().as_secs_f64());
        }
        print!("{name:38}");
        for t in &times {
            // The best: others may be using the machine too.
            let t = t.iter().copied().fold(f64::INFINITY, f64::min);
            print!(" {:>7.1} ({:8.3})", 2e-9 * shape.macs() as f64 / t, 1e3 * t);
        }
        println!();
    }
}

/// Multiply-adds in registers, GFLOP/s.
fn peak(isa: Isa) -> f64 {
    let once = || {
        let t = Instant::now();
        let operations = cpu_kernels::multiply_adds(isa, 1 << 20);
        1e-9 * operations as f64 / t.elapsed().as_secs_f64()
    };
    (0..10).map(|_| once()).fold(0.0, f64::max)
}

fn values(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 7919 % 1009) as f32 / 504.0 - 1.0).collect()
}

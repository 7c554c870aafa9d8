//! Every engine against the reference, on random small networks: uneven splits, odd sizes, both strides, several
//! batches, the rule's orders and given ones, every task and level.

use dvn_tests::case::Sizes;
use dvn_tests::{CandleRunner, Case, EngineRunner, Runner, agreement, reference};
use wasm_infer::{Engine, Gpu};

/// Every network here has two tasks of different sizes, so that one engine serves both.
const CASES: &[Sizes] = &[
    Sizes { backbone: "wrn-8-1", units: "1", orders: &[], tasks: &[(10, 32)], count: 1 },
    Sizes { backbone: "wrn-8-1", units: "3", orders: &[], tasks: &[(10, 17), (7, 9)], count: 3 },
    Sizes {
        backbone: "wrn-8-1",
        units: "3",
        orders: &["2 3 1", "3 1 2"],
        tasks: &[(3, 1), (5, 5)],
        count: 8,
    },
    Sizes { backbone: "wrn-8-2", units: "1/2,1/4,1/4", orders: &[], tasks: &[(10, 32), (100, 9)], count: 1 },
    Sizes { backbone: "wrn-8-2", units: "1/4,1/2,1/4", orders: &["2 1 3"], tasks: &[(4, 13)], count: 3 },
    Sizes { backbone: "wrn-14-1", units: "2", orders: &[], tasks: &[(10, 16), (2, 33)], count: 2 },
    Sizes { backbone: "resnet-10", units: "4", orders: &[], tasks: &[(50, 9), (50, 12)], count: 1 },
    Sizes { backbone: "wrn-8-1", units: "2", orders: &[], tasks: &[(10, 64), (10, 97)], count: 1 },
];

/// Holds a runner to every case.
fn hold(mut runner: impl FnMut(&Case) -> Box<dyn Runner>) {
    let mut worst = 0f64;
    for (seed, sizes) in CASES.iter().enumerate() {
        let case = Case::random(sizes, seed as u64 + 1).expect("the table above describes networks");
        let mut runner = runner(&case);
        for (task, level) in case.levels() {
            let logits = runner.run(&case, task, level).expect("the engine runs");
            let expected = reference::logits(&case, task, level);
            let found = agreement(&logits, &expected, case.network.tasks()[task].classes);
            assert!(
                found.holds(),
                "{}, {}, task {}, level {level}: {found:?}",
                runner.name(),
                case.name,
                task + 1
            );
            worst = worst.max(found.error);
        }
    }
    println!("largest relative error {worst:.1e}");
}

#[test]
fn the_cpu_engine_agrees_with_the_reference() {
    hold(|case| Box::new(EngineRunner::new("cpu", Engine::cpu(case.network.clone()))));
}

#[test]
fn the_gpu_engine_agrees_with_the_reference() {
    let gpu = wasm_infer::block_on(Gpu::request())
        .expect("an adapter: on a machine without a GPU, Mesa's lavapipe");
    println!("{}{}", gpu.name(), if gpu.software() { ", a software adapter" } else { "" });
    hold(|case| Box::new(EngineRunner::new("wgpu", Engine::gpu(gpu.clone(), case.network.clone()))));
}

#[test]
fn candle_agrees_with_the_reference() {
    hold(|case| Box::new(CandleRunner::new(case)));
}

//! What a small GPU does to an engine, with limits made small.

use super::kernels::{Kernels, Pipe};
use super::random::Random;
use super::selftest;
use super::trial::{self, Sizes};
use super::*;
use crate::CpuEngine;
use dvn::{Split, TaskSpec, order};

const SIZE: usize = 6;

/// The adapter with all kernels: on a software adapter too.
fn every_kernel() -> Gpu {
    let options = GpuOptions { every_kernel: true, ..GpuOptions::default() };
    let gpu = pollster::block_on(Gpu::request_with(options));
    Arc::into_inner(gpu.expect("an adapter: without a GPU, Mesa's lavapipe"))
        .expect("the self-test keeps none")
}

fn gpu(change: impl FnOnce(&mut wgpu::Limits)) -> Arc<Gpu> {
    let gpu = pollster::block_on(Gpu::request()).expect("an adapter: without a GPU, Mesa's lavapipe");
    let mut gpu = Arc::into_inner(gpu).expect("the self-test keeps none");
    change(&mut gpu.limits);
    Arc::new(gpu)
}

fn network() -> Network {
    let order = order::default_orders(2, 1).expect("one task").remove(0);
    let tasks = vec![TaskSpec { classes: 3, input_size: SIZE, order }];
    let backbone = "wrn-8-1".parse().expect("a backbone");
    Network::new(backbone, Split::equal(2).expect("two units"), tasks).expect("a network")
}

/// Both engines with every shard.
fn engines(gpu: Arc<Gpu>) -> (GpuEngine, CpuEngine) {
    let network = network();
    let engine = GpuEngine::new(gpu, network.clone());
    let mut reference = CpuEngine::new(network.clone());
    let mut random = Random::new(3);
    for id in network.shards() {
        let shard = selftest::shard(&network, id, &mut random).expect("a shard of the network");
        engine.insert(id, shard.clone()).expect("it fits");
        reference.insert(id, shard).expect("it fits");
    }
    (engine, reference)
}

fn images(count: usize) -> Vec<f32> {
    Random::new(5).vec(count * SIZE * SIZE * 3, 1.0)
}

#[track_caller]
fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{found:?} should be {expected:?}");
    }
}

/// The last layer holds 9 x 32 x 32 numbers at level 1 and four times as many at level 2.
#[test]
fn a_level_that_is_too_large_leaves_the_smaller_one_running() {
    let (engine, mut reference) = engines(gpu(|l| l.max_storage_buffer_binding_size = 4 * 9 * 32 * 32));
    let x = images(1);
    let small = reference.run(0, 1, &x, 1).expect("the CPU has room");
    assert_near(&pollster::block_on(engine.run(0, 1, &x, 1)).expect("level 1 fits"), &small);
    for _ in 0..2 {
        match pollster::block_on(engine.run(0, 2, &x, 1)) {
            Err(EngineError::Limits { found, needed, .. }) => assert!(needed > found, "{needed} > {found}"),
            other => panic!("{other:?}"),
        }
        assert_near(&pollster::block_on(engine.run(0, 1, &x, 1)).expect("level 1 still fits"), &small);
    }
    engine.retain(&[]);
    assert_eq!(engine.resident_bytes(), 0);
    assert_eq!(engine.activation_bytes(), 0);
}

/// Without memory for more, what ran before still does, and the level runs once there is memory again.
#[test]
fn out_of_memory_on_the_way_up_leaves_the_lower_level_running() {
    let starve = |gpu: &Gpu, on| gpu.starved.store(on, std::sync::atomic::Ordering::Relaxed);
    let (engine, mut reference) = engines(gpu(|_| ()));
    let x = images(1);
    let [low, high] = [1, 2].map(|level| reference.run(0, level, &x, 1).expect("the CPU has room"));
    assert_near(&pollster::block_on(engine.run(0, 1, &x, 1)).expect("level 1 fits"), &low);
    let before = engine.resident_bytes();
    starve(&engine.gpu, true);
    match pollster::block_on(engine.run(0, 2, &x, 1)) {
        Err(EngineError::OutOfMemory { what }) => assert_eq!(what, "the weights of level 2"),
        other => panic!("{other:?}"),
    }
    // Nor is there room for the maps of a larger batch of the level that runs.
    let more = images(9);
    assert!(matches!(
        pollster::block_on(engine.run(0, 1, &more, 9)),
        Err(EngineError::OutOfMemory { what }) if what == "the feature maps"
    ));
    assert_eq!(engine.resident_bytes(), before, "what could not be uploaded is not kept on the GPU");
    starve(&engine.gpu, false);
    assert_near(&pollster::block_on(engine.run(0, 1, &x, 1)).expect("level 1 still runs"), &low);
    assert_near(&pollster::block_on(engine.run(0, 2, &x, 1)).expect("there is memory again"), &high);
}

#[test]
fn a_batch_that_is_too_large_is_run_in_parts() {
    // Level 1's largest map: 6 x 6 pixels, 8 channels.
    let map = 4 * SIZE as u64 * SIZE as u64 * 8;
    // Its last layer's weights would fit in 8 maps of the batch, so they set the limit.
    let limit = (4 * 9 * 32 * 32_u64).next_multiple_of(map);
    let (engine, mut reference) = engines(gpu(|l| l.max_storage_buffer_binding_size = limit));
    let count = (limit / map) as usize * 2 + 1;
    let x = images(count);
    let found = pollster::block_on(engine.run(0, 1, &x, count)).expect("parts fit");
    assert_near(&found, &reference.run(0, 1, &x, count).expect("the CPU has room"));
    assert!(engine.state.borrow().maps.iter().all(|m| m.bytes() <= limit));
}

#[test]
fn more_workgroups_than_a_row_allows_are_spread_over_rows() {
    let (engine, mut reference) = engines(gpu(|l| l.max_compute_workgroups_per_dimension = 5));
    let x = images(2);
    let found = pollster::block_on(engine.run(0, 1, &x, 2)).expect("rows fit");
    assert_near(&found, &reference.run(0, 1, &x, 2).expect("the CPU has room"));
    let x = images(64);
    let error = pollster::block_on(engine.run(0, 2, &x, 64)).expect_err("5 x 5 workgroups are too few");
    assert!(matches!(error, EngineError::Limits { found: 25, .. }), "{error:?}");
}

/// The next upload for level 2 of a state, as a run leaves it while it waits for the GPU.
fn staged(engine: &GpuEngine) -> weights::Upload {
    let shards = network().plan(0, 2).expect("a level").shards();
    let stage = || engine.state.borrow_mut().weights.stage(&engine.gpu, &shards);
    engine.gpu.watch(stage).0.expect("it fits").expect("nothing is uploaded yet")
}

#[test]
fn of_two_uploads_at_once_the_second_gives_way() {
    let (engine, mut reference) = engines(gpu(|_| ()));
    let before = engine.resident_bytes();
    let (first, second) = (staged(&engine), staged(&engine));
    engine.state.borrow_mut().weights.commit(first);
    engine.state.borrow_mut().weights.commit(second);
    assert_eq!(engine.resident_bytes(), before);
    let x = images(2);
    let found = pollster::block_on(engine.run(0, 2, &x, 2)).expect("runs");
    assert_near(&found, &reference.run(0, 2, &x, 2).expect("runs"));
    assert_eq!(engine.resident_bytes(), before);
}

#[test]
fn an_upload_does_not_bring_back_what_was_freed_meanwhile() {
    let (engine, _) = engines(gpu(|_| ()));
    let upload = staged(&engine);
    engine.retain(&[]);
    engine.state.borrow_mut().weights.commit(upload);
    assert_eq!(engine.resident_bytes(), 0);
    assert!(engine.resident().is_empty());
}

/// Odd sizes, units of unequal width, outputs that are no multiple of a tile's, batches of 1 to 9.
const LAYERS: &[Sizes] = &[
    layer(1, (1, 1), &[4], &[4], false),
    layer(2, (3, 17), &[8], &[12], true),
    layer(3, (8, 8), &[64], &[64], true),
    layer(4, (16, 9), &[4, 20], &[36, 4], true),
    layer(5, (7, 5), &[12, 4, 8], &[8, 4, 12], false),
    layer(6, (2, 8), &[16], &[20], true),
    layer(7, (10, 8), &[20], &[68], true),
    layer(8, (12, 4), &[8, 16], &[32], false),
    layer(9, (9, 23), &[12, 16], &[24, 16], true),
];

const fn layer(
    images: usize,
    (height, width): (usize, usize),
    inputs: &'static [usize],
    outputs: &'static [usize],
    shortcut: bool,
) -> Sizes {
    Sizes { images, height, width, inputs, outputs, stride: 1, shortcut }
}

#[test]
fn every_variant_computes_what_the_cpu_does() {
    let gpu = every_kernel();
    assert_eq!(gpu.dropped(), []);
    for variant in Variant::ALL {
        let mut tried = 0;
        for (sizes, stride) in LAYERS.iter().flat_map(|s| [(s, 1), (s, 2)]) {
            if !gpu.kernels.has(variant, stride) {
                continue;
            }
            let sizes = Sizes { stride: stride as usize, ..*sizes };
            let trial = trial::begin(&gpu, variant, &sizes).expect("there is such a kernel");
            let error = pollster::block_on(trial.error(&gpu)).expect("runs");
            assert!(error < 1e-5, "{variant:?}, {sizes:?}: {error:.1e}");
            tried += 1;
        }
        assert!(tried >= LAYERS.len(), "{variant:?} was tried {tried} times");
    }
}

/// What the self-test is for: a kernel that computes something else is found out, named, and done without.
#[test]
fn a_wrong_kernel_is_dropped_and_named() {
    let mut gpu = every_kernel();
    gpu.kernels.confuse(Pipe::SplitInside, Pipe::SplitAcross);
    let gpu = Arc::new(gpu);
    pollster::block_on(selftest::run(&gpu)).expect("the rest is right");
    let names: Vec<_> = gpu.dropped().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["split inside groups"]);
    assert!(gpu.dropped()[0].1.contains("differ"), "{:?}", gpu.dropped());
    let (engine, mut reference) = engines(gpu);
    let kernels = engine.kernels(0, 2, 1).expect("a level");
    assert!(kernels.iter().all(|k| k.variant != Variant::SplitInside), "{kernels:?}");
    let x = images(1);
    let found = pollster::block_on(engine.run(0, 2, &x, 1)).expect("runs without it");
    assert_near(&found, &reference.run(0, 2, &x, 1).expect("runs"));
}

#[test]
fn a_gpu_without_any_right_kernel_fails_the_self_test() {
    let mut gpu = Arc::into_inner(gpu(|_| ())).expect("nobody else has it");
    gpu.kernels.confuse(Pipe::RegistersStrided, Pipe::Registers);
    match pollster::block_on(selftest::run(&Arc::new(gpu))) {
        Err(EngineError::SelfTest { reason, .. }) => {
            assert!(reason.contains("stride 2") && reason.contains("registers at stride 2"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let mut gpu = every_kernel();
    gpu.kernels.confuse(Pipe::Pool, Pipe::Classifier);
    assert!(pollster::block_on(selftest::run(&Arc::new(gpu))).is_err(), "there is only one way to pool");
}

/// Limits as of a small phone: what asks for more is not even compiled.
#[test]
fn kernels_beyond_the_limits_are_not_made() {
    let gpu = every_kernel();
    let limits = wgpu::Limits { max_compute_invocations_per_workgroup: 128, ..gpu.limits.clone() };
    let kernels = pollster::block_on(Kernels::new(&gpu.device, &limits, false));
    assert_eq!(
        kernels.dropped().into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["split inside groups"]
    );
    let limits = wgpu::Limits { max_compute_workgroup_storage_size: 12_300, ..limits };
    let kernels = pollster::block_on(Kernels::new(&gpu.device, &limits, false));
    let has: Vec<_> = Variant::ALL.into_iter().filter(|&v| kernels.has(v, 1)).collect();
    assert_eq!(has, [Variant::Registers, Variant::Winograd]);
}

/// Measured once, reported, kept for the next visit; the answer stays the same.
#[test]
fn the_fastest_kernels_are_measured_and_remembered() {
    let mut gpu = every_kernel();
    // What a software adapter would not do by itself.
    gpu.software = false;
    let (engine, mut reference) = engines(Arc::new(gpu));
    let x = images(1);
    let expected = reference.run(0, 2, &x, 1).expect("runs");
    for _ in 0..2 {
        assert_near(&pollster::block_on(engine.run(0, 2, &x, 1)).expect("runs"), &expected);
    }
    let kernels = engine.kernels(0, 2, 1).expect("a level");
    assert_eq!(kernels[0].origin, Origin::Only, "a stem has only one");
    let measured: Vec<_> = kernels.iter().filter(|k| k.origin == Origin::Measured).cloned().collect();
    assert!(!measured.is_empty(), "{kernels:?}");
    let record = engine.gpu().record();

    let options = GpuOptions { every_kernel: true, record: Some(record.clone()) };
    let again = pollster::block_on(Gpu::request_with(options)).expect("an adapter");
    assert_eq!(again.record(), record);
    let engine = GpuEngine::new(again, network());
    for (now, then) in engine.kernels(0, 2, 1).expect("a level").iter().zip(&kernels) {
        assert_eq!(now.variant, if then.origin == Origin::Rule { now.variant } else { then.variant });
        if then.origin == Origin::Measured {
            assert_eq!(now.origin, Origin::Kept);
        }
    }
}

/// Whole networks: units of unequal width, odd sizes, both strides, four stages, every level.
#[test]
fn every_variant_runs_networks_as_the_cpu_does() {
    let gpu = Arc::new(every_kernel());
    let networks = [
        ("wrn-8-1", "3", 17, 3),
        ("wrn-8-2", "1/2,1/4,1/4", 9, 1),
        ("wrn-8-1", "2", 33, 1),
        ("wrn-8-1", "1", 5, 8),
        ("resnet-10", "4", 12, 2),
    ];
    for (backbone, split, size, count) in networks {
        let split = Split::parse(split).expect("units");
        let order = order::default_orders(split.units(), 1).expect("one task").remove(0);
        let tasks = vec![TaskSpec { classes: 3, input_size: size, order }];
        let network = Network::new(backbone.parse().expect("a backbone"), split, tasks).expect("a network");
        let mut reference = CpuEngine::new(network.clone());
        let mut random = Random::new(7);
        let mut shards = Vec::new();
        for id in network.shards() {
            // Smaller weights than the self-test's: the widest of these networks sums up far more of them.
            let shard = selftest::shard_within(&network, id, &mut random, 0.05).expect("a shard");
            reference.insert(id, shard.clone()).expect("it fits");
            shards.push((id, shard));
        }
        let x = random.vec(count * size * size * 3, 1.0);
        for variant in Variant::ALL {
            let engine = GpuEngine::with_choice(gpu.clone(), network.clone(), Choice::Always(variant));
            shards.iter().for_each(|(id, s)| engine.insert(*id, s.clone()).expect("it fits"));
            for level in 1..=network.levels() {
                let kernels = engine.kernels(0, level, count).expect("a level");
                assert!(kernels.iter().any(|k| k.variant == variant && k.origin == Origin::Forced));
                let found = pollster::block_on(engine.run(0, level, &x, count)).expect("runs");
                let expected = reference.run(0, level, &x, count).expect("runs");
                let error = trial::distance(&found, &expected);
                assert!(error < 1e-4, "{variant:?}, {backbone}, {size}, level {level}: {error:.1e}");
            }
        }
    }
}

//! What a small GPU does to an engine, with limits made small.

use super::selftest::{self, Random};
use super::*;
use crate::CpuEngine;
use dvn::{Split, TaskSpec, order};

const SIZE: usize = 6;

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
    let (engine, mut reference) = (GpuEngine::new(gpu, network.clone()), CpuEngine::new(network.clone()));
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

/// A software adapter is never given the kernels that split the inputs; hardware is.
#[test]
fn kernels_that_split_the_inputs_are_right_too() {
    let gpu = pollster::block_on(Gpu::request()).expect("an adapter: without a GPU, Mesa's lavapipe");
    let mut gpu = Arc::into_inner(gpu).expect("the self-test keeps none");
    gpu.kernels = kernels::Kernels::new(&gpu.device, false);
    let found = pollster::block_on(selftest::try_out(&Arc::new(gpu), true)).expect("runs");
    assert_eq!(found, None);
}

/// What the self-test is for: a kernel that computes something else is found out.
#[test]
fn the_self_test_sees_a_wrong_kernel() {
    let gpu = pollster::block_on(Gpu::request()).expect("an adapter: without a GPU, Mesa's lavapipe");
    let mut gpu = Arc::into_inner(gpu).expect("the self-test keeps none");
    gpu.kernels.swap_strides();
    let found = pollster::block_on(selftest::try_out(&Arc::new(gpu), false)).expect("runs");
    assert!(found.is_some_and(|reason| reason.contains("differ")));
}

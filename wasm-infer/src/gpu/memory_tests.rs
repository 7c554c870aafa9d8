//! Memory is what it says: the engine's own figures beside what the driver counts.

use super::random::Random;
use super::selftest;
use super::*;
use dvn::{Split, TaskSpec, order};
use std::collections::BTreeMap;

const CHANGES: usize = 1000;
/// Between two runs levels change this often: most of a page's changes are a slider passing by.
const CHANGES_A_RUN: usize = 4;
const SIZE: usize = 5;

fn network() -> Network {
    let orders = order::default_orders(3, 2).expect("two tasks of three units").into_iter();
    let task = |order| TaskSpec { classes: 3, input_size: SIZE, order };
    let split = Split::parse("1/2,1/4,1/4").expect("three units");
    Network::new("wrn-8-1".parse().expect("a backbone"), split, orders.map(task).collect())
        .expect("a network")
}

fn gpu() -> Arc<Gpu> {
    pollster::block_on(Gpu::request()).expect("an adapter: without a GPU, Mesa's lavapipe")
}

/// Makes a level resident as a page does: frees what leaves, inserts what joins.
fn change(engine: &GpuEngine, plan: &Plan, random: &mut Random) {
    let wanted = plan.shards();
    engine.retain(&wanted);
    let resident = engine.resident();
    for id in wanted.into_iter().filter(|id| !resident.contains(id)) {
        let shard = selftest::shard(&engine.network, id, random).expect("a shard of the network");
        engine.insert(id, shard).expect("it fits");
    }
}

fn run(engine: &GpuEngine, plan: &Plan) {
    let x = vec![0.5; SIZE * SIZE * 3];
    pollster::block_on(engine.run(plan.task, plan.level, &x, 1)).expect("runs");
}

/// Bytes that the driver holds for buffers. Only Vulkan counts them.
fn driver_bytes(gpu: &Gpu) -> Option<u64> {
    let _ = gpu.device.poll(wgpu::PollType::wait_indefinitely());
    let bytes = gpu.device.get_internal_counters().hal.buffer_memory.read();
    u64::try_from(bytes).ok().filter(|&bytes| bytes > 0)
}

/// After any number of changes a level takes as much as at first: by the engine's own count, and by the driver's.
#[test]
fn a_thousand_changes_of_level_and_task_leave_nothing_behind() {
    let engine = GpuEngine::new(gpu(), network());
    let mut random = Random::new(23);
    let mut choice = Random::new(29);
    let mut first: BTreeMap<(usize, usize), (u64, Option<u64>)> = BTreeMap::new();
    for n in 0..CHANGES {
        let draw = choice.vec(2, 0.5).into_iter().map(|v| v + 0.5).collect::<Vec<f32>>();
        let (task, level) = ((draw[0] * 2.0) as usize % 2, 1 + (draw[1] * 3.0) as usize % 3);
        let plan = engine.network.plan(task, level).expect("a level");
        change(&engine, &plan, &mut random);
        let parameters = plan.costs().parameters;
        let stem = engine.network.tensors(ShardId::Stem { task }).expect("a stem")[0].shape[0] as u64;
        // A whole stem is kept, its three inputs filled up to four.
        let own_stem = plan.tensor(dvn::plan::TensorId(1)).channels as u64;
        let weights = 4 * (parameters + 9 * (4 * stem - 3 * own_stem));
        assert_eq!(engine.resident_bytes(), weights, "task {task}, level {level}");
        if n % CHANGES_A_RUN != 0 {
            continue;
        }
        run(&engine, &plan);
        assert_eq!(engine.resident_bytes(), weights, "task {task}, level {level}, after a run");
        // No second copy waits in memory.
        assert!(engine.state.borrow().weights.on_gpu(&plan.shards()));
        let all = engine.resident_bytes() + engine.activation_bytes() + engine.scratch_bytes();
        let now = (all, driver_bytes(&engine.gpu));
        assert!(now.1.is_none_or(|driver| driver >= all), "task {task}, level {level}: {now:?}");
        assert_eq!(*first.entry((task, level)).or_insert(now), now, "task {task}, level {level}, change {n}");
    }
    assert_eq!(first.len(), 6, "every level of both tasks was run");
    engine.retain(&[]);
    assert_eq!(engine.resident_bytes() + engine.activation_bytes() + engine.scratch_bytes(), 0);
}

/// Going up or down, at most one layer is there twice.
#[test]
fn a_change_takes_one_layers_extra_copy_at_most() {
    let engine = GpuEngine::new(gpu(), network());
    let mut random = Random::new(31);
    let largest = |plan: &Plan| {
        let layer =
            |c: &Conv| 4 * 9 * (plan.tensor(c.input).channels * plan.tensor(c.output).channels) as u64;
        plan.convs().map(layer).max().unwrap_or(0)
    };
    let mut before = 0;
    for level in [1, 2, 3, 2, 1, 3, 1] {
        let plan = engine.network.plan(0, level).expect("a level");
        let limit = largest(&plan);
        engine.peak_weight_bytes();
        change(&engine, &plan, &mut random);
        run(&engine, &plan);
        let (after, peak) = (engine.resident_bytes(), engine.peak_weight_bytes());
        assert!(peak <= before.max(after) + limit, "{peak} from {before} to {after}, a layer of {limit}");
        before = after;
    }
}

/// Shards that are brought to the GPU one by one give what shards that wait for a run do, and take no more at once.
#[test]
fn settled_shards_leave_memory_and_give_the_same() {
    let mut answers = Vec::new();
    for settle in [false, true] {
        let engine = GpuEngine::new(gpu(), network());
        let mut random = Random::new(37);
        let plan = engine.network.plan(0, 3).expect("a level");
        for id in plan.shards() {
            let shard = selftest::shard(&engine.network, id, &mut random).expect("a shard of the network");
            engine.insert(id, shard).expect("it fits");
            let waits = engine.state.borrow().weights.waiting();
            assert!(waits.0.contains(&id) && waits.1 > 0);
            // Nothing happens before more waits than may.
            pollster::block_on(engine.settle(waits.1)).expect("nothing to do");
            assert_eq!(engine.state.borrow().weights.waiting(), waits);
            if settle {
                pollster::block_on(engine.settle(0)).expect("there is room");
                assert_eq!(engine.state.borrow().weights.waiting(), (Vec::new(), 0));
                assert!(engine.state.borrow().weights.on_gpu(&[id]));
            }
        }
        let x: Vec<f32> = (0..SIZE * SIZE * 3).map(|n| n as f32 / 75.0).collect();
        answers.push(pollster::block_on(engine.run(0, 3, &x, 1)).expect("runs"));
        let largest = plan
            .convs()
            .map(|c| 36 * (plan.tensor(c.input).channels * plan.tensor(c.output).channels) as u64);
        let limit = engine.resident_bytes() + largest.max().unwrap_or(0);
        assert!(engine.peak_weight_bytes() <= limit);
    }
    assert_eq!(answers[0], answers[1]);
}

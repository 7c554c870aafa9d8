//! Levels come and go: after any number of changes an engine answers as a fresh one does, and what is resident is
//! exactly the shards in use.

use dvn::{Plan, Shard, ShardId};
use dvn_tests::Case;
use dvn_tests::case::Sizes;
use dvn_tests::random::Random;
use std::collections::BTreeMap;
use wasm_infer::{Engine, EngineError, Gpu, block_on};

const SIZES: Sizes = Sizes {
    backbone: "wrn-8-1",
    units: "1/2,1/4,1/4",
    orders: &["1 2 3", "3 1 2"],
    tasks: &[(10, 9), (7, 12)],
    count: 2,
};

const CHANGES: usize = 60;

fn case() -> Case {
    Case::random(&SIZES, 7).expect("the sizes above describe a network")
}

fn gpu() -> Engine {
    let gpu = block_on(Gpu::request()).expect("an adapter: on a machine without a GPU, Mesa's lavapipe");
    Engine::gpu(gpu, case().network)
}

/// Brings an engine to a level, as a page does.
fn change(engine: &Engine, case: &Case, plan: &Plan) {
    let wanted = plan.shards();
    engine.retain(&wanted);
    let resident = engine.resident();
    for id in wanted.into_iter().filter(|id| !resident.contains(id)) {
        engine.insert(id, case.shards[&id].clone()).expect("a shard of the case fits");
    }
}

fn run(engine: &Engine, case: &Case, task: usize, level: usize) -> Result<Vec<f32>, EngineError> {
    block_on(engine.run(task, level, &case.images[task], case.count))
}

/// 4 for each number; an engine may fill up a stem's three input channels to `stem_inputs`.
fn bytes(shards: &[ShardId], case: &Case, stem_inputs: usize) -> u64 {
    let bytes = |id: &ShardId| match (id, case.shards[id].parameters()) {
        (ShardId::Stem { .. }, n) => 4 * (n / 3 * stem_inputs) as u64,
        (_, n) => 4 * n as u64,
    };
    shards.iter().map(bytes).sum()
}

fn walk(fresh: impl Fn() -> Engine, stem_inputs: usize) {
    let case = case();
    let first: BTreeMap<(usize, usize), Vec<f32>> = case
        .levels()
        .map(|(task, level)| {
            let engine = fresh();
            change(&engine, &case, &case.network.plan(task, level).expect("a level of the case"));
            ((task, level), run(&engine, &case, task, level).expect("a fresh engine runs"))
        })
        .collect();

    let engine = fresh();
    let mut random = Random::new(11);
    for _ in 0..CHANGES {
        let (task, level) = (random.below(2), 1 + random.below(3));
        let plan = case.network.plan(task, level).expect("a level of the case");
        change(&engine, &case, &plan);
        let expected = bytes(&plan.shards(), &case, stem_inputs);
        assert_eq!(engine.resident_bytes(), expected, "task {task}, level {level}, before the run");
        let logits = run(&engine, &case, task, level).expect("the engine runs");
        assert_eq!(logits, first[&(task, level)], "task {task}, level {level}");
        let mut resident = engine.resident();
        let mut wanted = plan.shards();
        resident.sort();
        wanted.sort();
        assert_eq!(resident, wanted);
        assert_eq!(engine.resident_bytes(), expected, "task {task}, level {level}, after the run");
        // Three maps of the first stage are the most that is needed at once; neither the image's nor the logits'
        // padding shows.
        let maps = plan.costs().activation_bytes * case.count as u64;
        assert_eq!(engine.activation_bytes(), maps, "task {task}, level {level}");
    }
}

#[test]
fn the_cpu_engine_walks_over_levels_and_tasks() {
    walk(|| Engine::cpu(case().network), 3);
}

#[test]
fn the_gpu_engine_walks_over_levels_and_tasks() {
    let gpu = block_on(Gpu::request()).expect("an adapter: on a machine without a GPU, Mesa's lavapipe");
    walk(|| Engine::gpu(gpu.clone(), case().network), 4);
}

/// Both tasks' levels resident at once, in any order of runs.
fn together(engine: Engine) {
    let case = case();
    for shard in case.network.shards() {
        engine.insert(shard, case.shards[&shard].clone()).expect("a shard of the case fits");
    }
    let all = engine.resident_bytes();
    let first: Vec<_> = case.levels().map(|(t, l)| run(&engine, &case, t, l).expect("runs")).collect();
    let again: Vec<_> = case.levels().map(|(t, l)| run(&engine, &case, t, l).expect("runs")).collect();
    assert_eq!(first, again);
    assert_eq!(engine.resident_bytes(), all);
    // A shard inserted again replaces the first one and is used.
    let id = ShardId::Level { task: 0, level: 1 };
    let Shard::Level(mut level) = case.shards[&id].clone() else { panic!("{id} is a level's") };
    level.classifier_bias.iter_mut().for_each(|b| *b += 1.0);
    engine.insert(id, Shard::Level(level)).expect("the same shapes");
    let changed = run(&engine, &case, 0, 1).expect("runs");
    for (a, b) in changed.iter().zip(&first[0]) {
        assert!((a - b - 1.0).abs() < 1e-4, "{a} should be {b} + 1");
    }
    assert_eq!(engine.resident_bytes(), all);
}

#[test]
fn the_cpu_engine_keeps_several_levels() {
    together(Engine::cpu(case().network));
}

#[test]
fn the_gpu_engine_keeps_several_levels() {
    together(gpu());
}

fn refuses(engine: Engine) {
    let case = case();
    let plan = case.network.plan(1, 2).expect("a level of the case");
    change(&engine, &case, &plan);
    // A level that is not there does not keep the one that is from running.
    let missing = ShardId::Block { to: case.network.tasks()[1].order[2], from: plan.units[0] };
    for id in case.network.plan(1, 3).expect("a level of the case").shards() {
        if id != missing && !engine.resident().contains(&id) {
            engine.insert(id, case.shards[&id].clone()).expect("a shard of the case fits");
        }
    }
    match run(&engine, &case, 1, 3) {
        Err(EngineError::MissingShard { shard, task: 2, level: 3 }) => assert_eq!(shard, missing),
        other => panic!("{other:?}"),
    }
    run(&engine, &case, 1, 2).expect("level 2 is whole");

    let images = &case.images[1];
    match block_on(engine.run(1, 2, &images[1..], 2)) {
        Err(EngineError::Input { found, expected, images: 2, size: 12 }) => {
            assert_eq!((found, expected), (2 * 12 * 12 * 3 - 1, 2 * 12 * 12 * 3));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(block_on(engine.run(1, 2, images, usize::MAX)), Err(EngineError::Input { .. })));
    assert!(matches!(block_on(engine.run(2, 1, images, 2)), Err(EngineError::Definition(_))));
    assert!(matches!(block_on(engine.run(1, 4, images, 2)), Err(EngineError::Definition(_))));
    assert_eq!(block_on(engine.run(1, 2, &[], 0)).expect("no images are no fault"), Vec::<f32>::new());

    let stem = ShardId::Stem { task: 0 };
    let short = engine.insert(stem, Shard::Stem(vec![0.0; 27]));
    assert!(matches!(short, Err(EngineError::ShardShape { found: 27, .. })), "{short:?}");
    let other = engine.insert(stem, Shard::Block(vec![]));
    assert!(matches!(other, Err(EngineError::ShardShape { .. })), "{other:?}");
    let unknown = engine.insert(ShardId::Stem { task: 9 }, Shard::Stem(vec![]));
    assert!(matches!(unknown, Err(EngineError::Model(_))), "{unknown:?}");
}

#[test]
fn the_cpu_engine_refuses_with_reasons() {
    refuses(Engine::cpu(case().network));
}

#[test]
fn the_gpu_engine_refuses_with_reasons() {
    refuses(gpu());
}

#[test]
fn a_lost_gpu_is_an_error_that_says_so() {
    let engine = gpu();
    let case = case();
    change(&engine, &case, &case.network.plan(0, 1).expect("a level of the case"));
    run(&engine, &case, 0, 1).expect("the engine runs");
    let Engine::Gpu(inner) = &engine else { panic!("made on a GPU") };
    assert!(inner.gpu().lost().is_none());
    inner.gpu().destroy();
    for _ in 0..2 {
        let error = run(&engine, &case, 0, 1).expect_err("nothing runs on a destroyed device");
        assert!(matches!(error, EngineError::DeviceLost { .. }), "{error:?}");
    }
    // Weights can still be let go.
    engine.retain(&[]);
    assert_eq!(engine.resident_bytes(), 0);
}

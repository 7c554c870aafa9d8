//! Properties of networks over random backbones, splits and orders.

use dvn::plan::{Op, Weights};
use dvn::shard::{LevelParameters, Norm};
use dvn::{Backbone, Budget, Network, Shard, ShardId, Split, TaskSpec, Unit};
use proptest::prelude::*;
use std::collections::HashSet;

/// A random network: small backbones, 1 to 5 units of random sizes, 1 to 3 tasks with random orders.
fn networks() -> impl Strategy<Value = Network> {
    let backbone = prop_oneof![
        (0usize..2, 2usize..5).prop_map(|(n, scale)| Backbone::Wrn { depth: 8 + 6 * n, scale }),
        Just(Backbone::Resnet { depth: 10 }),
    ];
    (backbone, 1usize..=5).prop_flat_map(|(backbone, k)| {
        let shares = prop::collection::vec(2u32..6, k);
        let order = Just((0..k).filter_map(Unit::from_index).collect::<Vec<_>>()).prop_shuffle();
        let task = (1usize..20, prop_oneof![Just(32usize), Just(17), Just(64), 1usize..40], order);
        let tasks = prop::collection::vec(task, 1..=3);
        (Just(backbone), shares, tasks).prop_filter_map(
            "a unit without channels",
            |(backbone, shares, tasks)| {
                let sum: u32 = shares.iter().sum();
                let split = Split::new(shares.iter().map(|&s| s as f64 / sum as f64).collect()).ok()?;
                let spec = |(classes, input_size, order)| TaskSpec { classes, input_size, order };
                Network::new(backbone, split, tasks.into_iter().map(spec).collect()).ok()
            },
        )
    })
}

/// A shard of the right shapes, its values made from its place.
fn filled(network: &Network, id: ShardId) -> Shard {
    let tensors = network.tensors(id).unwrap();
    let value = |t: usize, i: usize| (t * 31 + i) as f32 * 0.25 - 3.0;
    let mut data = tensors
        .iter()
        .enumerate()
        .map(|(t, spec)| (0..spec.shape.iter().product()).map(|i| value(t, i)).collect::<Vec<f32>>());
    match id {
        ShardId::Stem { .. } => Shard::Stem(data.next().unwrap()),
        ShardId::Block { .. } => Shard::Block(data.collect()),
        ShardId::Level { .. } => {
            let norms = (0..(tensors.len() - 2) / 2)
                .map(|_| Norm { scale: data.next().unwrap(), shift: data.next().unwrap() });
            let norms = norms.collect();
            let (classifier_weight, classifier_bias) = (data.next().unwrap(), data.next().unwrap());
            Shard::Level(LevelParameters { norms, classifier_weight, classifier_bias })
        }
    }
}

/// Numbers that a level of each task keep together: every weight of the whole backbone that one of them uses is marked,
/// pair of channels by pair of channels.
fn marked(n: &Network, levels: &[usize]) -> u64 {
    let mut count = 0;
    for layer in n.layers() {
        let mut used = vec![false; layer.inputs * layer.outputs];
        for (t, &l) in levels.iter().enumerate() {
            let units = &n.tasks()[t].order[..l];
            let channels = |width: usize| -> Vec<usize> {
                units.iter().flat_map(|&u| n.split().range(width, u)).collect()
            };
            for o in channels(layer.outputs) {
                channels(layer.inputs).into_iter().for_each(|i| used[o * layer.inputs + i] = true);
            }
        }
        count += 9 * used.into_iter().filter(|&u| u).count();
    }
    for (t, &l) in levels.iter().enumerate() {
        let plan = n.plan(t, l).unwrap();
        let outputs: Vec<usize> = plan.convs().map(|c| plan.tensor(c.output).channels).collect();
        count += 27 * outputs[0] + 2 * outputs.iter().sum::<usize>() + (plan.features() + 1) * plan.classes();
    }
    count as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn units_are_disjoint_and_cover_every_layer(n in networks()) {
        for stage in n.backbone().stages() {
            let mut next = 0;
            for unit in n.split().iter() {
                let range = n.split().range(stage.width, unit);
                prop_assert_eq!(range.start, next);
                prop_assert!(!range.is_empty());
                prop_assert_eq!(range.start % 4, 0);
                next = range.end;
            }
            prop_assert_eq!(next, stage.width);
        }
    }

    #[test]
    fn levels_are_nested(n in networks()) {
        for t in 0..n.tasks().len() {
            for l in 2..=n.levels() {
                let (small, large) = (n.plan(t, l - 1).unwrap(), n.plan(t, l).unwrap());
                prop_assert_eq!(&large.units[..l - 1], &small.units[..]);
                for (a, b) in small.convs().zip(large.convs()) {
                    // The smaller level's channels are the larger one's first channels, at the same packed place.
                    prop_assert_eq!(&b.outputs[..a.outputs.len()], &a.outputs[..]);
                    prop_assert_eq!(&b.inputs[..a.inputs.len()], &a.inputs[..]);
                }
                let (small, large): (HashSet<_>, HashSet<_>) =
                    (small.shards().into_iter().collect(), large.shards().into_iter().collect());
                let gone: Vec<_> = small.difference(&large).copied().collect();
                prop_assert_eq!(gone, vec![ShardId::Level { task: t, level: l - 1 }]);
            }
        }
    }

    #[test]
    fn a_levels_shards_are_the_pairs_of_its_units(n in networks()) {
        for t in 0..n.tasks().len() {
            for l in 1..=n.levels() {
                let plan = n.plan(t, l).unwrap();
                let blocks: HashSet<_> = plan.shards().into_iter().filter_map(|s| match s {
                    ShardId::Block { to, from } => Some((to, from)),
                    _ => None,
                }).collect();
                let first = n.tasks()[t].order[..l].to_vec();
                let pairs: HashSet<_> = first.iter().flat_map(|&o| first.iter().map(move |&i| (o, i))).collect();
                prop_assert_eq!(blocks, pairs);
                // And the shards hold exactly the parameters that the level counts, the stem's other rows aside.
                let held: usize = plan.shards().into_iter().flat_map(|s| n.tensors(s).unwrap())
                    .map(|spec| spec.shape.iter().product::<usize>()).sum();
                let stem_width = n.backbone().stem_width();
                let used = plan.tensor(plan.convs().next().unwrap().output).channels;
                prop_assert_eq!(held as u64 - 27 * (stem_width - used) as u64, plan.costs().parameters);
            }
        }
    }

    #[test]
    fn costs_grow_and_add_up(n in networks()) {
        for t in 0..n.tasks().len() {
            let costs: Vec<_> = (1..=n.levels()).map(|l| n.plan(t, l).unwrap().costs()).collect();
            for pair in costs.windows(2) {
                prop_assert!(pair[0].parameters < pair[1].parameters && pair[0].macs < pair[1].macs);
            }
            // The whole backbone, counted layer by layer.
            let shared: usize = n.layers().iter().map(|l| 9 * l.inputs * l.outputs + 2 * l.outputs).sum();
            let (stem, classes) = (n.backbone().stem_width(), n.tasks()[t].classes);
            let whole = shared + 29 * stem + (n.backbone().features() + 1) * classes;
            prop_assert_eq!(costs.last().unwrap().parameters, whole as u64);
        }
    }

    #[test]
    fn plans_are_sound(n in networks()) {
        for t in 0..n.tasks().len() {
            for l in 1..=n.levels() {
                let plan = n.plan(t, l).unwrap();
                let slots = plan.slots();
                let mut holds = vec![None; slots.elements.len()];
                holds[slots.of[0]] = Some(0);
                for op in &plan.ops {
                    for id in op.reads() {
                        // Nothing that is still needed was overwritten.
                        prop_assert_eq!(holds[slots.of[id.0]], Some(id.0));
                        prop_assert!(slots.of[id.0] != slots.of[op.writes().0]);
                    }
                    let id = op.writes().0;
                    holds[slots.of[id]] = Some(id);
                    prop_assert!(slots.elements[slots.of[id]] >= plan.tensors[id].elements());
                    if let Op::Conv(c) = op && let Some(s) = &c.shortcut {
                        let (from, to) = (plan.tensor(s.input), plan.tensor(c.output));
                        prop_assert_eq!((from.height.div_ceil(s.stride), from.width.div_ceil(s.stride)), (to.height, to.width));
                        for span in &s.spans {
                            prop_assert!(span.from + span.len <= from.channels && span.to + span.len <= to.channels);
                        }
                        let shared = matches!(c.weights, Weights::Shared { .. });
                        prop_assert!(shared);
                    }
                }
            }
        }
    }

    #[test]
    fn shards_read_back_as_written(n in networks()) {
        for id in n.shards() {
            let shard = filled(&n, id);
            let bytes = n.encode(id, &shard).unwrap();
            prop_assert_eq!(n.decode(id, &bytes).unwrap(), shard);
        }
    }
}

proptest! {
    // Marking every weight takes its time.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_budget_buys_the_best_combination(n in networks(), seed in any::<u64>()) {
        // Steps of a quarter, so that some are equal and sums are exact.
        let value = |task: usize, level: usize| (seed.rotate_left((7 * task + 3 * level) as u32) % 64) as f64 / 4.0;
        let front = n.combinations(value).unwrap();
        // Every combination there is, its numbers marked one by one.
        let mut all = vec![vec![]];
        for _ in n.tasks() {
            all = all.into_iter().flat_map(|c: Vec<usize>| {
                (1..=n.levels()).map(move |l| c.iter().copied().chain([l]).collect())
            }).collect();
        }
        let all: Vec<(Vec<usize>, u64, f64)> = all.into_iter().map(|levels| {
            let sum: f64 = levels.iter().enumerate().map(|(t, &l)| value(t, l)).sum();
            (levels.clone(), marked(&n, &levels), sum)
        }).collect();
        for &(_, parameters, _) in &all {
            for parameters in [parameters - 1, parameters] {
                let best = all.iter().filter(|c| c.1 <= parameters)
                    .max_by(|a, b| a.2.total_cmp(&b.2).then(b.1.cmp(&a.1)));
                let found = Budget { parameters }.combination(&front);
                prop_assert_eq!(found.map(|c| (c.parameters, c.value)), best.map(|c| (c.1, c.2 / n.tasks().len() as f64)));
                if let Some(found) = found {
                    prop_assert!(all.iter().any(|c| c.0 == found.levels && c.1 == found.parameters));
                }
            }
        }
    }
}

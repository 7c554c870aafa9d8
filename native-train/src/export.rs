//! From trained parameters to a model folder.

use crate::config::{self, Config};
use crate::data::{Dataset, Statistics};
use crate::network::Parameters;
use dvn::manifest::{Level, Manifest, Task, Training};
use dvn::shard::LevelParameters;
use dvn::{DefinitionError, Network, Shard, ShardId};
use std::ops::Range;

/// [3][3][inputs][outputs] with all channels, cut to the given inputs and outputs, as O I H W.
fn oihw(
    values: &[f32],
    all_inputs: usize,
    all_outputs: usize,
    inputs: Range<usize>,
    outputs: Range<usize>,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(9 * inputs.len() * outputs.len());
    for o in outputs {
        for i in inputs.clone() {
            out.extend((0..9).map(|tap| values[(tap * all_inputs + i) * all_outputs + o]));
        }
    }
    out
}

/// One shard of trained parameters.
///
/// # Errors
/// If `network` has no such task or level.
pub fn shard(network: &Network, parameters: &Parameters, id: ShardId) -> Result<Shard, DefinitionError> {
    Ok(match id {
        ShardId::Stem { task } => {
            let width = network.backbone().stem_width();
            Shard::Stem(oihw(&parameters.values[parameters.stem(task)], 3, width, 0..3, 0..width))
        }
        ShardId::Block { to, from } => {
            let layer = |l| {
                let (range, inputs, outputs) = parameters.shared(l);
                let split = network.split();
                let (i, o) = (split.range(inputs, from), split.range(outputs, to));
                oihw(&parameters.values[range], inputs, outputs, i, o)
            };
            Shard::Block((0..network.layers().len()).map(layer).collect())
        }
        ShardId::Level { task, level } => {
            let plan = network.plan(task, level)?;
            let own = |range: Range<usize>| parameters.values[range].to_vec();
            Shard::Level(LevelParameters {
                norms: parameters.folded_norms(&plan),
                classifier_weight: own(parameters.classifier_weight(&plan)),
                classifier_bias: own(parameters.classifier_bias(&plan)),
            })
        }
    })
}

/// A task's levels as a manifest lists them, accuracies still to be filled in.
///
/// # Errors
/// If `network` has no such task.
pub fn levels(network: &Network, task: usize) -> Result<Vec<Level>, DefinitionError> {
    let entry = |level| {
        let plan = network.plan(task, level)?;
        let costs = plan.costs();
        Ok(Level {
            level,
            units: plan.units,
            parameters: costs.parameters,
            bytes: costs.bytes,
            macs: costs.macs,
            accuracy: None,
            untrained: false,
        })
    };
    (1..=network.levels()).map(entry).collect()
}

/// The manifest of a trained network, accuracies and shards still to be filled in.
///
/// # Errors
/// None for a network that was put together by [`Network::new`].
pub fn manifest(
    config: &Config,
    network: &Network,
    sets: &[Dataset],
    statistics: &[Statistics],
    training: Training,
) -> Result<Manifest, DefinitionError> {
    let mut tasks = Vec::new();
    for (t, ((spec, set), statistics)) in network.tasks().iter().zip(sets).zip(statistics).enumerate() {
        tasks.push(Task {
            name: set.name.clone(),
            title: config::title(&set.name),
            classes: set.classes.clone(),
            input: config::input(set, statistics),
            order: spec.order.clone(),
            levels: levels(network, t)?,
        });
    }
    Ok(Manifest::new(config.name.clone(), network, tasks, Some(training)))
}

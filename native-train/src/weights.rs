//! A level's weights, put together from the shards that hold them.

use dvn::plan::{Conv, Weights};
use dvn::shard::LevelParameters;
use dvn::{Plan, Shard, ShardId};
use std::collections::BTreeMap;

/// Shards in memory. Each has the shapes of its network, as those of a model folder do.
pub type Shards = BTreeMap<ShardId, Shard>;

/// A shard that a level needs and that was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is needed and not loaded")]
pub struct MissingShard(pub ShardId);

/// What the level shares with no other: scales, shifts, classifier.
///
/// # Errors
/// If the level's own shard is missing.
pub fn own<'a>(plan: &Plan, shards: &'a Shards) -> Result<&'a LevelParameters, MissingShard> {
    let id = ShardId::Level { task: plan.task, level: plan.level };
    match shards.get(&id) {
        Some(Shard::Level(own)) => Ok(own),
        _ => Err(MissingShard(id)),
    }
}

/// A convolution's weights in a level: [outputs, inputs, 3, 3], packed channels.
///
/// # Errors
/// If a shard is missing.
pub fn dense(plan: &Plan, conv: &Conv, shards: &Shards) -> Result<Vec<f32>, MissingShard> {
    let row = 9 * plan.tensor(conv.input).channels;
    let mut dense = vec![0.0; row * plan.tensor(conv.output).channels];
    for to in &conv.outputs {
        let rows = dense[to.packed.start * row..to.packed.end * row].chunks_exact_mut(row);
        match conv.weights {
            Weights::Stem => {
                let id = ShardId::Stem { task: plan.task };
                let Some(Shard::Stem(stem)) = shards.get(&id) else { return Err(MissingShard(id)) };
                let physical = stem[to.physical.start * row..].chunks_exact(row);
                rows.zip(physical).for_each(|(row, source)| row.copy_from_slice(source));
            }
            Weights::Shared { layer } => {
                let mut rows: Vec<&mut [f32]> = rows.collect();
                for from in &conv.inputs {
                    let id = ShardId::Block { to: to.unit, from: from.unit };
                    let Some(Shard::Block(layers)) = shards.get(&id) else { return Err(MissingShard(id)) };
                    let columns = 9 * from.packed.start..9 * from.packed.end;
                    for (row, source) in rows.iter_mut().zip(layers[layer].chunks_exact(columns.len())) {
                        row[columns.clone()].copy_from_slice(source);
                    }
                }
            }
        }
    }
    Ok(dense)
}

//! What both engines check before they compute, and how they divide large batches.

use crate::error::EngineError;
use dvn::{Network, Plan, Shard, ShardId};

/// Feature maps are never given more than this, so that a batch of any size runs: a larger one is run in parts.
const MAX_MAP_BYTES: usize = 256 << 20;

/// Images of a batch that are run at once.
pub(crate) fn images_at_once(plan: &Plan, images: usize) -> usize {
    let one = 4 * plan.slots().elements.iter().sum::<usize>();
    images.min((MAX_MAP_BYTES / one).max(1))
}

/// Checks that every shard of the level is there.
pub(crate) fn check_resident(plan: &Plan, has: impl Fn(&ShardId) -> bool) -> Result<(), EngineError> {
    let error = |shard| EngineError::MissingShard { shard, task: plan.task + 1, level: plan.level };
    plan.shards().into_iter().find(|id| !has(id)).map_or(Ok(()), |shard| Err(error(shard)))
}

/// Checks the length of `images` normalised images.
pub(crate) fn check_input(plan: &Plan, found: usize, images: usize) -> Result<(), EngineError> {
    let image = &plan.tensors[0];
    // A count that overflows cannot be met by any slice.
    match images.checked_mul(image.elements()) {
        Some(expected) if expected == found => Ok(()),
        expected => {
            let (expected, size) = (expected.unwrap_or(usize::MAX), image.height);
            Err(EngineError::Input { found, expected, images, size })
        }
    }
}

/// Checks that a shard has the shapes that the network's shard `id` has. Shards that were decoded by this network have.
pub(crate) fn check_shard(network: &Network, id: ShardId, shard: &Shard) -> Result<(), EngineError> {
    let slices = match (id, shard) {
        (ShardId::Stem { .. }, Shard::Stem(_))
        | (ShardId::Block { .. }, Shard::Block(_))
        | (ShardId::Level { .. }, Shard::Level(_)) => shard.slices(),
        // Another kind of shard has none of the tensors that this one should have.
        _ => vec![],
    };
    let specs = network.tensors(id)?;
    if slices.len() != specs.len() {
        let (found, expected) = (slices.len(), specs.len());
        return Err(EngineError::ShardShape {
            shard: id,
            what: "its list of tensors".into(),
            found,
            expected,
        });
    }
    for (spec, slice) in specs.into_iter().zip(slices) {
        let (found, expected) = (slice.len(), spec.shape.iter().product());
        if found != expected {
            return Err(EngineError::ShardShape { shard: id, what: spec.name, found, expected });
        }
    }
    Ok(())
}

/// Turns each row of `classes` logits into probabilities.
pub fn softmax(logits: &mut [f32], classes: usize) {
    for row in logits.chunks_exact_mut(classes.max(1)) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|v| *v = (*v - max).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_sums_to_one_and_survives_large_logits() {
        let mut rows = [1000.0, 1001.0, 0.0, 0.0];
        softmax(&mut rows, 2);
        let expected = 1.0 / (1.0 + 1f32.exp());
        assert!((rows[0] - expected).abs() < 1e-6 && (rows[0] + rows[1] - 1.0).abs() < 1e-6);
        assert_eq!(rows[2..], [0.5, 0.5]);
    }
}

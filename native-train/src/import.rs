//! From a model folder back to trained parameters: the reverse of [`crate::export`] for all that is no batch norm.

use crate::network::Parameters;
use dvn::{DefinitionError, Network, Shard, ShardId};
use std::ops::Range;

/// Puts O I H W weights of the given inputs and outputs into [3][3][inputs][outputs] with all channels.
fn place(
    values: &mut [f32],
    all_inputs: usize,
    all_outputs: usize,
    inputs: Range<usize>,
    outputs: Range<usize>,
    oihw: &[f32],
) {
    let mut filters = oihw.chunks_exact(9);
    for o in outputs {
        for (i, filter) in inputs.clone().zip(&mut filters) {
            for (tap, v) in filter.iter().enumerate() {
                values[(tap * all_inputs + i) * all_outputs + o] = *v;
            }
        }
    }
}

/// Puts a shard's weights where they belong; of a level's own, the classifier. The shard must have the shapes of
/// `network`'s, as those of a model folder do.
///
/// # Errors
/// If `network` has no such task or level.
pub fn shard(
    network: &Network,
    parameters: &mut Parameters,
    id: ShardId,
    shard: &Shard,
) -> Result<(), DefinitionError> {
    match (id, shard) {
        (ShardId::Stem { task }, Shard::Stem(weight)) => {
            let width = network.backbone().stem_width();
            let range = parameters.stem(task);
            place(&mut parameters.values[range], 3, width, 0..3, 0..width, weight);
        }
        (ShardId::Block { to, from }, Shard::Block(layers)) => {
            for (l, weight) in layers.iter().enumerate() {
                let (range, inputs, outputs) = parameters.shared(l);
                let split = network.split();
                let (i, o) = (split.range(inputs, from), split.range(outputs, to));
                place(&mut parameters.values[range], inputs, outputs, i, o, weight);
            }
        }
        (ShardId::Level { task, level }, Shard::Level(own)) => {
            let plan = network.plan(task, level)?;
            let (weight, bias) = (parameters.classifier_weight(&plan), parameters.classifier_bias(&plan));
            parameters.values[weight].copy_from_slice(&own.classifier_weight);
            parameters.values[bias].copy_from_slice(&own.classifier_bias);
        }
        // A shard is read by its name: of another kind it cannot be.
        _ => {}
    }
    Ok(())
}

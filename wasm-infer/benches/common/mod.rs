//! What the benches share.

use dvn::shard::{LevelParameters, Norm};
use dvn::{Network, Shard, ShardId};
use std::error::Error;

/// Weights small enough that nothing overflows.
pub fn shard(network: &Network, id: ShardId) -> Result<Shard, Box<dyn Error>> {
    let specs = network.tensors(id)?;
    let numbers = |n: usize| (0..n).map(|i| ((i * 31 % 101) as f32 - 50.0) / 2000.0).collect::<Vec<f32>>();
    let mut tensors: Vec<Vec<f32>> = specs.iter().map(|s| numbers(s.shape.iter().product())).collect();
    Ok(match id {
        ShardId::Stem { .. } => Shard::Stem(tensors.remove(0)),
        ShardId::Block { .. } => Shard::Block(tensors),
        ShardId::Level { .. } => {
            let classifier_bias = tensors.pop().unwrap_or_default();
            let classifier_weight = tensors.pop().unwrap_or_default();
            let pairs = tensors.chunks_exact(2);
            let norms = pairs.map(|p| Norm { scale: vec![1.0; p[0].len()], shift: p[1].clone() }).collect();
            Shard::Level(LevelParameters { norms, classifier_weight, classifier_bias })
        }
    })
}

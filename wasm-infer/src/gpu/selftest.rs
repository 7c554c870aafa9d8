//! A tiny network on the GPU against the CPU engine: some drivers compute convolutions wrongly, and say nothing.

use super::GpuEngine;
use super::device::Gpu;
use super::program::Choice;
use crate::cpu::CpuEngine;
use crate::error::EngineError;
use dvn::shard::{LevelParameters, Norm};
use dvn::{Backbone, Network, Shard, ShardId, Split, TaskSpec, order};
use std::sync::Arc;

/// The largest `||gpu - cpu|| / ||cpu||` that passes: rounding makes 1e-6, a wrong element far more.
const TOLERANCE: f64 = 1e-4;
/// Images of odd size, so that every kernel meets its borders.
const SIZE: usize = 7;
const IMAGES: usize = 2;

/// Tests every kernel. Without the kernels that split the inputs a GPU is slower, and does.
pub(super) async fn run(gpu: &Arc<Gpu>) -> Result<(), EngineError> {
    let plain = try_out(gpu, false).await?;
    if let Some(reason) = plain {
        return Err(EngineError::SelfTest { adapter: gpu.name().to_owned(), reason });
    }
    if gpu.kernels.splits() && try_out(gpu, true).await?.is_some() {
        gpu.kernels.drop_split();
    }
    Ok(())
}

/// What is wrong, if anything.
pub(super) async fn try_out(gpu: &Arc<Gpu>, split: bool) -> Result<Option<String>, EngineError> {
    // Two units, so that layers have several blocks; three stages, so that there are both strides.
    let backbone = Backbone::Wrn { depth: 8, scale: 1 };
    let order = order::default_orders(2, 1)?.remove(0);
    let network =
        Network::new(backbone, Split::equal(2)?, vec![TaskSpec { classes: 5, input_size: SIZE, order }])?;
    let engine = GpuEngine::with_choice(gpu.clone(), network.clone(), Choice::Split(split));
    let mut reference = CpuEngine::new(network.clone());
    let mut random = Random::new(1);
    for id in network.plan(0, 2)?.shards() {
        let shard = shard(&network, id, &mut random)?;
        engine.insert(id, shard.clone())?;
        reference.insert(id, shard)?;
    }
    let input = random.vec(IMAGES * SIZE * SIZE * 3, 1.0);
    let found = engine.run(0, 2, &input, IMAGES).await?;
    let expected = reference.run(0, 2, &input, IMAGES)?;
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let pairs = found.iter().zip(&expected);
    let error = norm(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)))
        / norm(&mut expected.iter().map(|b| f64::from(*b)));
    // Not a number is no pass either.
    let passes = error <= TOLERANCE;
    Ok((!passes)
        .then(|| format!("its results differ from the CPU's by {error:.1e}, allowed are {TOLERANCE:.0e}")))
}

/// Weights that keep the activations alive.
pub(super) fn shard(network: &Network, id: ShardId, random: &mut Random) -> Result<Shard, EngineError> {
    let mut tensors = Vec::new();
    for spec in network.tensors(id)? {
        tensors.push(random.vec(spec.shape.iter().product(), 0.3));
    }
    Ok(match id {
        ShardId::Stem { .. } => Shard::Stem(tensors.remove(0)),
        ShardId::Block { .. } => Shard::Block(tensors),
        ShardId::Level { .. } => {
            let classifier_bias = tensors.pop().unwrap_or_default();
            let classifier_weight = tensors.pop().unwrap_or_default();
            let norm =
                |p: &[Vec<f32>]| Norm { scale: p[0].iter().map(|v| 0.6 + v).collect(), shift: p[1].clone() };
            let norms = tensors.chunks_exact(2).map(norm).collect();
            Shard::Level(LevelParameters { norms, classifier_weight, classifier_bias })
        }
    })
}

/// A linear congruential generator (Knuth's MMIX constants): any numbers do, the same ones everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Uniform in `-bound` to `bound`.
    pub(super) fn vec(&mut self, len: usize, bound: f32) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bound * ((self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..len).map(|_| next()).collect()
    }
}

//! Every kernel against the CPU engine, before anything is computed with it: some drivers compute convolutions wrongly,
//! and say nothing.

use super::GpuEngine;
use super::choice::Choice;
use super::device::Gpu;
use super::kernels::Variant;
use super::random::Random;
use super::trial::{self, Sizes, distance};
use crate::cpu::CpuEngine;
use crate::error::EngineError;
use dvn::{Backbone, Network, Shard, ShardId, Split, TaskSpec, order};
use std::sync::Arc;

/// The largest `||gpu - cpu|| / ||cpu||` that passes: rounding makes 1e-6, a wrong element far more.
const TOLERANCE: f64 = 1e-4;

/// A convolution whose maps have borders inside of every tile, whose inputs and outputs come from two units, and whose
/// outputs are more than a tile's.
const LAYER: Sizes =
    Sizes { images: 2, height: 9, width: 11, inputs: &[12, 8], outputs: &[8, 28], stride: 1, shortcut: true };

/// Images of the network, of odd size.
const SIZE: usize = 7;
const IMAGES: usize = 2;

/// Tries every variant of the convolution, then a tiny network. A variant that computes wrongly is dropped: the GPU
/// does with what is left.
///
/// # Errors
/// If nothing is left, or the network comes out wrong.
pub(super) async fn run(gpu: &Arc<Gpu>) -> Result<(), EngineError> {
    let fails = |reason| EngineError::SelfTest { adapter: gpu.name().to_owned(), reason };
    let variants = |stride| Variant::ALL.into_iter().filter(move |v| gpu.kernels.has(*v, stride));
    // All at once: while one waits for its numbers, the GPU computes the next, and a browser may compile the others.
    let mut trials = Vec::new();
    for stride in [1, 2] {
        let sizes = Sizes { stride: stride as usize, ..LAYER };
        for variant in variants(stride) {
            trials.push((variant, stride, trial::begin(gpu, variant, &sizes)));
        }
    }
    for (variant, stride, trial) in trials {
        let error = match trial {
            Ok(trial) => trial.error(gpu).await,
            Err(error) => Err(error),
        };
        let reason = match error {
            // Not a number is no pass either.
            Ok(error) if error <= TOLERANCE => continue,
            Ok(error) => wrong(error),
            Err(lost @ EngineError::DeviceLost { .. }) => return Err(lost),
            Err(other) => other.to_string(),
        };
        variant.pipes(stride).iter().for_each(|&pipe| gpu.kernels.drop(pipe, reason.clone()));
    }
    for stride in [1, 2] {
        if variants(stride).next().is_none() {
            let dropped = gpu.dropped();
            let list: Vec<_> = dropped.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
            return Err(fails(format!(
                "no kernel for convolutions of stride {stride} is left; {}",
                list.join("; ")
            )));
        }
    }
    match network(gpu).await? {
        Some(reason) => Err(fails(format!("a tiny network: {reason}"))),
        None => Ok(()),
    }
}

fn wrong(error: f64) -> String {
    format!("its results differ from the CPU's by {error:.1e}, allowed are {TOLERANCE:.0e}")
}

/// What is wrong with a tiny network, if anything.
pub(super) async fn network(gpu: &Arc<Gpu>) -> Result<Option<String>, EngineError> {
    // Two units, so that layers have several blocks; three stages, so that there are both strides.
    let backbone = Backbone::Wrn { depth: 8, scale: 1 };
    let order = order::default_orders(2, 1)?.remove(0);
    let network =
        Network::new(backbone, Split::equal(2)?, vec![TaskSpec { classes: 5, input_size: SIZE, order }])?;
    // What is fastest is measured on the visitor's network, not on this one.
    let engine = GpuEngine::with_choice(gpu.clone(), network.clone(), Choice::Rule);
    let mut reference = CpuEngine::new(network.clone());
    let mut random = Random::new(1);
    for id in network.plan(0, 2)?.shards() {
        let shard = shard(&network, id, &mut random)?;
        engine.insert(id, shard.clone())?;
        reference.insert(id, shard)?;
    }
    let input = random.vec(IMAGES * SIZE * SIZE * 3, 1.0);
    let found = engine.run(0, 2, &input, IMAGES).await?;
    let error = distance(&found, &reference.run(0, 2, &input, IMAGES)?);
    let passes = error <= TOLERANCE;
    Ok((!passes).then(|| wrong(error)))
}

/// Weights that keep the activations alive.
pub(super) fn shard(network: &Network, id: ShardId, random: &mut Random) -> Result<Shard, EngineError> {
    shard_within(network, id, random, 0.3)
}

/// Numbers from `-bound` to `bound`, the scales 0.6 more.
pub(super) fn shard_within(
    network: &Network,
    id: ShardId,
    random: &mut Random,
    bound: f32,
) -> Result<Shard, EngineError> {
    let mut tensors = Vec::new();
    for spec in network.tensors(id)? {
        let mut tensor = random.vec(spec.shape.iter().product(), bound);
        if spec.name.ends_with(".scale") {
            tensor.iter_mut().for_each(|v| *v += 0.6);
        }
        tensors.push(tensor);
    }
    Ok(Shard::from_tensors(id, tensors))
}

//! The engines that a model can be evaluated with.

use super::Engine;
use crate::network::LevelLayout;
use crate::network::oracle::{self, Statistics};
use anyhow::Context;
use candle_core::{Device, Tensor};
use clap::ValueEnum;
use dvn::folder::ModelFolder;
use dvn::plan::{Conv, Weights};
use dvn::{Network, Plan, Shard, ShardId};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasm_infer::CpuEngine;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The project's own CPU engine, the one that browsers without WebGPU run.
    Cpu,
    /// candle's built-in operations.
    Candle,
}

impl Kind {
    /// An engine with all of a model's weights.
    ///
    /// # Errors
    /// If a shard cannot be read or the engine cannot be had.
    pub fn open(self, model: &ModelFolder) -> anyhow::Result<Box<dyn Engine>> {
        let network = model.network();
        match self {
            Kind::Cpu => Ok(Box::new(cpu(network, |id| Ok(model.read(id)?))?)),
            Kind::Candle => {
                let shards = network.shards().into_iter().map(|id| Ok((id, model.read(id)?)));
                Ok(candle(network.clone(), shards.collect::<anyhow::Result<_>>()?))
            }
        }
    }
}

/// The CPU engine with all the weights that `shard` gives.
///
/// # Errors
/// If a shard cannot be had or does not fit.
pub fn cpu(network: &Network, shard: impl Fn(ShardId) -> anyhow::Result<Shard>) -> anyhow::Result<CpuEngine> {
    let mut engine = CpuEngine::new(network.clone());
    for id in network.shards() {
        engine.insert(id, shard(id)?)?;
    }
    Ok(engine)
}

/// candle's built-in operations with the given weights.
pub fn candle(network: Network, shards: BTreeMap<ShardId, Shard>) -> Box<dyn Engine> {
    Box::new(CandleEngine { network, shards, packed: BTreeMap::new() })
}

impl Engine for CpuEngine {
    fn name(&self) -> String {
        "CPU engine".into()
    }

    fn run(&mut self, task: usize, level: usize, input: &[f32], images: usize) -> anyhow::Result<Vec<f32>> {
        Ok(CpuEngine::run(self, task, level, input, images)?)
    }
}

/// A plan and its packed parameters.
type Packed = (Arc<Plan>, Tensor);

/// The plan through candle's built-in operations.
struct CandleEngine {
    network: Network,
    shards: BTreeMap<ShardId, Shard>,
    packed: BTreeMap<(usize, usize), Packed>,
}

impl CandleEngine {
    fn level(&mut self, task: usize, level: usize) -> anyhow::Result<Packed> {
        if let Some(packed) = self.packed.get(&(task, level)) {
            return Ok(packed.clone());
        }
        let plan = self.network.plan(task, level)?;
        let layout = LevelLayout::new(&plan);
        let mut packed = vec![0.0; layout.total];
        let Some(Shard::Level(own)) = self.shards.get(&ShardId::Level { task, level }) else {
            anyhow::bail!("the level's own shard is not loaded")
        };
        for (i, conv) in plan.convs().enumerate() {
            self.pack_weights(&plan, conv, &mut packed[layout.weights[i].clone()])?;
            packed[layout.norms[i].scale.clone()].copy_from_slice(&own.norms[i].scale);
            packed[layout.norms[i].shift.clone()].copy_from_slice(&own.norms[i].shift);
        }
        let packed = (Arc::new(plan), Tensor::from_vec(packed, layout.total, &Device::Cpu)?);
        self.packed.insert((task, level), packed.clone());
        Ok(packed)
    }

    /// One convolution's weights, H W I O, out of the O I H W shards.
    fn pack_weights(&self, plan: &Plan, conv: &Conv, out: &mut [f32]) -> anyhow::Result<()> {
        let (inputs, outputs) = (plan.tensor(conv.input).channels, plan.tensor(conv.output).channels);
        let mut put = |source: &[f32], rows: std::ops::Range<usize>, columns: usize, o: usize, i: usize| {
            for (r, row) in rows.enumerate() {
                for c in 0..columns {
                    for tap in 0..9 {
                        out[(tap * inputs + i + c) * outputs + o + r] = source[(row * columns + c) * 9 + tap];
                    }
                }
            }
        };
        for to in &conv.outputs {
            match conv.weights {
                Weights::Stem => {
                    let shard = self.shards.get(&ShardId::Stem { task: plan.task });
                    let Some(Shard::Stem(weight)) = shard else { anyhow::bail!("the stem is not loaded") };
                    put(weight, to.physical.clone(), 3, to.packed.start, 0);
                }
                Weights::Shared { layer } => {
                    for from in &conv.inputs {
                        let id = ShardId::Block { to: to.unit, from: from.unit };
                        let Some(Shard::Block(layers)) = self.shards.get(&id) else {
                            anyhow::bail!("{id} is not loaded")
                        };
                        let columns = from.packed.len();
                        put(&layers[layer], 0..to.packed.len(), columns, to.packed.start, from.packed.start);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Engine for CandleEngine {
    fn name(&self) -> String {
        "candle's built-in operations".into()
    }

    fn run(&mut self, task: usize, level: usize, input: &[f32], images: usize) -> anyhow::Result<Vec<f32>> {
        let (plan, packed) = self.level(task, level)?;
        let size = plan.tensors[0].height;
        let images = Tensor::from_slice(input, (images, size, size, 3), &Device::Cpu)?;
        let features = oracle::trunk(&plan, &images, &packed, Statistics::Folded)?;
        let Some(Shard::Level(own)) = self.shards.get(&ShardId::Level { task, level }) else {
            anyhow::bail!("the level's own shard is not loaded")
        };
        let shape = (plan.classes(), plan.features());
        let weight = Tensor::from_slice(&own.classifier_weight, shape, &Device::Cpu)?;
        let bias = Tensor::from_slice(&own.classifier_bias, plan.classes(), &Device::Cpu)?;
        let logits = features.matmul(&weight.t()?)?.broadcast_add(&bias)?;
        logits.flatten_all()?.to_vec1().context("reading the logits")
    }
}

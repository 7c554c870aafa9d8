//! The engines that a model can be evaluated with.

use super::Engine;
use crate::network::LevelLayout;
use crate::network::oracle::{self, Statistics};
use crate::weights::{self, Shards};
use anyhow::Context;
use candle_core::{Device, Tensor};
use clap::ValueEnum;
use dvn::folder::ModelFolder;
use dvn::{Network, Plan, Shard, ShardId};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasm_infer::{CpuEngine, Gpu, GpuEngine};

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The project's own CPU engine, the one that browsers without WebGPU run.
    Cpu,
    /// The project's GPU engine, over Vulkan, Metal or DirectX 12.
    Wgpu,
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
            Kind::Wgpu => {
                let gpu = wasm_infer::block_on(Gpu::request())?;
                let engine = GpuEngine::new(gpu.clone(), network.clone());
                for id in network.shards() {
                    engine.insert(id, model.read(id)?)?;
                }
                Ok(Box::new(Wgpu { gpu, engine }))
            }
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
pub fn candle(network: Network, shards: Shards) -> Box<dyn Engine> {
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

/// The GPU engine with the adapter that it runs on.
struct Wgpu {
    gpu: Arc<Gpu>,
    engine: GpuEngine,
}

impl Engine for Wgpu {
    fn name(&self) -> String {
        let kind = if self.gpu.software() { " (a software adapter, not a GPU)" } else { "" };
        format!("wgpu on {}{kind}", self.gpu.name())
    }

    fn run(&mut self, task: usize, level: usize, input: &[f32], images: usize) -> anyhow::Result<Vec<f32>> {
        Ok(wasm_infer::block_on(self.engine.run(task, level, input, images))?)
    }
}

/// A plan and its packed parameters.
type Packed = (Arc<Plan>, Tensor);

/// The plan through candle's built-in operations.
struct CandleEngine {
    network: Network,
    shards: Shards,
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
        let own = weights::own(&plan, &self.shards)?;
        for (i, conv) in plan.convs().enumerate() {
            let dense = weights::dense(&plan, conv, &self.shards)?;
            turn(&dense, plan.tensor(conv.input).channels, &mut packed[layout.weights[i].clone()]);
            packed[layout.norms[i].scale.clone()].copy_from_slice(&own.norms[i].scale);
            packed[layout.norms[i].shift.clone()].copy_from_slice(&own.norms[i].shift);
        }
        let packed = (Arc::new(plan), Tensor::from_vec(packed, layout.total, &Device::Cpu)?);
        self.packed.insert((task, level), packed.clone());
        Ok(packed)
    }
}

/// [outputs, inputs, 3, 3] as [3, 3, inputs, outputs].
fn turn(oihw: &[f32], inputs: usize, hwio: &mut [f32]) {
    let outputs = oihw.len() / (9 * inputs);
    for (n, &v) in oihw.iter().enumerate() {
        hwio[(n % 9 * inputs + n / 9 % inputs) * outputs + n / (9 * inputs)] = v;
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
        let own = weights::own(&plan, &self.shards)?;
        let shape = (plan.classes(), plan.features());
        let weight = Tensor::from_slice(&own.classifier_weight, shape, &Device::Cpu)?;
        let bias = Tensor::from_slice(&own.classifier_bias, plan.classes(), &Device::Cpu)?;
        let logits = features.matmul(&weight.t()?)?.broadcast_add(&bias)?;
        logits.flatten_all()?.to_vec1().context("reading the logits")
    }
}

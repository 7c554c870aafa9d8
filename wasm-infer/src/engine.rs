//! One face for both engines.

use crate::cpu::CpuEngine;
use crate::error::EngineError;
use crate::gpu::{Gpu, GpuEngine};
use dvn::{Network, Shard, ShardId};
use std::cell::RefCell;
use std::sync::Arc;

/// An engine of either kind.
///
/// Calls may overlap: while a run waits for a GPU, shards can be inserted and freed, and other runs queue up.
#[derive(Debug)]
pub enum Engine {
    /// On the CPU.
    Cpu(RefCell<CpuEngine>),
    /// On a GPU.
    Gpu(GpuEngine),
}

impl Engine {
    /// An engine on the CPU.
    pub fn cpu(network: Network) -> Engine {
        Engine::Cpu(RefCell::new(CpuEngine::new(network)))
    }

    /// An engine on a GPU.
    pub fn gpu(gpu: Arc<Gpu>, network: Network) -> Engine {
        Engine::Gpu(GpuEngine::new(gpu, network))
    }

    /// Keeps a shard, in place of an earlier one of the same name.
    ///
    /// # Errors
    /// If the network has no such shard, or its shapes are others.
    pub fn insert(&self, id: ShardId, shard: Shard) -> Result<(), EngineError> {
        match self {
            Engine::Cpu(engine) => engine.borrow_mut().insert(id, shard),
            Engine::Gpu(engine) => engine.insert(id, shard),
        }
    }

    /// Where the weights belong on a GPU, uploads what waits in memory if that is more than `most` bytes.
    ///
    /// # Errors
    /// If the GPU is too small, out of memory or lost.
    pub async fn settle(&self, most: u64) -> Result<(), EngineError> {
        match self {
            Engine::Cpu(_) => Ok(()),
            Engine::Gpu(engine) => engine.settle(most).await,
        }
    }

    /// Frees every shard that is not named, and the feature maps.
    pub fn retain(&self, keep: &[ShardId]) {
        match self {
            Engine::Cpu(engine) => engine.borrow_mut().retain(keep),
            Engine::Gpu(engine) => engine.retain(keep),
        }
    }

    /// The shards that are kept.
    pub fn resident(&self) -> Vec<ShardId> {
        match self {
            Engine::Cpu(engine) => engine.borrow().resident(),
            Engine::Gpu(engine) => engine.resident(),
        }
    }

    /// Bytes of the weights that are kept.
    pub fn resident_bytes(&self) -> u64 {
        match self {
            Engine::Cpu(engine) => engine.borrow().resident_bytes(),
            Engine::Gpu(engine) => engine.resident_bytes(),
        }
    }

    /// Bytes allocated for feature maps at present.
    pub fn activation_bytes(&self) -> u64 {
        match self {
            Engine::Cpu(engine) => engine.borrow().activation_bytes(),
            Engine::Gpu(engine) => engine.activation_bytes(),
        }
    }

    /// Runs `level` (from 1) of `task` (from 0) on `images` normalised images, N H W C. Gives the logits, images x
    /// classes.
    ///
    /// # Errors
    /// If there is no such level, one of its shards is missing, the input has another length, or the GPU fails.
    pub async fn run(
        &self,
        task: usize,
        level: usize,
        input: &[f32],
        images: usize,
    ) -> Result<Vec<f32>, EngineError> {
        match self {
            Engine::Cpu(engine) => engine.borrow_mut().run(task, level, input, images),
            Engine::Gpu(engine) => engine.run(task, level, input, images).await,
        }
    }
}

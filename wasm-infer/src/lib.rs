//! Runs any level of a Deep Virtual Network: an engine over wgpu's compute shaders, an engine for CPUs, and their
//! WebAssembly surface.
//!
//! Both engines follow [`dvn::Plan`]. Weights come and go by shard: [`Engine::insert`] adds what a level needs,
//! [`Engine::retain`] frees the rest, and what is resident is exactly the shards in between.

mod checks;
pub mod cpu;
mod engine;
mod error;
pub mod gpu;
mod map;
#[cfg(target_arch = "wasm32")]
pub mod web;

pub use checks::softmax;
pub use cpu::CpuEngine;
pub use engine::Engine;
pub use error::EngineError;
pub use gpu::{Choice, Gpu, GpuEngine, GpuOptions, LayerKernel, LayerTimes, Origin, Variant};

/// Waits for an engine's future on this thread.
#[cfg(not(target_arch = "wasm32"))]
pub use pollster::block_on;

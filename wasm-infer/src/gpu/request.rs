//! Asking for a GPU.

use super::device::{Gpu, GpuOptions};
use super::selftest;
use crate::error::EngineError;
use std::sync::Arc;

impl Gpu {
    /// Asks the system for its most powerful GPU and tests it.
    ///
    /// # Errors
    /// If there is none, it is too small, or it computes wrongly.
    pub async fn request() -> Result<Arc<Gpu>, EngineError> {
        Gpu::request_with(GpuOptions::default()).await
    }

    /// [`Gpu::request`] with options.
    ///
    /// # Errors
    /// As there.
    pub async fn request_with(wanted: GpuOptions) -> Result<Arc<Gpu>, EngineError> {
        let no_adapter = |reason: String| EngineError::NoAdapter { reason };
        if wgpu::Instance::enabled_backend_features().is_empty() {
            return Err(no_adapter("this program was built without GPU support".into()));
        }
        #[cfg(target_arch = "wasm32")]
        if !super::browser::offered() {
            return Err(no_adapter("this browser has no WebGPU, or keeps it from this page".into()));
        }
        let instance = wgpu::Instance::default();
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = instance.request_adapter(&options).await.map_err(|e| no_adapter(e.to_string()))?;
        let info = adapter.get_info();
        #[cfg(target_arch = "wasm32")]
        let info = super::browser::info(info).await;
        let gpu = Gpu::open(&adapter, info, &wanted).await?;
        selftest::run(&gpu).await?;
        Ok(gpu)
    }
}

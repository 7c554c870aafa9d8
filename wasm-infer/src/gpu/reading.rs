//! Numbers on their way back from the GPU.

use super::device::Gpu;
use super::memory::{Account, Memory};
use super::watch::Pending;
use crate::error::EngineError;
use futures_channel::oneshot;
use wgpu::BufferUsages;

/// A buffer that can be read once the GPU has written it.
pub(super) struct Staging(Memory);

/// Numbers that were asked for.
pub(super) struct Reading {
    memory: Memory,
    mapped: oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Staging {
    pub(super) fn new(gpu: &Gpu, account: &Account, bytes: u64) -> Staging {
        Staging(Memory::new(gpu, account, bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST))
    }

    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        self.0.buffer()
    }

    /// Asks for its numbers; what writes them was submitted.
    pub(super) fn read(self) -> Reading {
        let (sender, mapped) = oneshot::channel();
        self.buffer().map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody waits any more if the run was given up.
            let _ = sender.send(result);
        });
        Reading { memory: self.0, mapped }
    }
}

impl Reading {
    /// Waits for the numbers, and for what the device says of the work that made them, which was to allocate `what`.
    ///
    /// # Errors
    /// If the work failed, or the numbers cannot be read.
    pub(super) async fn numbers(
        self,
        gpu: &Gpu,
        outcome: Pending,
        what: &'static str,
    ) -> Result<Vec<f32>, EngineError> {
        gpu.nudge();
        let mapped = self.mapped.await;
        gpu.judge(outcome.await, what)?;
        let refused = |reason: String| EngineError::Gpu { reason };
        match mapped {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(refused(format!("the results cannot be read: {e}"))),
            Err(_) => return Err(refused("the results never came".into())),
        }
        let view = self.memory.buffer().get_mapped_range(..).map_err(|e| refused(e.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

//! The trunk as one candle operation: images and packed parameters in, pooled features out, its own backward pass.

use super::trunk::Saved;
use super::{BatchStatistics, Trunk};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use dvn::Plan;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One run of one level's trunk. The gradient of the images is not worked out.
pub struct TrunkOp {
    plan: Arc<Plan>,
    trunk: Arc<Mutex<Trunk>>,
    saved: Mutex<Option<Saved>>,
    statistics: Arc<Mutex<Vec<BatchStatistics>>>,
}

impl TrunkOp {
    /// An operation for one run in `trunk`'s memory; `statistics` gets those of the batch.
    pub fn new(
        plan: Arc<Plan>,
        trunk: Arc<Mutex<Trunk>>,
        statistics: Arc<Mutex<Vec<BatchStatistics>>>,
    ) -> Self {
        TrunkOp { plan, trunk, saved: Mutex::new(None), statistics }
    }
}

/// A panic elsewhere leaves no half-made state behind in what these locks guard: buffers are overwritten before use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
        bail!("a trunk takes contiguous f32 tensors")
    };
    Ok(&values[start..end])
}

impl CustomOp2 for TrunkOp {
    fn name(&self) -> &'static str {
        "dvn-trunk"
    }

    fn cpu_fwd(
        &self,
        images: &CpuStorage,
        l1: &Layout,
        packed: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (images, packed) = (contiguous(images, l1)?, contiguous(packed, l2)?);
        let (features, saved) = lock(&self.trunk).forward(&self.plan, images, packed);
        lock(&self.statistics).clone_from(&saved.statistics);
        let shape = Shape::from((features.len() / self.plan.features(), self.plan.features()));
        *lock(&self.saved) = Some(saved);
        Ok((CpuStorage::F32(features), shape))
    }

    fn bwd(
        &self,
        images: &Tensor,
        packed: &Tensor,
        _features: &Tensor,
        d_features: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(saved) = lock(&self.saved).take() else {
            bail!("a trunk's backward pass runs once, after its forward pass")
        };
        let d_features = d_features.flatten_all()?.to_vec1::<f32>()?;
        let (images, l1) = images.storage_and_layout();
        let (parameters, l2) = packed.storage_and_layout();
        let (candle_core::Storage::Cpu(images), candle_core::Storage::Cpu(parameters)) =
            (&*images, &*parameters)
        else {
            bail!("a trunk's backward pass runs on the CPU")
        };
        let (images, parameters) = (contiguous(images, l1)?, contiguous(parameters, l2)?);
        let gradient = lock(&self.trunk).backward(&self.plan, images, parameters, saved, &d_features);
        Ok((None, Some(Tensor::from_vec(gradient, packed.shape(), packed.device())?)))
    }
}

impl Drop for TrunkOp {
    fn drop(&mut self) {
        if let Some(mut saved) = lock(&self.saved).take() {
            lock(&self.trunk).release(&mut saved);
        }
    }
}

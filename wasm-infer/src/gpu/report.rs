//! What carries out the layers of a level, and how long each way takes.

use super::choice::{Origin, choose, fits};
use super::kernels::Variant;
use super::layer::Layer;
use super::level;
use super::measure::Case;
use super::{GpuEngine, layers};
use crate::error::EngineError;
use dvn::plan::Conv;

/// A convolution of a level, and what carries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerKernel {
    /// The convolution.
    pub name: String,
    /// What its speed depends on, in words: sizes, stride, batch.
    pub shape: String,
    /// What carries it out.
    pub variant: Variant,
    /// Why that.
    pub origin: Origin,
    /// Dispatches that it takes.
    pub dispatches: usize,
}

/// The time of a convolution by every variant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LayerTimes {
    /// The first convolution of its shape.
    pub name: String,
    /// What its speed depends on, in words.
    pub shape: String,
    /// Convolutions of the level that have this shape.
    pub layers: usize,
    /// Multiply-accumulates of one of them, all images.
    pub macs: u64,
    /// Milliseconds by each variant that can be used.
    pub times: Vec<(Variant, f64)>,
}

/// Milliseconds that a variant is run for in [`GpuEngine::layer_times`].
const LONG: f64 = 20.0;

impl GpuEngine {
    /// How each convolution of `level` (from 1) of `task` (from 0) is carried out for so many images.
    ///
    /// # Errors
    /// If there is no such level, or the GPU is too small for it.
    pub fn kernels(&self, task: usize, level: usize, images: usize) -> Result<Vec<LayerKernel>, EngineError> {
        let planned = self.planned(task, level)?;
        let images = self.at_once(&planned, images)?;
        let kernel = |(conv, layer): (&Conv, Layer)| {
            let (variant, origin) = choose(&self.gpu, &layer, self.choice);
            let dispatches = variant.pipes(layer.stride).len();
            LayerKernel { name: conv.name.clone(), shape: layer.shape(), variant, origin, dispatches }
        };
        Ok(layers(&planned.plan, images).map(kernel).collect())
    }

    /// Times every variant of every shape of layer in `level` (from 1) of `task` (from 0), whose shards were inserted.
    /// For engineers; a run measures what it needs by itself.
    ///
    /// # Errors
    /// As [`GpuEngine::run`].
    pub async fn layer_times(
        &self,
        task: usize,
        level: usize,
        images: usize,
    ) -> Result<Vec<LayerTimes>, EngineError> {
        let planned = self.planned(task, level)?;
        let images = self.at_once(&planned, images)?;
        self.upload(&planned.plan).await?;
        let mut found: Vec<LayerTimes> = Vec::new();
        for (conv, norm) in level::convolutions(&planned.plan) {
            let layer = level::layer(&planned.plan, conv, images, norm, |_, _| 0);
            let shape = layer.shape();
            if let Some(same) = found.iter_mut().find(|f| f.shape == shape) {
                same.layers += 1;
                continue;
            }
            let mut times = Vec::new();
            for variant in Variant::ALL.into_iter().filter(|&v| fits(&self.gpu, &layer, v)) {
                let time =
                    self.time(Case { planned: &planned, conv, norm, images }, variant, LONG, &mut None).await;
                times.extend(time.map(|t| (variant, t)));
            }
            let tensor = |id| planned.plan.tensor(id);
            let macs = 9 * tensor(conv.input).channels * tensor(conv.output).elements() * images;
            let name = conv.name.clone();
            found.push(LayerTimes { name, shape, layers: 1, macs: macs as u64, times });
        }
        Ok(found)
    }
}

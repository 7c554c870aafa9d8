//! The runtimes that run in this process.

use crate::{Job, Ready};
use anyhow::{Result, anyhow};
use dvn::folder::ModelFolder;
use native_train::evaluate::{Engine, engines};
use rten_tensor::{AsView, NdTensor};
use std::sync::Arc;
use tract_onnx::prelude::*;

/// What reads a model folder.
struct OfFolder {
    engine: Box<dyn Engine>,
    level: usize,
    input: Vec<f32>,
    count: usize,
}

impl Ready for OfFolder {
    fn run(&mut self) -> Result<Vec<f32>> {
        self.engine.run(0, self.level, &self.input, self.count)
    }
}

fn of_folder(engine: Box<dyn Engine>, model: &ModelFolder, level: usize, job: &Job) -> Box<dyn Ready> {
    let how = model.manifest().tasks[0].input;
    let input = job.images.iter().enumerate().map(|(i, v)| (v - how.mean[i % 3]) / how.std[i % 3]).collect();
    Box::new(OfFolder { engine, level, input, count: job.count })
}

/// The project's CPU engine.
pub fn ours(model: &ModelFolder, level: usize, job: &Job) -> Result<Box<dyn Ready>> {
    let engine = engines::cpu(model.network(), |id| Ok(model.read(id)?))?;
    Ok(of_folder(Box::new(engine), model, level, job))
}

/// The plan through candle's built-in operations.
pub fn candle(model: &ModelFolder, level: usize, job: &Job) -> Result<Box<dyn Ready>> {
    Ok(of_folder(engines::Kind::Candle.open(model)?, model, level, job))
}

struct Rten {
    model: rten::Model,
    input: NdTensor<f32, 4>,
    options: rten::RunOptions,
}

/// rten, weights packed beforehand.
pub fn rten(job: &Job) -> Result<Box<dyn Ready>> {
    let model = rten::ModelOptions::with_all_ops().prepack_weights(true).load(job.onnx.to_vec())?;
    let input = NdTensor::from_data([job.count, 3, job.size, job.size], job.planes());
    let pool = Arc::new(rten::ThreadPool::with_num_threads(job.threads));
    let options = rten::RunOptions::default().with_thread_pool(Some(pool));
    Ok(Box::new(Rten { model, input, options }))
}

impl Ready for Rten {
    fn run(&mut self) -> Result<Vec<f32>> {
        let output = self.model.run_one(self.input.view().into(), Some(self.options.clone()))?;
        let logits: NdTensor<f32, 2> = output.try_into()?;
        Ok(logits.to_vec())
    }
}

struct Tract {
    model: Arc<TypedRunnableModel>,
    input: Tensor,
}

/// tract, optimized for this number of images; it has one thread, whatever there are.
pub fn tract(job: &Job) -> Result<Box<dyn Ready>> {
    let shape = [job.count, 3, job.size, job.size];
    let load = || -> TractResult<_> {
        let model = tract_onnx::onnx().model_for_read(&mut &*job.onnx)?;
        model.with_input_fact(0, f32::fact(shape).into())?.into_optimized()?.into_runnable()
    };
    let model = load().map_err(|e| anyhow!("tract: {e:#}"))?;
    let input = Tensor::from_shape(&shape, &job.planes()).map_err(|e| anyhow!("tract: {e:#}"))?;
    Ok(Box::new(Tract { model, input }))
}

impl Ready for Tract {
    fn run(&mut self) -> Result<Vec<f32>> {
        let run = || -> TractResult<Vec<f32>> {
            let outputs = self.model.run(tvec![self.input.clone().into()])?;
            Ok(outputs[0].to_plain_array_view::<f32>()?.iter().copied().collect())
        };
        run().map_err(|e| anyhow!("tract: {e:#}"))
    }
}

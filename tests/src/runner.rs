//! What is held to the cases.

use crate::case::Case;
use anyhow::Result;
use wasm_infer::Engine;

/// An engine under test.
pub trait Runner {
    /// For messages.
    fn name(&self) -> String;

    /// The logits of `level` (from 1) of `task` (from 0) for all of the case's images, images x classes.
    ///
    /// # Errors
    /// If the engine fails.
    fn run(&mut self, case: &Case, task: usize, level: usize) -> Result<Vec<f32>>;
}

/// Runs a case through an engine of `wasm-infer` that keeps the shards of one level at a time.
#[derive(Debug)]
pub struct EngineRunner {
    name: &'static str,
    engine: Engine,
}

impl EngineRunner {
    /// `engine` was made for the network of the cases to come.
    pub fn new(name: &'static str, engine: Engine) -> EngineRunner {
        EngineRunner { name, engine }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Runner for EngineRunner {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&mut self, case: &Case, task: usize, level: usize) -> Result<Vec<f32>> {
        let wanted = case.network.plan(task, level)?.shards();
        self.engine.retain(&wanted);
        let resident = self.engine.resident();
        for id in wanted.into_iter().filter(|id| !resident.contains(id)) {
            self.engine.insert(id, case.shards[&id].clone())?;
        }
        Ok(wasm_infer::block_on(self.engine.run(task, level, &case.images[task], case.count))?)
    }
}

/// How near an engine's logits are to the reference.
#[derive(Clone, Copy, Debug)]
pub struct Agreement {
    /// `||a - b|| / ||b||` over all images, in f64.
    pub error: f64,
    /// Images whose predicted classes differ, save ties: the reference's own two logits are farther apart than the
    /// tolerance.
    pub other_class: usize,
}

/// The largest [`Agreement::error`] that counts as equal.
pub const TOLERANCE: f64 = 1e-4;

impl Agreement {
    /// Whether the engine computes the same.
    pub fn holds(&self) -> bool {
        self.error <= TOLERANCE && self.other_class == 0
    }
}

/// Compares logits with the reference's.
///
/// # Panics
/// If their lengths differ.
pub fn agreement(logits: &[f32], reference: &[f64], classes: usize) -> Agreement {
    assert_eq!(logits.len(), reference.len(), "number of logits");
    let error = relative_error(logits, reference);
    let rows = logits.chunks(classes).zip(reference.chunks(classes));
    let other = |(a, b): &(&[f32], &[f64])| {
        let mine = (0..classes).max_by(|&i, &j| a[i].total_cmp(&a[j])).unwrap_or(0);
        let best = b.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        best - b[mine] > TOLERANCE * norm(b.iter().copied())
    };
    Agreement { error, other_class: rows.filter(other).count() }
}

/// `||found - expected|| / ||expected||`, of as many numbers.
pub fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    let difference = found.iter().zip(expected).map(|(a, b)| f64::from(*a) - b);
    norm(difference) / norm(expected.iter().copied())
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_sees_noise_wrong_classes_and_nan() {
        let reference = [3.0, 4.0, 1.0, 0.0];
        let near = agreement(&[3.0, 4.0, 1.0, 1e-5], &reference, 2);
        assert!(near.holds() && near.error > 1e-6, "{near:?}");
        assert_eq!(agreement(&[4.0, 3.0, 1.0, 0.0], &reference, 2).other_class, 1);
        assert!(!agreement(&[3.0, 4.01, 1.0, 0.0], &reference, 2).holds());
        assert!(!agreement(&[f32::NAN, 4.0, 1.0, 0.0], &reference, 2).holds());
    }
}

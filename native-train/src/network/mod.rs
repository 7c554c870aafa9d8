//! The network as the trainer sees it: its parameters, and a level's trunk forward and backward.
//!
//! A *trunk* is all of a level but the classifier: images and the level's packed parameters in, pooled features out.

pub mod buffers;
pub mod oracle;
pub mod parameters;
pub mod trunk;

pub use parameters::{LevelLayout, Parameters};
pub use trunk::Trunk;

/// Added to the variance in batch norm.
pub const EPSILON: f64 = 1e-5;
/// Share of the batch's statistics in the running ones.
pub const RUNNING_SHARE: f32 = 0.1;

/// Mean and variance of each channel of one convolution's output over a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchStatistics {
    /// Mean.
    pub mean: Vec<f64>,
    /// Biased variance (divided by the count).
    pub variance: Vec<f64>,
    /// Numbers behind each of them: images x height x width.
    pub count: usize,
}

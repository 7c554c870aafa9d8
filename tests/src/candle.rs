//! The plan through candle's built-in operations, as a runner.

use crate::case::Case;
use crate::runner::Runner;
use anyhow::Result;
use native_train::evaluate::{Engine, engines};

/// Runs cases of one network.
pub struct CandleRunner(Box<dyn Engine>);

impl CandleRunner {
    /// With all of a case's weights.
    pub fn new(case: &Case) -> CandleRunner {
        CandleRunner(engines::candle(case.network.clone(), case.shards.clone()))
    }
}

impl Runner for CandleRunner {
    fn name(&self) -> String {
        self.0.name()
    }

    fn run(&mut self, case: &Case, task: usize, level: usize) -> Result<Vec<f32>> {
        self.0.run(task, level, &case.images[task], case.count)
    }
}

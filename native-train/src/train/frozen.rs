//! What a step of learning leaves as it is, bit for bit.

use crate::network::{LevelLayout, Parameters};
use dvn::Plan;
use std::ops::Range;
use std::sync::Arc;

/// A level's plan, at any size of the images, and its packed layout.
pub type Level = (Arc<Plan>, LevelLayout);

/// Trained numbers that keep their values.
#[derive(Clone, Debug, Default)]
pub struct Frozen {
    ranges: Vec<Range<usize>>,
    values: Vec<f32>,
}

impl Frozen {
    /// All numbers but those of the levels in `learned`; of these, too, what the levels in `kept` are made of, and all but the
    /// classifiers if `features` are kept. Without it weight decay alone would change what no loss depends on.
    pub fn new(parameters: &Parameters, learned: &[&Level], kept: &[&Level], features: bool) -> Frozen {
        let mut free = vec![false; parameters.values.len()];
        let mut classifiers = Vec::new();
        for (plan, layout) in learned {
            if !features {
                parameters.trunk(plan, layout).into_iter().for_each(|range| free[range].fill(true));
            }
            classifiers.extend([parameters.classifier_weight(plan), parameters.classifier_bias(plan)]);
        }
        for (plan, layout) in kept {
            parameters.trunk(plan, layout).into_iter().for_each(|range| free[range].fill(false));
        }
        classifiers.into_iter().for_each(|range| free[range].fill(true));
        let mut ranges = Vec::new();
        let mut start = 0;
        for run in free.chunk_by(|a, b| a == b) {
            if !run[0] {
                ranges.push(start..start + run.len());
            }
            start += run.len();
        }
        Frozen { ranges, values: Vec::new() }
    }

    /// Takes note of the values that [`Frozen::restore`] brings back.
    pub fn save(&mut self, values: &[f32]) {
        self.values.clear();
        self.ranges.iter().for_each(|range| self.values.extend(&values[range.clone()]));
    }

    /// Gives the numbers the values saved.
    pub fn restore(&self, values: &mut [f32]) {
        let mut saved = &self.values[..];
        for range in &self.ranges {
            let (own, rest) = saved.split_at(range.len());
            values[range.clone()].copy_from_slice(own);
            saved = rest;
        }
    }
}

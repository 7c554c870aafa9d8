//! Weight averaging: an exponential moving average of everything that a level computes with.

use crate::network::Parameters;
use rayon::prelude::*;

/// The average of the weights after each step, and of batch norm's running statistics (Polyak and Juditsky 1992; with the
/// rising decay that TensorFlow's `ExponentialMovingAverage` has).
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    /// Of the trained numbers.
    pub values: Vec<f32>,
    /// Of the running statistics.
    pub running: Vec<f32>,
}

impl Average {
    /// Starts at `parameters`.
    pub fn new(parameters: &Parameters) -> Average {
        Average { values: parameters.values.clone(), running: parameters.running.clone() }
    }

    /// Takes in the weights after step `step` (from 1). `decay` is the share that the average keeps; it is lower in the first
    /// steps, whose weights mean little.
    pub fn update(&mut self, parameters: &Parameters, step: u64, decay: f64) {
        let step = step as f64;
        let share = (1.0 - decay.min((1.0 + step) / (10.0 + step))) as f32;
        let mix = |average: &mut [f32], now: &[f32]| {
            average.par_iter_mut().zip(now).with_min_len(1 << 15).for_each(|(a, n)| *a += share * (n - *a));
        };
        mix(&mut self.values, &parameters.values);
        mix(&mut self.running, &parameters.running);
    }

    /// `parameters`, averaged.
    pub fn of(&self, parameters: &Parameters) -> Parameters {
        let mut averaged = parameters.clone();
        averaged.values.clone_from(&self.values);
        averaged.running.clone_from(&self.running);
        averaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvn::{Network, Split, TaskSpec, order};

    /// Weights that are the step's number: the average of s = 1, 2, ... with a constant decay d is known in closed form,
    /// s - d / (1 - d) once the beginning is forgotten.
    #[test]
    fn follows_a_ramp_at_its_known_distance() {
        let orders = order::default_orders(1, 1).unwrap();
        let tasks = orders.into_iter().map(|order| TaskSpec { classes: 2, input_size: 8, order }).collect();
        let network = Network::new("wrn-8-1".parse().unwrap(), Split::equal(1).unwrap(), tasks).unwrap();
        let mut parameters = Parameters::new(&network, 1);
        let mut average = Average::new(&parameters);
        let decay = 0.9;
        for step in 1..=400 {
            parameters.values.fill(step as f32);
            parameters.running.fill(-(step as f32));
            average.update(&parameters, step, decay);
        }
        let averaged = average.of(&parameters);
        let expected = 400.0 - 0.9 / 0.1;
        for (value, running) in averaged.values.iter().zip(&averaged.running) {
            assert!(
                (value - expected).abs() < 1e-2 && (running + expected).abs() < 1e-2,
                "{value} {running}"
            );
        }
    }
}

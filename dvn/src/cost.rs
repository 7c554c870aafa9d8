//! What a level costs.

use crate::backbone::Layer;
use crate::error::DefinitionError;
use crate::network::Network;
use crate::plan::{Op, Plan, Weights};
use crate::shard::ShardId;
use crate::unit::Unit;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The costs of one level of one task. Everything is counted: the task's stem, the shared blocks, two numbers a channel
/// for each batch norm, the classifier with its bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Costs {
    /// f32 numbers that inference must keep.
    pub parameters: u64,
    /// 4 per parameter.
    pub bytes: u64,
    /// Multiply-accumulates for one image: convolutions (padding counted) and classifier.
    pub macs: u64,
    /// Bytes of feature maps for one image, in buffers shared over time ([`Plan::slots`]).
    pub activation_bytes: u64,
}

impl Plan {
    /// What this level costs.
    pub fn costs(&self) -> Costs {
        let (mut parameters, mut macs) = (0, 0);
        for op in &self.ops {
            match op {
                Op::Conv(conv) => {
                    let (input, output) = (self.tensor(conv.input), self.tensor(conv.output));
                    let weights = 9 * (input.channels * output.channels) as u64;
                    parameters += weights + 2 * output.channels as u64;
                    macs += weights * (output.height * output.width) as u64;
                }
                Op::Classifier { .. } => {
                    let weights = (self.features() * self.classes()) as u64;
                    parameters += weights + self.classes() as u64;
                    macs += weights;
                }
                Op::Pool { .. } => {}
            }
        }
        let activation_bytes = 4 * self.slots().elements.iter().sum::<usize>() as u64;
        Costs { parameters, bytes: 4 * parameters, macs, activation_bytes }
    }
}

impl Network {
    /// Parameters of the whole model, all tasks and levels together: what the model folder holds.
    pub fn total_parameters(&self) -> u64 {
        let shared: usize = self.layers().iter().map(|l| 9 * l.inputs * l.outputs).sum();
        let stems = self.tasks().len() * 27 * self.backbone().stem_width();
        let own = (0..self.tasks().len()).flat_map(|t| (1..=self.levels()).map(move |l| (t, l)));
        let own: u64 = own.filter_map(|(t, l)| self.plan(t, l).ok()).map(|p| level_parameters(&p)).sum();
        (shared + stems) as u64 + own
    }

    /// Parameters that some levels, pairs of a task (from 0) and a level (from 1), need together: what several of them need counts
    /// once.
    ///
    /// # Errors
    /// If there is no such task or level.
    pub fn parameters_of(&self, levels: &[(usize, usize)]) -> Result<u64, DefinitionError> {
        let mut own = 0;
        // A task's largest level holds all that its smaller ones share with it.
        let (mut stems, mut blocks) = (BTreeMap::<usize, usize>::new(), BTreeSet::new());
        for &(task, level) in levels {
            let plan = self.plan(task, level)?;
            own += level_parameters(&plan);
            let stem = |&unit: &Unit| self.split().range(self.backbone().stem_width(), unit).len();
            let widest = stems.entry(task).or_default();
            *widest = plan.units.iter().map(stem).sum::<usize>().max(*widest);
            blocks.extend(plan.shards().into_iter().filter_map(|id| match id {
                ShardId::Block { to, from } => Some((to, from)),
                ShardId::Stem { .. } | ShardId::Level { .. } => None,
            }));
        }
        let stems = 27 * stems.values().sum::<usize>() as u64;
        Ok(own + stems + blocks.into_iter().map(|(to, from)| self.block_parameters(to, from)).sum::<u64>())
    }

    /// Weights from one unit's maps to another's, all layers together.
    pub(crate) fn block_parameters(&self, to: Unit, from: Unit) -> u64 {
        let split = self.split();
        let weights = |l: &Layer| 9 * split.range(l.outputs, to).len() * split.range(l.inputs, from).len();
        self.layers().iter().map(weights).sum::<usize>() as u64
    }
}

/// A level's own parameters: scales, shifts and classifier.
fn level_parameters(plan: &Plan) -> u64 {
    let conv = |weights: Weights, inputs: usize, outputs: usize| match weights {
        Weights::Stem => 27 * outputs,
        Weights::Shared { .. } => 9 * inputs * outputs,
    };
    let convs = plan
        .convs()
        .map(|c| conv(c.weights, plan.tensor(c.input).channels, plan.tensor(c.output).channels) as u64);
    plan.costs().parameters - convs.sum::<u64>()
}

#[cfg(test)]
mod tests {
    use crate::{Network, Split, TaskSpec, order};

    fn network(backbone: &str, units: usize, classes: &[usize]) -> Network {
        let orders = order::default_orders(units, classes.len()).unwrap();
        let spec = |(&classes, order)| TaskSpec { classes, input_size: 32, order };
        let tasks = classes.iter().zip(orders).map(spec).collect();
        Network::new(backbone.parse().unwrap(), Split::equal(units).unwrap(), tasks).unwrap()
    }

    fn millions(n: &Network, task: usize) -> Vec<f64> {
        (1..=n.levels())
            .map(|l| (n.plan(task, l).unwrap().costs().parameters as f64 / 1e5).round() / 10.0)
            .collect()
    }

    /// The paper's J1: 1.9 M for one of two units, 7.4 M for both. The two tasks differ by their classifiers; the
    /// paper's figures are their means.
    #[test]
    fn wrn_32_4_counts_as_the_paper_does() {
        let n = network("wrn-32-4", 2, &[10, 100]);
        let parameters = |t, l| n.plan(t, l).unwrap().costs().parameters;
        // Convolutions 9 (10 * 32^2 + 32 * 64 + 9 * 64^2 + 64 * 128 + 9 * 128^2), stem, norms, classifier.
        assert_eq!(parameters(0, 1), 1_843_200 + 27 * 32 + 2 * 2272 + 1290);
        let mean = |l| ((parameters(0, l) + parameters(1, l)) as f64 / 2e5).round() / 10.0;
        assert_eq!([mean(1), mean(2)], [1.9, 7.4]);
        // 1.10 G multiply-accumulates, independently: 31 convolutions of 37.7 M, the strided ones half, stem 1.8 M.
        let macs = n.plan(0, 2).unwrap().costs().macs as f64;
        assert!((macs / 1.10e9 - 1.0).abs() < 0.02, "{macs}");
    }

    /// The paper's Table 2.
    #[test]
    fn resnet_42_counts_as_the_paper_does() {
        let n = network("resnet-42", 4, &[50, 50, 50, 50]);
        for task in 0..4 {
            assert_eq!(millions(&n, task), [1.9, 7.5, 16.8, 29.8]);
        }
    }

    #[test]
    fn what_several_levels_share_counts_once() {
        let n = network("wrn-8-1", 4, &[2, 3]);
        let parameters = |t, l| n.plan(t, l).unwrap().costs().parameters;
        let of = |levels: &[(usize, usize)]| n.parameters_of(levels).unwrap();
        let all: Vec<(usize, usize)> = (0..2).flat_map(|t| (1..=4).map(move |l| (t, l))).collect();
        assert_eq!(of(&all), n.total_parameters());
        assert_eq!(of(&[(1, 3)]), parameters(1, 3));
        // Units 1 and 4: nothing in common.
        assert_eq!(of(&[(0, 1), (1, 1)]), parameters(0, 1) + parameters(1, 1));
        // The second level of one task has the first's weights; its norms and its classifier are its own.
        assert_eq!(of(&[(0, 1), (0, 2)]), parameters(0, 2) + 2 * (3 * 4 + 2 * 8 + 2 * 16) + 2 * 16 + 2);
        assert!(n.parameters_of(&[(0, 5)]).is_err());
    }

    /// Counted by hand for the smallest network: wrn-8-1, one unit, ten classes.
    #[test]
    fn a_small_network_by_hand() {
        let n = network("wrn-8-1", 1, &[10]);
        let costs = n.plan(0, 1).unwrap().costs();
        let conv = [(3, 16), (16, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)];
        let weights: u64 = conv.iter().map(|(i, o)| 9 * i * o).sum();
        let norms: u64 = conv.iter().map(|(_, o)| 2 * o).sum();
        assert_eq!(costs.parameters, weights + norms + 64 * 10 + 10);
        assert_eq!(costs.bytes, 4 * costs.parameters);
        assert_eq!(n.total_parameters(), costs.parameters);
        let sizes = [32u64, 32, 32, 16, 16, 8, 8];
        let macs: u64 = conv.iter().zip(sizes).map(|((i, o), s)| 9 * i * o * s * s).sum();
        assert_eq!(costs.macs, macs + 640);
        // Stage 1 keeps a block's input, middle and output: three maps of 32 x 32 x 16.
        assert_eq!(costs.activation_bytes, 3 * 4 * 32 * 32 * 16);
    }
}

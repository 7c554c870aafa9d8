//! Several tasks at once under one budget.
//!
//! Every task has a level of its own; what they keep is the union of their shards, so that a block that several tasks
//! use counts once.

use crate::budget::Budget;
use crate::error::DefinitionError;
use crate::manifest::Manifest;
use crate::network::Network;
use crate::shard::ShardId;

/// More combinations of levels than this are not searched.
pub const MAX_COMBINATIONS: usize = 65_536;

/// Values that differ by less are equal: sums of the same numbers in another order.
const SAME: f64 = 1e-9;

/// A level for each task, resident together.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    /// Of every task in turn, from 1.
    pub levels: Vec<usize>,
    /// f32 numbers that inference must keep for all of them, everything counted, shared blocks once.
    pub parameters: u64,
    /// Mean over the tasks of what their levels are worth.
    pub value: f64,
}

impl Network {
    /// The combinations worth having: each is worth more than every one that takes as few parameters or fewer. Fewest
    /// parameters first. `value` says what level `level` (from 1) of task `task` (from 0) is worth: its test accuracy.
    ///
    /// An exact search. Of combinations worth the same the one with the fewest parameters is here; if they take the same
    /// too, the one whose first tasks have the lower levels.
    ///
    /// # Errors
    /// If there are more than [`MAX_COMBINATIONS`].
    pub fn combinations(
        &self,
        value: impl Fn(usize, usize) -> f64,
    ) -> Result<Vec<Combination>, DefinitionError> {
        let (tasks, levels) = (self.tasks().len(), self.levels());
        let count = u32::try_from(tasks).ok().and_then(|t| levels.checked_pow(t));
        let count = count.filter(|&c| c <= MAX_COMBINATIONS);
        let count = count.ok_or(DefinitionError::Combinations { tasks, levels, max: MAX_COMBINATIONS })?;
        let parts = Parts::of(self)?;
        let mut all: Vec<Combination> = (0..count).map(|n| parts.combination(n, levels, &value)).collect();
        all.sort_unstable_by(|a, b| {
            a.parameters.cmp(&b.parameters).then(b.value.total_cmp(&a.value)).then(a.levels.cmp(&b.levels))
        });
        let mut best = f64::NEG_INFINITY;
        all.retain(|c| {
            let better = c.value > best + SAME;
            best = best.max(c.value);
            better
        });
        Ok(all)
    }
}

/// What every level of every task keeps.
struct Parts {
    /// By task and level (both from 0): parameters that are its own, and its blocks' places in `blocks`.
    levels: Vec<Vec<(u64, Vec<usize>)>>,
    /// Parameters of every block, row by row of the unit that it leads to.
    blocks: Vec<u64>,
}

impl Parts {
    fn of(network: &Network) -> Result<Parts, DefinitionError> {
        let split = network.split();
        let blocks: Vec<u64> = split
            .iter()
            .flat_map(|to| split.iter().map(move |from| (to, from)))
            .map(|(to, from)| network.block_parameters(to, from))
            .collect();
        let mut parts = Parts { levels: Vec::new(), blocks };
        for task in 0..network.tasks().len() {
            let mut levels = Vec::new();
            for level in 1..=network.levels() {
                let plan = network.plan(task, level)?;
                let place = |id| match id {
                    ShardId::Block { to, from } => Some(to.index() * split.units() + from.index()),
                    ShardId::Stem { .. } | ShardId::Level { .. } => None,
                };
                let used: Vec<usize> = plan.shards().into_iter().filter_map(place).collect();
                let shared: u64 = used.iter().map(|&at| parts.blocks[at]).sum();
                levels.push((plan.costs().parameters - shared, used));
            }
            parts.levels.push(levels);
        }
        Ok(parts)
    }

    /// The `number`-th combination: its digits in base `levels`, the first task's the highest.
    fn combination(&self, number: usize, levels: usize, value: impl Fn(usize, usize) -> f64) -> Combination {
        let tasks = self.levels.len();
        let digit = |task: usize| number / levels.pow((tasks - 1 - task) as u32) % levels;
        let chosen: Vec<usize> = (0..tasks).map(|task| digit(task) + 1).collect();
        let (mut parameters, mut sum) = (0, 0.0);
        let mut kept = vec![false; self.blocks.len()];
        for (task, &level) in chosen.iter().enumerate() {
            let (own, blocks) = &self.levels[task][level - 1];
            parameters += own;
            sum += value(task, level);
            blocks.iter().for_each(|&at| kept[at] = true);
        }
        parameters += kept.iter().zip(&self.blocks).filter(|(kept, _)| **kept).map(|(_, n)| n).sum::<u64>();
        Combination { levels: chosen, parameters, value: sum / tasks as f64 }
    }
}

impl Manifest {
    /// [`Network::combinations`] by test accuracy in percent; by the number of the level where a level's accuracy was
    /// not measured. None where there are too many to search.
    ///
    /// # Errors
    /// If `network` is not the one that this describes.
    pub fn combinations(&self, network: &Network) -> Result<Vec<Combination>, DefinitionError> {
        // A manifest that was checked has every level of the network.
        let percent = |task: usize, level: usize| self.tasks[task].levels[level - 1].accuracy;
        let found = if self.measured() {
            network.combinations(|task, level| percent(task, level).map_or(0.0, |a| a.percent))
        } else {
            network.combinations(|_, level| level as f64)
        };
        match found {
            Err(DefinitionError::Combinations { .. }) => Ok(Vec::new()),
            found => found,
        }
    }

    /// Whether every level's accuracy was measured.
    pub fn measured(&self) -> bool {
        self.tasks.iter().flat_map(|t| &t.levels).all(|l| l.accuracy.is_some())
    }
}

impl Budget {
    /// The best combination that fits, of those that [`Network::combinations`] gave; `None` if not even the first does.
    pub fn combination(self, all: &[Combination]) -> Option<&Combination> {
        all.iter().rfind(|c| c.parameters <= self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Split, TaskSpec, Unit, order};

    fn network(units: usize, classes: &[usize], orders: Vec<Vec<Unit>>) -> Network {
        let spec = |(&classes, order)| TaskSpec { classes, input_size: 32, order };
        let tasks = classes.iter().zip(orders).map(spec).collect();
        Network::new("wrn-8-1".parse().unwrap(), Split::equal(units).unwrap(), tasks).unwrap()
    }

    /// wrn-8-1 in two halves: a block holds 9 (8 * 8 + 8 * 8 + 8 * 16 + 16 * 16 + 16 * 32 + 32 * 32) numbers.
    const BLOCK: u64 = 9 * (64 + 64 + 128 + 256 + 512 + 1024);

    /// A level's own numbers for two classes: stem, two a channel for seven layers, classifier.
    fn own(units: u64) -> u64 {
        27 * 8 * units + 2 * (8 * 3 + 16 * 2 + 32 * 2) * units + 32 * units * 2 + 2
    }

    #[test]
    fn two_tasks_over_two_halves_by_hand() {
        let n = network(2, &[2, 2], order::default_orders(2, 2).unwrap());
        // The second task gains more: 60, 61 and 30, 50.
        let all = n.combinations(|task, level| [[60.0, 61.0], [30.0, 50.0]][task][level - 1]).unwrap();
        let found: Vec<_> = all.iter().map(|c| (c.levels.clone(), c.parameters, c.value)).collect();
        let expected = [
            (vec![1, 1], 2 * BLOCK + 2 * own(1), 45.0),
            // The first task's only block is among the second's four.
            (vec![1, 2], 4 * BLOCK + own(1) + own(2), 55.0),
            (vec![2, 2], 4 * BLOCK + 2 * own(2), 55.5),
        ];
        assert_eq!(found, expected);
        let buys = |parameters| Budget { parameters }.combination(&all).map(|c| c.levels.clone());
        assert_eq!(buys(found[0].1 - 1), None);
        assert_eq!(buys(found[0].1), Some(vec![1, 1]));
        assert_eq!(buys(found[2].1 - 1), Some(vec![1, 2]));
        assert_eq!(buys(u64::MAX), Some(vec![2, 2]));
    }

    #[test]
    fn what_is_worth_the_same_takes_fewer_parameters() {
        let n = network(2, &[2, 2], order::default_orders(2, 2).unwrap());
        // Level 2 is worth nothing more to the first task, less to the second.
        let all = n.combinations(|task, level| [[60.0, 60.0], [50.0, 40.0]][task][level - 1]).unwrap();
        assert_eq!(all.iter().map(|c| &c.levels[..]).collect::<Vec<_>>(), [[1, 1]]);
        // Both orders of one gain, at the same price: the first task stays low.
        let all = n.combinations(|_, level| level as f64).unwrap();
        assert_eq!(all.iter().map(|c| &c.levels[..]).collect::<Vec<_>>(), [[1, 1], [1, 2], [2, 2]]);
    }

    #[test]
    fn one_task_has_its_levels() {
        let n = network(2, &[2], order::default_orders(2, 1).unwrap());
        let all = n.combinations(|_, level| level as f64).unwrap();
        let parameters = |level| n.plan(0, level).unwrap().costs().parameters;
        assert_eq!(
            all.iter().map(|c| (c.levels[0], c.parameters)).collect::<Vec<_>>(),
            [(1, parameters(1)), (2, parameters(2))]
        );
    }

    #[test]
    fn too_many_combinations_are_refused_at_once() {
        let order: Vec<Unit> = Split::equal(2).unwrap().iter().collect();
        let n = network(2, &[2; 200], vec![order; 200]);
        assert!(matches!(
            n.combinations(|_, _| 0.0),
            Err(DefinitionError::Combinations { tasks: 200, levels: 2, .. })
        ));
    }
}

//! Resident weights.

use crate::map::Map;
use cpu_kernels::pack_filters;
use dvn::shard::LevelParameters;
use dvn::{Network, Shard, ShardId, Unit};

/// The shards that are kept, in the order in which the convolutions read them.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// By task: `[3][3][3][width]`.
    stems: Map<usize, Vec<f32>>,
    /// Unit of the outputs and unit of the inputs of the blocks that are there.
    blocks: Map<(Unit, Unit), ()>,
    /// For each layer a table of packed blocks, a row for each unit of the outputs and a column for each of the inputs.
    layers: Vec<Vec<Vec<f32>>>,
    /// By task and level.
    levels: Map<(usize, usize), LevelParameters>,
}

impl Weights {
    /// Keeps a shard whose kind and shapes were checked.
    pub(super) fn insert(&mut self, network: &Network, id: ShardId, shard: Shard) {
        match (id, shard) {
            (ShardId::Stem { task }, Shard::Stem(weight)) => {
                self.stems.insert(task, hwio(&weight));
            }
            (ShardId::Block { to, from }, Shard::Block(weights)) => {
                let units = network.levels();
                for (i, (layer, weight)) in network.layers().into_iter().zip(weights).enumerate() {
                    if self.layers.len() <= i {
                        self.layers.push(vec![Vec::new(); units * units]);
                    }
                    let inputs = network.split().range(layer.inputs, from).len();
                    self.layers[i][to.index() * units + from.index()] = pack_filters(&weight, inputs);
                }
                self.blocks.insert((to, from), ());
            }
            (ShardId::Level { task, level }, Shard::Level(parameters)) => {
                self.levels.insert((task, level), parameters);
            }
            (id, _) => unreachable!("{id} was checked to hold what its name says"),
        }
    }

    pub(super) fn retain(&mut self, keep: &[ShardId]) {
        self.stems.retain(|&task, _| keep.contains(&ShardId::Stem { task }));
        for table in &mut self.layers {
            let units = table.len().isqrt();
            for &(to, from) in self.blocks.keys() {
                if !keep.contains(&ShardId::Block { to, from }) {
                    table[to.index() * units + from.index()] = Vec::new();
                }
            }
        }
        self.blocks.retain(|&(to, from), ()| keep.contains(&ShardId::Block { to, from }));
        self.levels.retain(|&(task, level), _| keep.contains(&ShardId::Level { task, level }));
    }

    pub(super) fn has(&self, id: &ShardId) -> bool {
        match *id {
            ShardId::Stem { task } => self.stems.contains_key(&task),
            ShardId::Block { to, from } => self.blocks.contains_key(&(to, from)),
            ShardId::Level { task, level } => self.levels.contains_key(&(task, level)),
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ShardId> {
        let stems = self.stems.keys().map(|&task| ShardId::Stem { task });
        let blocks = self.blocks.keys().map(|&(to, from)| ShardId::Block { to, from });
        stems.chain(blocks).chain(self.levels.keys().map(|&(task, level)| ShardId::Level { task, level }))
    }

    /// 4 for each number.
    pub(super) fn bytes(&self) -> u64 {
        let stems = self.stems.values().map(Vec::len);
        let blocks = self.layers.iter().flatten().map(Vec::len);
        let level = |l: &LevelParameters| {
            let norms: usize = l.norms.iter().map(|n| n.scale.len() + n.shift.len()).sum();
            norms + l.classifier_weight.len() + l.classifier_bias.len()
        };
        4 * stems.chain(blocks).chain(self.levels.values().map(level)).sum::<usize>() as u64
    }

    /// A level's own parameters. Its shard is there.
    pub(super) fn level(&self, task: usize, level: usize) -> &LevelParameters {
        &self.levels[&(task, level)]
    }

    /// A task's stem, `[3][3][3][width]`. Its shard is there.
    pub(super) fn stem(&self, task: usize) -> &[f32] {
        &self.stems[&task]
    }

    /// A layer's table of packed blocks. One of its shards is there.
    pub(super) fn layer(&self, layer: usize) -> &[Vec<f32>] {
        &self.layers[layer]
    }
}

/// `[O][3][3][3]` as `[3][3][3][O]`: inputs before taps to taps before inputs.
fn hwio(oihw: &[f32]) -> Vec<f32> {
    let places = (0..9).flat_map(|tap| (0..3).map(move |input| 9 * input + tap));
    places.flat_map(|at| oihw[at..].iter().step_by(27).copied()).collect()
}

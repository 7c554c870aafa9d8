//! Resident weights, and a layer of a level gathered from them.

use dvn::plan::{Conv, Span, Weights as Source};
use dvn::shard::LevelParameters;
use dvn::{Network, Shard, ShardId, Unit};
use std::collections::BTreeMap;

/// The shards that are kept, their weights turned from O I H W to H W I O.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// By task: `[3][3][3][width]`.
    stems: BTreeMap<usize, Vec<f32>>,
    /// By unit of the outputs and unit of the inputs: for each layer `[3][3][inputs][outputs]`.
    blocks: BTreeMap<(Unit, Unit), Vec<Vec<f32>>>,
    /// By task and level.
    levels: BTreeMap<(usize, usize), LevelParameters>,
}

impl Weights {
    /// Keeps a shard whose kind and shapes were checked.
    pub(super) fn insert(&mut self, network: &Network, id: ShardId, shard: Shard) {
        match (id, shard) {
            (ShardId::Stem { task }, Shard::Stem(weight)) => {
                self.stems.insert(task, hwio(&weight, 3));
            }
            (ShardId::Block { to, from }, Shard::Block(weights)) => {
                let layers = network.layers().into_iter().zip(weights);
                let turned = |(layer, weight): (dvn::backbone::Layer, Vec<f32>)| {
                    hwio(&weight, network.split().range(layer.inputs, from).len())
                };
                self.blocks.insert((to, from), layers.map(turned).collect());
            }
            (ShardId::Level { task, level }, Shard::Level(parameters)) => {
                self.levels.insert((task, level), parameters);
            }
            (id, _) => unreachable!("{id} was checked to hold what its name says"),
        }
    }

    pub(super) fn retain(&mut self, keep: &[ShardId]) {
        self.stems.retain(|&task, _| keep.contains(&ShardId::Stem { task }));
        self.blocks.retain(|&(to, from), _| keep.contains(&ShardId::Block { to, from }));
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
        let blocks = self.blocks.values().flatten().map(Vec::len);
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

    /// The weights of a level's convolution, dense `[3][3][inputs][outputs]`: a level of one unit's block as it is,
    /// else gathered in `scratch`. The level's shards are there.
    pub(super) fn dense<'a>(&'a self, task: usize, conv: &Conv, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        let outputs = &conv.outputs;
        match conv.weights {
            Source::Stem => {
                let stem = &self.stems[&task];
                let physical = stem.len() / 27;
                scratch.clear();
                for row in stem.chunks_exact(physical) {
                    outputs.iter().for_each(|s| scratch.extend_from_slice(&row[s.physical.clone()]));
                }
                scratch
            }
            Source::Shared { layer } => {
                let block = |to: &Span, from: &Span| &self.blocks[&(to.unit, from.unit)][layer];
                if let ([to], [from]) = (&outputs[..], &conv.inputs[..]) {
                    return block(to, from);
                }
                let width = outputs.last().map_or(0, |s| s.packed.end);
                let rows = conv.inputs.last().map_or(0, |s| s.packed.end);
                // Every element is written below: growing only, and never zeroing what is there.
                scratch.resize(9 * rows * width, 0.0);
                for from in &conv.inputs {
                    for to in outputs {
                        let (i, o) = (from.packed.len(), to.packed.len());
                        let runs = block(to, from).chunks_exact(o).enumerate();
                        for (run, source) in runs {
                            let row = run / i * rows + from.packed.start + run % i;
                            let at = row * width + to.packed.start;
                            scratch[at..at + o].copy_from_slice(source);
                        }
                    }
                }
                scratch
            }
        }
    }
}

/// `[O][I][3][3]` as `[3][3][I][O]`.
fn hwio(oihw: &[f32], inputs: usize) -> Vec<f32> {
    let outputs = oihw.len() / (9 * inputs);
    let mut turned = Vec::with_capacity(oihw.len());
    for tap in 0..9 {
        for i in 0..inputs {
            turned.extend((0..outputs).map(|o| oihw[(o * inputs + i) * 9 + tap]));
        }
    }
    turned
}

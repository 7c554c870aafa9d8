//! A larger network that computes what a trained one does: something to go on training from (Chen, Goodfellow and Shlens
//! 2016, "Net2Net").
//!
//! - **Deeper**: the new residual blocks come after a stage's own. The scale of their last batch norm is 0, so they hand on
//!   what they get (Goyal et al. 2017, section 5.1, start training from such blocks); their weights are random.
//! - **Fewer units**: neighbouring units join. A shortcut hands each unit's channels to the first channels of the same unit
//!   in the next stage, so in every stage a joined unit's channels begin with those of the stage before, in their order.

use crate::network::Parameters;
use crate::{export, import};
use anyhow::{Context, ensure};
use dvn::folder::ModelFolder;
use dvn::manifest::{Manifest, Task};
use dvn::plan::Span;
use dvn::shard::{LevelParameters, Norm};
use dvn::{Backbone, Network, Shard, ShardId, Split, TaskSpec, Unit};
use std::collections::BTreeMap;
use std::path::Path;

/// A network and how it grows out of a trained one.
pub struct Growth<'a> {
    model: &'a ModelFolder,
    network: Network,
    /// Units of the source in each unit.
    join: usize,
    /// For each stage, the source's channel for each channel.
    channels: Vec<Vec<usize>>,
}

impl<'a> Growth<'a> {
    /// `model` on `backbone` with `units` units.
    ///
    /// # Errors
    /// If the backbone has other widths or fewer blocks, the units cannot be joined to that many, or a task does not take
    /// joined units one right after the other.
    pub fn new(model: &'a ModelFolder, backbone: Backbone, units: usize) -> anyhow::Result<Growth<'a>> {
        let source = model.network();
        let (before, after) = (source.backbone().stages(), backbone.stages());
        let widths = |stages: &[dvn::backbone::Stage]| stages.iter().map(|s| s.width).collect::<Vec<_>>();
        ensure!(
            widths(&before) == widths(&after) && before.iter().zip(&after).all(|(b, a)| b.blocks <= a.blocks),
            "{} cannot grow to {backbone}: the stages' widths, {:?} and {:?}, must be the same, the blocks of a stage, {} \
             and {}, no fewer",
            source.backbone(),
            widths(&before),
            widths(&after),
            before[0].blocks,
            after[0].blocks
        );
        let from = source.levels();
        ensure!(
            units > 0 && from.is_multiple_of(units),
            "{from} units cannot be joined to {units}: the number must divide {from}"
        );
        let join = from / units;
        let split = Split::new(source.split().fractions().chunks(join).map(|f| f.iter().sum()).collect())?;
        let tasks = source.tasks().iter().map(|task| {
            let order = joined_order(&task.order, join)?;
            Ok(TaskSpec { order, ..task.clone() })
        });
        let network = Network::new(backbone, split, tasks.collect::<anyhow::Result<_>>()?)?;
        for stage in before {
            let start = |split: &Split, unit| split.range(stage.width, unit).start;
            let cuts =
                |split: &Split, step| split.iter().step_by(step).map(|u| start(split, u)).collect::<Vec<_>>();
            let (found, expected) = (cuts(network.split(), 1), cuts(source.split(), join));
            ensure!(
                found == expected,
                "joined units would begin at channels {found:?}, expected {expected:?}"
            );
        }
        Ok(Growth { model, network, join, channels: joined_channels(source, join) })
    }

    /// The larger network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The level of the source that `level` computes.
    pub fn source_level(&self, level: usize) -> usize {
        level * self.join
    }

    /// Writes the grown model as a folder at `path`; `seed` makes the new blocks' weights. Its accuracies are left out,
    /// since nothing measured them.
    ///
    /// # Errors
    /// If a file cannot be used or written.
    pub fn write(&self, seed: u64, path: &Path) -> anyhow::Result<ModelFolder> {
        let model = self.model;
        let read = |id| model.read(id).with_context(|| model.path().display().to_string());
        let mut source = Parameters::new(model.network(), seed);
        for id in model.network().shards() {
            if !matches!(id, ShardId::Level { .. }) {
                import::shard(model.network(), &mut source, id, &read(id)?)?;
            }
        }
        let parameters = self.weights(&source, seed);
        let mut tasks = Vec::new();
        for (t, task) in model.manifest().tasks.iter().enumerate() {
            let order = self.network.tasks()[t].order.clone();
            let mut levels = export::levels(&self.network, t)?;
            for level in &mut levels {
                level.untrained = task.levels[self.source_level(level.level) - 1].untrained;
            }
            tasks.push(Task { order, levels, ..task.clone() });
        }
        let name = format!("{} grown to {}", model.manifest().name, self.network.backbone());
        let manifest = Manifest::new(name, &self.network, tasks, None);
        // All is read before anything is written.
        let mut levels = BTreeMap::new();
        for id in self.network.shards() {
            if let ShardId::Level { task, level } = id
                && let Shard::Level(own) = read(ShardId::Level { task, level: self.source_level(level) })?
            {
                levels.insert(id, Shard::Level(self.level(task, level, &own)?));
            }
        }
        let shard = |id| match levels.remove(&id) {
            Some(level) => Ok(level),
            None => Ok(export::shard(&self.network, &parameters, id)?),
        };
        Ok(ModelFolder::write(path, manifest, &self.network, shard)?)
    }

    /// For each shared layer: its stage, and the source's layer if that has it.
    fn layers(&self) -> impl Iterator<Item = (usize, Option<usize>)> {
        let blocks = |n: &Network| n.backbone().stages().into_iter().map(|s| s.blocks).collect::<Vec<_>>();
        let mut first = 0;
        blocks(&self.network).into_iter().zip(blocks(self.model.network())).enumerate().flat_map(
            move |(stage, (blocks, before))| {
                let start = first;
                first += 2 * before;
                (0..2 * blocks).map(move |l| (stage, (l < 2 * before).then_some(start + l)))
            },
        )
    }

    /// Stems and shared weights.
    fn weights(&self, source: &Parameters, seed: u64) -> Parameters {
        let mut grown = Parameters::new(&self.network, seed);
        for task in 0..self.network.tasks().len() {
            let to = grown.stem(task);
            let to = &mut grown.values[to];
            permute(&source.values[source.stem(task)], to, &[0, 1, 2], &self.channels[0]);
        }
        let mut inputs = &self.channels[0];
        for (l, (stage, before)) in self.layers().enumerate() {
            let outputs = &self.channels[stage];
            if let Some(before) = before {
                let (from, to) = (source.shared(before).0, grown.shared(l).0);
                permute(&source.values[from], &mut grown.values[to], inputs, outputs);
            }
            inputs = outputs;
        }
        grown
    }

    /// What `level` of `task` has of its own, of the source level's own.
    fn level(&self, task: usize, level: usize, own: &LevelParameters) -> anyhow::Result<LevelParameters> {
        let plan = self.network.plan(task, level)?;
        let before = self.model.network().plan(task, self.source_level(level))?;
        let spans = before.convs().map(|c| c.outputs.as_slice()).collect::<Vec<_>>();
        // The stem is the first convolution, the last one's channels are the features.
        let sources = std::iter::once((0, Some(0))).chain(self.layers().map(|(s, l)| (s, l.map(|l| l + 1))));
        let (mut norms, mut features) = (Vec::new(), Vec::new());
        for (number, (conv, (stage, source))) in plan.convs().zip(sources).enumerate() {
            let channels = plan.tensor(conv.output).channels;
            norms.push(match source {
                Some(source) => {
                    features = packed(&conv.outputs, spans[source], &self.channels[stage]);
                    let take = |values: &[f32]| features.iter().map(|&c| values[c]).collect();
                    Norm { scale: take(&own.norms[source].scale), shift: take(&own.norms[source].shift) }
                }
                // A block's convolutions are an odd number and the even one after it.
                None => {
                    let scale = if number.is_multiple_of(2) { 0.0 } else { 1.0 };
                    Norm { scale: vec![scale; channels], shift: vec![0.0; channels] }
                }
            });
        }
        let rows = own.classifier_weight.chunks_exact(features.len());
        let classifier_weight = rows.flat_map(|row| features.iter().map(|&c| row[c])).collect();
        Ok(LevelParameters { norms, classifier_weight, classifier_bias: own.classifier_bias.clone() })
    }
}

/// The order of joined units that `order` amounts to.
fn joined_order(order: &[Unit], join: usize) -> anyhow::Result<Vec<Unit>> {
    let joined = |units: &[Unit]| {
        let unit = Unit::from_index(units[0].index() / join);
        unit.filter(|unit| units.iter().all(|u| u.index() / join == unit.index()))
    };
    let units: Option<Vec<Unit>> = order.chunks(join).map(joined).collect();
    let numbers: Vec<usize> = order.iter().map(|u| u.number()).collect();
    units.with_context(|| {
        format!("units cannot join by {join} where a task takes them in the order {numbers:?}")
    })
}

/// For each stage, the source's channel for each channel where every `join` units become one.
fn joined_channels(source: &Network, join: usize) -> Vec<Vec<usize>> {
    let split = source.split();
    let units: Vec<Unit> = split.iter().collect();
    // Of each joined unit: the source's unit of each channel, and the channel's place in that.
    let mut places: Vec<Vec<(Unit, usize)>> = vec![Vec::new(); units.len() / join];
    let stage = |stage: dvn::backbone::Stage| {
        for (places, group) in places.iter_mut().zip(units.chunks(join)) {
            for &unit in group {
                let had = places.iter().filter(|p| p.0 == unit).count();
                places.extend((had..split.range(stage.width, unit).len()).map(|c| (unit, c)));
            }
        }
        places.iter().flatten().map(|&(unit, c)| split.range(stage.width, unit).start + c).collect()
    };
    source.backbone().stages().into_iter().map(stage).collect()
}

/// For each packed channel of `spans` the packed channel of `source` that holds the channel that `channels` names.
fn packed(spans: &[Span], source: &[Span], channels: &[usize]) -> Vec<usize> {
    let physical = spans.iter().flat_map(|s| s.physical.clone()).map(|c| channels[c]);
    let place =
        |c| source.iter().find(|s| s.physical.contains(&c)).map(|s| s.packed.start + c - s.physical.start);
    physical.filter_map(place).collect()
}

/// Copies [3][3][inputs][outputs], where `to` has input `inputs[i]` of `from` as its i-th, and likewise the outputs.
fn permute(from: &[f32], to: &mut [f32], inputs: &[usize], outputs: &[usize]) {
    let all = outputs.len();
    for (from, to) in from.chunks_exact(inputs.len() * all).zip(to.chunks_exact_mut(inputs.len() * all)) {
        for (&input, to) in inputs.iter().zip(to.chunks_exact_mut(all)) {
            let from = &from[input * all..][..all];
            to.iter_mut().zip(outputs).for_each(|(to, &output)| *to = from[output]);
        }
    }
}

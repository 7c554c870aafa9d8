//! Cases: a network with weights and images.

use crate::random::Random;
use anyhow::Result;
use dvn::folder::ModelFolder;
use dvn::{Network, Shard, ShardId, Split, TaskSpec, Unit, order};
use std::collections::BTreeMap;

/// A network, all its weights, and images for each of its tasks.
#[derive(Clone, Debug)]
pub struct Case {
    /// For messages.
    pub name: String,
    /// The network.
    pub network: Network,
    /// All its shards.
    pub shards: BTreeMap<ShardId, Shard>,
    /// Images of each task.
    pub count: usize,
    /// For each task `count` normalised images, N H W C.
    pub images: Vec<Vec<f32>>,
}

/// The sizes of a random case.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    /// As in `wrn-8-1`.
    pub backbone: &'a str,
    /// As [`Split::parse`] reads it.
    pub units: &'a str,
    /// Each task's order, as [`order::parse`] reads it; none for the rule's.
    pub orders: &'a [&'a str],
    /// Each task's classes and image size.
    pub tasks: &'a [(usize, usize)],
    /// Images of each task.
    pub count: usize,
}

impl Case {
    /// A case with random weights and images.
    ///
    /// # Errors
    /// If `sizes` describes no network.
    pub fn random(sizes: &Sizes, seed: u64) -> Result<Case> {
        let split = Split::parse(sizes.units)?;
        let orders: Vec<Vec<Unit>> = match sizes.orders {
            [] => order::default_orders(split.units(), sizes.tasks.len())?,
            given => given.iter().map(|o| order::parse(o)).collect::<Result<_, _>>()?,
        };
        let task = |(&(classes, input_size), order)| TaskSpec { classes, input_size, order };
        let tasks = sizes.tasks.iter().zip(orders).map(task).collect();
        let network = Network::new(sizes.backbone.parse()?, split, tasks)?;
        let mut random = Random::new(seed);
        let mut shards = BTreeMap::new();
        for id in network.shards() {
            shards.insert(id, shard(&network, id, &mut random)?);
        }
        let mut image = |t: &TaskSpec| random.vec(sizes.count * t.input_size * t.input_size * 3, -2.0, 2.0);
        let images = network.tasks().iter().map(&mut image).collect();
        let name = format!("{} x {:?}, batch {}", sizes.backbone, sizes.units, sizes.count);
        Ok(Case { name, network, shards, count: sizes.count, images })
    }

    /// A model folder with `count` images for each task, as `images` gives them: the task's number, already
    /// normalised.
    ///
    /// # Errors
    /// If a shard cannot be read or `images` fails.
    pub fn of_folder(
        folder: &ModelFolder,
        count: usize,
        mut images: impl FnMut(usize) -> Result<Vec<f32>>,
    ) -> Result<Case> {
        let network = folder.network().clone();
        let mut shards = BTreeMap::new();
        for id in network.shards() {
            shards.insert(id, folder.read(id)?);
        }
        let images = (0..network.tasks().len()).map(&mut images).collect::<Result<_>>()?;
        Ok(Case { name: folder.manifest().name.clone(), network, shards, count, images })
    }

    /// The same with only the first `count` images.
    pub fn first(&self, count: usize) -> Case {
        let mut case = self.clone();
        case.count = count.min(self.count);
        for images in &mut case.images {
            images.truncate(images.len() / self.count * case.count);
        }
        case
    }

    /// Every (task, level).
    pub fn levels(&self) -> impl Iterator<Item = (usize, usize)> {
        let levels = self.network.levels();
        (0..self.network.tasks().len()).flat_map(move |t| (1..=levels).map(move |l| (t, l)))
    }
}

/// Random weights under which activations neither vanish nor explode (He et al. 2015, uniform).
fn shard(network: &Network, id: ShardId, random: &mut Random) -> Result<Shard> {
    let mut weights = Vec::new();
    for tensor in network.tensors(id)? {
        let len = tensor.shape.iter().product();
        let last = tensor.name.rsplit('.').next().unwrap_or_default();
        weights.push(match (last, &tensor.shape[..]) {
            // A unit's inputs are only a part of a level's: with all units the sum is about k times as large.
            ("weight", [_, inputs, 3, 3]) => {
                let bound = (6.0 / (9 * inputs * network.levels()) as f32).sqrt();
                random.vec(len, -bound, bound)
            }
            ("weight", [_, inputs]) => {
                let bound = (3.0 / *inputs as f32).sqrt();
                random.vec(len, -bound, bound)
            }
            ("scale", _) => random.vec(len, 0.4, 1.1),
            _ => random.vec(len, -0.3, 0.3),
        });
    }
    Ok(Shard::from_tensors(id, weights))
}

//! `model.json`: what is in a model folder.

use crate::backbone::Backbone;
use crate::error::ModelError;
use crate::network::{Network, TaskSpec};
use crate::shard::{Shard, ShardId};
use crate::unit::{Split, Unit};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The value of `format`.
pub const FORMAT: &str = "dvn-model";
/// The value of `version` that this program writes and reads.
pub const VERSION: u32 = 1;
/// A longer `model.json` is refused unread.
pub const MAX_JSON_BYTES: usize = 8 << 20;

/// The content of `model.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// A short name for people.
    pub name: String,
    /// As in `wrn-32-4`.
    pub backbone: String,
    /// Fractions of the units, in order.
    pub units: Vec<f64>,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// Every file of weights.
    pub shards: Vec<ShardEntry>,
    /// How it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The data set's name as `dvn-train` knows it: `cifar10`.
    pub name: String,
    /// The name for people: `CIFAR-10`.
    pub title: String,
    /// Class names, in the order of the classifier's outputs.
    pub classes: Vec<String>,
    /// What an image must be like.
    pub input: Input,
    /// All units' numbers, in the order in which they join.
    pub order: Vec<Unit>,
    /// One for each level, from 1 up.
    pub levels: Vec<Level>,
}

/// How an image becomes the network's input: RGB, `size` x `size`, `(value / 255 - mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Height and width, pixels.
    pub size: usize,
    /// Of red, green, blue, in 0 to 1.
    pub mean: [f32; 3],
    /// Likewise.
    pub std: [f32; 3],
}

/// A level's costs and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// From 1.
    pub level: usize,
    /// Unit numbers, in the order in which they joined.
    pub units: Vec<Unit>,
    /// f32 numbers that inference must keep, everything counted.
    pub parameters: u64,
    /// 4 per parameter.
    pub bytes: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// On test images, where measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// Whether its own numbers are still those that training starts from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untrained: bool,
}

impl Task {
    /// The numbers of the levels that were trained.
    pub fn trained(&self) -> Vec<usize> {
        self.levels.iter().filter(|l| !l.untrained).map(|l| l.level).collect()
    }
}

/// A measured accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// Mean over the seeds, percent.
    pub percent: f64,
    /// Test images behind it.
    pub images: u64,
    /// Training runs behind it.
    pub seeds: u64,
}

/// A file of weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// File name, without a path.
    pub file: String,
    /// Length.
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// How a model was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The command.
    pub command: String,
    /// Version of the program.
    pub program: String,
    /// Seed of the run.
    pub seed: u64,
    /// Passes over each task's training images.
    pub epochs: f64,
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl Manifest {
    /// The manifest of a network; its shards are filled in when they are written.
    pub fn new(name: String, network: &Network, tasks: Vec<Task>, training: Option<Training>) -> Manifest {
        Manifest {
            format: FORMAT.into(),
            version: VERSION,
            name,
            backbone: network.backbone().to_string(),
            units: network.split().fractions().to_vec(),
            tasks,
            shards: Vec::new(),
            training,
        }
    }

    /// Parses and checks `model.json`; gives the network that it describes too.
    ///
    /// # Errors
    /// If it is no valid `model.json` of this version, or anything that it says contradicts the network: a level's
    /// units or costs, the list of shards.
    pub fn parse(json: &[u8]) -> Result<(Manifest, Network), ModelError> {
        #[derive(Deserialize)]
        struct Head {
            format: Option<serde_json::Value>,
            version: Option<serde_json::Value>,
        }
        let reason = |e: serde_json::Error| ModelError::Json { reason: e.to_string() };
        if json.len() > MAX_JSON_BYTES {
            let reason = format!("{} bytes, expected at most {MAX_JSON_BYTES}", json.len());
            return Err(ModelError::Json { reason });
        }
        // Format and version first: another version may well have other fields.
        let head: Head = serde_json::from_slice(json).map_err(reason)?;
        let text = |v: Option<serde_json::Value>| v.map_or("none".to_owned(), |v| v.to_string());
        let found = format!("{} version {}", text(head.format), text(head.version));
        let expected = format!("\"{FORMAT}\" version {VERSION}");
        if found != expected {
            return Err(ModelError::Version { found, expected });
        }
        let manifest: Manifest = serde_json::from_slice(json).map_err(reason)?;
        let network = manifest.network()?;
        manifest.check(&network)?;
        Ok((manifest, network))
    }

    /// The network that the manifest describes.
    fn network(&self) -> Result<Network, ModelError> {
        let backbone: Backbone = self.backbone.parse()?;
        let spec = |t: &Task| TaskSpec {
            classes: t.classes.len(),
            input_size: t.input.size,
            order: t.order.clone(),
        };
        let tasks = self.tasks.iter().map(spec).collect();
        Ok(Network::new(backbone, Split::new(self.units.clone())?, tasks)?)
    }

    fn check(&self, network: &Network) -> Result<(), ModelError> {
        for (t, task) in self.tasks.iter().enumerate() {
            let here = |what: &str| format!("task {} ({}), {what}", t + 1, task.name);
            let numbers = task.input.mean.iter().chain(&task.input.std);
            if numbers.clone().any(|v| !v.is_finite()) || task.input.std.iter().any(|&v| v <= 0.0) {
                let found = format!("{:?}", numbers.collect::<Vec<_>>());
                let expected = "finite numbers, std above 0".into();
                return Err(ModelError::Inconsistent { what: here("input mean and std"), found, expected });
            }
            let found = task.levels.iter().map(|l| l.level);
            same(|| here("list of levels"), &found.collect::<Vec<_>>(), &(1..=network.levels()).collect())?;
            for level in &task.levels {
                let plan = network.plan(t, level.level)?;
                let costs = plan.costs();
                let here = |what: &str| here(&format!("level {}, {what}", level.level));
                same(|| here("units"), &level.units, &plan.units)?;
                same(|| here("parameters"), &level.parameters, &costs.parameters)?;
                same(|| here("bytes"), &level.bytes, &costs.bytes)?;
                same(|| here("macs"), &level.macs, &costs.macs)?;
                if let Some(a) = level.accuracy
                    && !(0.0..=100.0).contains(&a.percent)
                {
                    let (found, expected) = (a.percent.to_string(), "0 to 100".into());
                    return Err(ModelError::Inconsistent { what: here("accuracy"), found, expected });
                }
            }
        }
        let mut found = Vec::with_capacity(self.shards.len());
        for entry in &self.shards {
            found.push(entry.file.parse::<ShardId>()?);
        }
        found.sort_unstable();
        let mut expected = network.shards();
        expected.sort_unstable();
        let names = |ids: Vec<ShardId>| ids.iter().map(ShardId::to_string).collect::<Vec<_>>();
        same(|| "list of shards".into(), &names(found), &names(expected))
    }

    /// The entry of a shard.
    ///
    /// # Errors
    /// [`ModelError::UnknownShard`] if it is not listed.
    pub fn shard(&self, id: ShardId) -> Result<&ShardEntry, ModelError> {
        let file = id.to_string();
        self.shards.iter().find(|s| s.file == file).ok_or(ModelError::UnknownShard { file })
    }

    /// Checks a shard's length and hash against the manifest, then reads it.
    ///
    /// # Errors
    /// If the bytes are not those that the manifest lists, or as [`Network::decode`].
    pub fn open(&self, network: &Network, id: ShardId, bytes: &[u8]) -> Result<Shard, ModelError> {
        self.open_hashed(network, id, bytes, sha256(bytes))
    }

    /// The same, where the bytes' SHA-256 (lower-case hexadecimal) is known already: browsers work it out faster than
    /// WebAssembly can.
    ///
    /// # Errors
    /// As [`Manifest::open`].
    pub fn open_hashed(
        &self,
        network: &Network,
        id: ShardId,
        bytes: &[u8],
        found: String,
    ) -> Result<Shard, ModelError> {
        let entry = self.shard(id)?;
        let file = entry.file.clone();
        if bytes.len() as u64 != entry.bytes {
            return Err(ModelError::Length { file, found: bytes.len() as u64, expected: entry.bytes });
        }
        if found != entry.sha256 {
            return Err(ModelError::Hash { file, found, expected: entry.sha256.clone() });
        }
        network.decode(id, bytes)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: impl Fn() -> String,
    found: &T,
    expected: &T,
) -> Result<(), ModelError> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
    Err(ModelError::Inconsistent { what: what(), found, expected })
}

//! Training configurations (TOML).

use crate::data::{self, Dataset, Statistics};
use dvn::{Backbone, DefinitionError, Network, Split, TaskSpec, Unit, order};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::Path;

/// A training run, as its file describes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A short name: the model's.
    pub name: String,
    /// As in `wrn-32-4`.
    pub backbone: String,
    /// A number of equal units, or fractions such as `"1/2,1/4,1/4"`.
    pub units: Units,
    /// Seed of everything random.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The tasks, in order.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskConfig>,
    /// How it is trained.
    pub training: Training,
}

/// How many units, or which shares they have.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Units {
    /// Equal ones.
    Count(usize),
    /// As [`Split::parse`] reads it.
    Text(String),
}

/// One task.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskConfig {
    /// The data set: see `dvn-train data --help`.
    pub data: String,
    /// Unit numbers in the order in which they join; the paper's rule without it.
    pub order: Option<Vec<usize>>,
    /// The levels that it learns, from 1; all of them without it.
    pub levels: Option<Vec<usize>>,
}

/// What of the tasks that a network knows already stays while it learns another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Their answers, as far as a distillation loss keeps them (paper, eq. 6; Li and Hoiem 2016).
    #[default]
    Answers,
    /// Every weight that they use: the new task trains the other weights, and has its own batch norms and classifiers (PackNet,
    /// Mallya and Lazebnik 2018, by units).
    Weights,
    /// Everything: the new task has the stem and the batch norms of an old one with its order of units, and learns classifiers alone
    /// (Feature Extraction, Donahue and others 2014).
    Features,
}

/// How the learning rate moves over the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Up to the peak in a straight line over `warmup`, then down to zero in a straight line.
    OneCycle,
    /// Constant, times `factor` at each of `milestones`.
    Steps,
}

/// The training part.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the largest task's images; every step takes one batch of every task.
    pub epochs: f64,
    /// Images of each task in a step.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// Peak learning rate.
    pub rate: f32,
    /// How it moves.
    #[serde(default = "default_schedule")]
    pub schedule: Schedule,
    /// `one-cycle`: share of the steps on the way up.
    #[serde(default = "default_warmup")]
    pub warmup: f64,
    /// `steps`: shares of the steps at which the rate falls.
    #[serde(default)]
    pub milestones: Vec<f64>,
    /// `steps`: what the rate is multiplied by.
    #[serde(default = "default_factor")]
    pub factor: f32,
    /// Nesterov momentum.
    #[serde(default = "default_momentum")]
    pub momentum: f32,
    /// Weight decay of convolutions and classifier weights.
    #[serde(default = "default_decay")]
    pub weight_decay: f32,
    /// Label smoothing at the full level.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Share of the full level's own answer in the targets of the smaller ones (in-place distillation, Yu and Huang 2019).
    /// 0 in the paper.
    #[serde(default)]
    pub distillation: f64,
    /// Sequential learning: what stays of the old tasks.
    #[serde(default)]
    pub keep: Keep,
    /// Sequential learning, `keep = "answers"`: the weight of each old level's distillation loss. 1 in the paper's eq. 6.
    #[serde(default = "default_retention")]
    pub retention: f64,
    /// Weight averaging: the share that an exponential moving average of the weights keeps in each step, for example 0.998;
    /// the model is made of the average then. 0 for none, as in the paper.
    #[serde(default)]
    pub average: f64,
    /// Share of the steps, from the first, that show the images at half their size.
    #[serde(default)]
    pub half_size: f64,
    /// Side of the square cut out of each image (DeVries and Taylor 2017), pixels; 0 for none.
    #[serde(default)]
    pub cutout: usize,
    /// Times that the run is evaluated along the way, on `evaluation_images` of each task's test images.
    #[serde(default = "default_evaluations")]
    pub evaluations: u64,
    /// Test images of each task for evaluations along the way; the last one takes all.
    #[serde(default = "default_evaluation_images")]
    pub evaluation_images: usize,
}

fn default_seed() -> u64 {
    1
}
fn default_batch() -> usize {
    128
}
fn default_schedule() -> Schedule {
    Schedule::OneCycle
}
fn default_warmup() -> f64 {
    0.15
}
fn default_factor() -> f32 {
    0.1
}
fn default_momentum() -> f32 {
    0.9
}
fn default_decay() -> f32 {
    5e-4
}
fn default_retention() -> f64 {
    1.0
}
fn default_evaluations() -> u64 {
    10
}
fn default_evaluation_images() -> usize {
    1000
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// No TOML, a missing or unknown key, a value of the wrong type.
    #[error("{0}")]
    Toml(String),
    /// A number out of bounds.
    #[error("training.{key} is {found}: expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The network cannot be.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Levels that a task cannot learn.
    #[error("task {task}: levels {found:?}: expected numbers from 1 to {levels}, each once and at least one")]
    Levels {
        /// From 1.
        task: usize,
        /// The levels.
        found: Vec<usize>,
        /// How many there are.
        levels: usize,
    },
    /// An order with a number that is no unit's.
    #[error("task {task}: order {found:?} holds a number that is no unit's; units are numbered from 1")]
    Order {
        /// From 1.
        task: usize,
        /// The order.
        found: Vec<usize>,
    },
}

impl ConfigError {
    /// With the file's name where it is about a place in it.
    pub(crate) fn in_file(self, path: &Path) -> ConfigError {
        match self {
            ConfigError::Toml(reason) => ConfigError::Toml(format!("{}: {reason}", path.display())),
            other => other,
        }
    }
}

pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Io { path: path.display().to_string(), error })
}

/// An unknown key is reported with the nearest known one.
pub(crate) fn parse_toml<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|e| {
        let hint = nearest(e.message()).map(|k| format!("\ndid you mean `{k}`?")).unwrap_or_default();
        ConfigError::Toml(format!("{}{hint}", e.to_string().trim_end()))
    })
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it cannot be read or used. An unknown key is reported with the nearest known one.
    pub fn read(path: &Path) -> Result<(Config, String), ConfigError> {
        let text = read_text(path)?;
        let config = Config::parse(&text).map_err(|e| e.in_file(path))?;
        Ok((config, text))
    }

    /// Parses and checks a configuration.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        let config: Config = parse_toml(text)?;
        config.training.check()?;
        Ok(config)
    }

    /// The units' shares.
    ///
    /// # Errors
    /// If they are no split.
    pub fn split(&self) -> Result<Split, ConfigError> {
        Ok(match &self.units {
            Units::Count(n) => Split::equal(*n)?,
            Units::Text(text) => Split::parse(text)?,
        })
    }

    /// The network of tasks that are known already, if any, and those for the data sets given.
    ///
    /// # Errors
    /// If backbone, units, orders and tasks do not fit together.
    pub fn network(&self, known: Vec<TaskSpec>, sets: &[&Dataset]) -> Result<Network, ConfigError> {
        self.network_for(known, sets.iter().map(|set| (set.classes.len(), set.size)))
    }

    /// The network of tasks that are known already, if any, and of the configuration's, which have so many classes and images
    /// of such a side each.
    ///
    /// # Errors
    /// As [`Config::network`].
    pub fn network_for(
        &self,
        known: Vec<TaskSpec>,
        sets: impl IntoIterator<Item = (usize, usize)>,
    ) -> Result<Network, ConfigError> {
        let backbone: Backbone = self.backbone.parse()?;
        let split = self.split()?;
        let rule = if self.tasks.iter().any(|t| t.order.is_none()) {
            order::default_orders(split.units(), known.len() + self.tasks.len())?.split_off(known.len())
        } else {
            vec![Vec::new(); self.tasks.len()]
        };
        let mut tasks = known;
        for (t, ((task, rule), (classes, input_size))) in self.tasks.iter().zip(rule).zip(sets).enumerate() {
            let given = task.order.as_ref().map(|numbers| {
                let units: Option<Vec<Unit>> = numbers.iter().map(|&n| Unit::from_number(n)).collect();
                units.ok_or_else(|| ConfigError::Order { task: t + 1, found: numbers.clone() })
            });
            let order = given.transpose()?.unwrap_or(rule);
            tasks.push(TaskSpec { classes, input_size, order });
        }
        self.learned(split.units())?;
        Ok(Network::new(backbone, split, tasks)?)
    }

    /// The levels that each of the configuration's tasks learns, of so many, in order.
    ///
    /// # Errors
    /// If a task's are none of those.
    pub fn learned(&self, levels: usize) -> Result<Vec<Vec<usize>>, ConfigError> {
        let of_task = |(t, task): (usize, &TaskConfig)| {
            let Some(found) = &task.levels else { return Ok((1..=levels).collect()) };
            let sorted: BTreeSet<usize> = found.iter().copied().collect();
            let good = !found.is_empty() && sorted.len() == found.len();
            if !good || sorted.iter().any(|l| !(1..=levels).contains(l)) {
                return Err(ConfigError::Levels { task: t + 1, found: found.clone(), levels });
            }
            Ok(sorted.into_iter().collect())
        };
        self.tasks.iter().enumerate().map(of_task).collect()
    }
}

impl Training {
    fn check(&self) -> Result<(), ConfigError> {
        let bad = |key, found: &dyn std::fmt::Display, expected| {
            Err(ConfigError::Value { key, found: found.to_string(), expected })
        };
        let share = |v: f64| (0.0..=1.0).contains(&v);
        if !(self.epochs > 0.0 && self.epochs <= 1e6) {
            return bad("epochs", &self.epochs, "a number above 0");
        }
        if self.batch < 2 || self.batch > 65_536 {
            return bad("batch", &self.batch, "2 to 65536 images: batch norm needs at least two");
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return bad("rate", &self.rate, "a number above 0");
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return bad("momentum", &self.momentum, "at least 0 and below 1");
        }
        if !(0.0..1.0).contains(&self.average) {
            return bad("average", &self.average, "at least 0 and below 1");
        }
        for (key, value) in [("weight_decay", f64::from(self.weight_decay)), ("retention", self.retention)] {
            if !(value >= 0.0 && value.is_finite()) {
                return bad(key, &value, "at least 0");
            }
        }
        for (key, value) in [
            ("warmup", self.warmup),
            ("label_smoothing", self.label_smoothing),
            ("distillation", self.distillation),
            ("half_size", self.half_size),
        ] {
            if !share(value) {
                return bad(key, &value, "a share, 0 to 1");
            }
        }
        if self.milestones.iter().any(|&m| !share(m)) {
            let found = format!("{:?}", self.milestones);
            return bad("milestones", &found, "shares of the steps, 0 to 1");
        }
        Ok(())
    }

    /// The learning rate of step `step` of `steps`.
    pub fn rate_at(&self, step: u64, steps: u64) -> f32 {
        let done = step as f64 / steps.max(1) as f64;
        match self.schedule {
            Schedule::OneCycle if done < self.warmup => self.rate * (done / self.warmup).max(0.01) as f32,
            Schedule::OneCycle => {
                self.rate * ((1.0 - done) / (1.0 - self.warmup).max(f64::MIN_POSITIVE)) as f32
            }
            Schedule::Steps => {
                let passed = self.milestones.iter().filter(|&&m| done >= m).count();
                self.rate * self.factor.powi(passed as i32)
            }
        }
    }
}

/// How a task's images are normalised: the statistics of its training images.
pub fn input(set: &Dataset, statistics: &Statistics) -> dvn::manifest::Input {
    dvn::manifest::Input { size: set.size, mean: statistics.mean, std: statistics.std }
}

/// A data set's name for people.
pub fn title(name: &str) -> String {
    let (base, classes) = name.split_once(':').unwrap_or((name, ""));
    let title = match base {
        "cifar10" => "CIFAR-10",
        "cifar100" => "CIFAR-100",
        "cifar100-coarse" => "CIFAR-100, coarse",
        "tiny-imagenet" => "Tiny-ImageNet",
        "stl10" => "STL-10",
        "sample-cifar10" => "CIFAR-10, sample",
        "sample-cifar100" => "CIFAR-100, sample",
        "folder" => {
            return Path::new(classes).file_name().map_or(name.into(), |n| n.to_string_lossy().into());
        }
        other => other,
    };
    if classes.is_empty() { title.to_owned() } else { format!("{title}, classes {classes}") }
}

/// The known key nearest to an unknown one, out of serde's message.
fn nearest(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut words = rest.split('`').skip(1).step_by(2);
    let found = words.next()?;
    words.min_by_key(|known| strsim::damerau_levenshtein(found, known)).map(str::to_owned)
}

/// Loads the data sets of a configuration's tasks.
///
/// # Errors
/// If one of them cannot be read; the message says which and how to get it.
pub fn load(config: &Config, split: data::Split, dir: &Path) -> Result<Vec<Dataset>, data::DataError> {
    config.tasks.iter().map(|t| data::load(&t.data, split, dir)).collect()
}

#[cfg(test)]
mod tests;

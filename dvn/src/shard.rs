//! Shards: files that each hold one piece of the weights (safetensors, f32).
//!
//! | file | tensors |
//! | --- | --- |
//! | `stem-T.safetensors` | `stem.weight` [width, 3, 3, 3]: task T's whole input layer |
//! | `unit-O-I.safetensors` | `stageS.blockB.convC.weight` [channels of O, channels of I, 3, 3] for every shared layer |
//! | `level-T-L.safetensors` | `LAYER.scale`, `LAYER.shift` [packed channels] for the stem and every shared layer; `classifier.weight` [classes, packed features], `classifier.bias` \[classes\] |
//!
//! Weights are O I H W. Everything in a level's file is in packed order: the units' channels one after another, in the
//! order in which the units joined.

use crate::error::ModelError;
use crate::network::Network;
use crate::unit::Unit;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::fmt;
use std::str::FromStr;

/// Which piece of the weights. Displayed as its file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShardId {
    /// Task `task`'s input layer (from 0; from 1 in the name).
    Stem {
        /// From 0.
        task: usize,
    },
    /// All shared weights from one unit's maps to another's.
    Block {
        /// Unit of the output maps.
        to: Unit,
        /// Unit of the input maps.
        from: Unit,
    },
    /// What a level shares with no other: scales, shifts, classifier.
    Level {
        /// From 0.
        task: usize,
        /// From 1.
        level: usize,
    },
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShardId::Stem { task } => write!(f, "stem-{}.safetensors", task + 1),
            ShardId::Block { to, from } => write!(f, "unit-{to}-{from}.safetensors"),
            ShardId::Level { task, level } => write!(f, "level-{}-{level}.safetensors", task + 1),
        }
    }
}

impl FromStr for ShardId {
    type Err = ModelError;

    fn from_str(file: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            let plain = part.len() <= 5 && part.bytes().all(|b| b.is_ascii_digit()) && !part.starts_with('0');
            part.parse::<usize>().ok().filter(|_| plain)
        };
        let unit = |part| number(part).and_then(Unit::from_number);
        let parts: Vec<&str> = file.strip_suffix(".safetensors").unwrap_or("").split('-').collect();
        let id = match parts[..] {
            ["stem", t] => number(t).map(|t| ShardId::Stem { task: t - 1 }),
            ["unit", o, i] => unit(o).zip(unit(i)).map(|(to, from)| ShardId::Block { to, from }),
            ["level", t, l] => {
                number(t).zip(number(l)).map(|(t, level)| ShardId::Level { task: t - 1, level })
            }
            _ => None,
        };
        id.ok_or_else(|| ModelError::Name { file: file.to_owned() })
    }
}

/// Batch norm folded to two numbers a channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Norm {
    /// gamma / sqrt(variance + epsilon), packed channels.
    pub scale: Vec<f32>,
    /// beta - mean * scale.
    pub shift: Vec<f32>,
}

/// A level's own parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LevelParameters {
    /// One for each convolution of the plan, in order.
    pub norms: Vec<Norm>,
    /// [classes, packed features], row-major.
    pub classifier_weight: Vec<f32>,
    /// \[classes\].
    pub classifier_bias: Vec<f32>,
}

/// The content of a shard.
#[derive(Clone, Debug, PartialEq)]
pub enum Shard {
    /// [width, 3, 3, 3], O I H W, channels as in the backbone.
    Stem(Vec<f32>),
    /// For every shared layer [channels of `to`, channels of `from`, 3, 3], O I H W.
    Block(Vec<Vec<f32>>),
    /// A level's own.
    Level(LevelParameters),
}

impl Shard {
    /// The tensors' data, in the order of [`Network::tensors`].
    pub fn slices(&self) -> Vec<&[f32]> {
        match self {
            Shard::Stem(weight) => vec![weight],
            Shard::Block(layers) => layers.iter().map(Vec::as_slice).collect(),
            Shard::Level(p) => {
                let norms = p.norms.iter().flat_map(|n| [n.scale.as_slice(), n.shift.as_slice()]);
                norms.chain([p.classifier_weight.as_slice(), p.classifier_bias.as_slice()]).collect()
            }
        }
    }

    /// A shard of its tensors' data, which come in the order of [`Network::tensors`]: the reverse of [`Shard::slices`].
    /// Their lengths are not checked.
    pub fn from_tensors(id: ShardId, mut tensors: Vec<Vec<f32>>) -> Shard {
        match id {
            ShardId::Stem { .. } => Shard::Stem(tensors.pop().unwrap_or_default()),
            ShardId::Block { .. } => Shard::Block(tensors),
            ShardId::Level { .. } => {
                let classifier_bias = tensors.pop().unwrap_or_default();
                let classifier_weight = tensors.pop().unwrap_or_default();
                let mut tensors = tensors.into_iter();
                let mut norms = Vec::new();
                while let (Some(scale), Some(shift)) = (tensors.next(), tensors.next()) {
                    norms.push(Norm { scale, shift });
                }
                Shard::Level(LevelParameters { norms, classifier_weight, classifier_bias })
            }
        }
    }

    /// f32 numbers held.
    pub fn parameters(&self) -> usize {
        self.slices().iter().map(|s| s.len()).sum()
    }
}

/// A tensor that a shard must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in the file.
    pub name: String,
    /// Row-major.
    pub shape: Vec<usize>,
}

impl Network {
    /// Every shard of the network: stems, blocks, levels.
    pub fn shards(&self) -> Vec<ShardId> {
        let tasks = 0..self.tasks().len();
        let stems = tasks.clone().map(|task| ShardId::Stem { task });
        let blocks = self
            .split()
            .iter()
            .flat_map(|to| self.split().iter().map(move |from| ShardId::Block { to, from }));
        let levels =
            tasks.flat_map(|task| (1..=self.levels()).map(move |level| ShardId::Level { task, level }));
        stems.chain(blocks).chain(levels).collect()
    }

    /// The tensors that shard `id` must hold, neither more nor fewer.
    ///
    /// # Errors
    /// [`ModelError::UnknownShard`] if this network has no such shard.
    pub fn tensors(&self, id: ShardId) -> Result<Vec<TensorSpec>, ModelError> {
        let unknown = || ModelError::UnknownShard { file: id.to_string() };
        let spec = |name: String, shape: &[usize]| TensorSpec { name, shape: shape.to_vec() };
        match id {
            ShardId::Stem { task } => {
                self.tasks().get(task).ok_or_else(unknown)?;
                Ok(vec![spec("stem.weight".into(), &[self.backbone().stem_width(), 3, 3, 3])])
            }
            ShardId::Block { to, from } => {
                if to.index().max(from.index()) >= self.levels() {
                    return Err(unknown());
                }
                let block = |layer: crate::backbone::Layer| {
                    let outputs = self.split().range(layer.outputs, to).len();
                    let inputs = self.split().range(layer.inputs, from).len();
                    spec(format!("{}.weight", layer.name), &[outputs, inputs, 3, 3])
                };
                Ok(self.layers().into_iter().map(block).collect())
            }
            ShardId::Level { task, level } => {
                let plan = self.plan(task, level).map_err(|_| unknown())?;
                let mut tensors = Vec::new();
                for conv in plan.convs() {
                    let channels = [plan.tensor(conv.output).channels];
                    tensors.push(spec(format!("{}.scale", conv.name), &channels));
                    tensors.push(spec(format!("{}.shift", conv.name), &channels));
                }
                tensors.push(spec("classifier.weight".into(), &[plan.classes(), plan.features()]));
                tensors.push(spec("classifier.bias".into(), &[plan.classes()]));
                Ok(tensors)
            }
        }
    }

    /// Writes a shard as a safetensors file.
    ///
    /// # Errors
    /// If the shard does not have the shapes that this network's `id` has, or holds NaN or an infinity: what a reader
    /// would refuse is never written.
    pub fn encode(&self, id: ShardId, shard: &Shard) -> Result<Vec<u8>, ModelError> {
        let file = id.to_string();
        let specs = self.tensors(id)?;
        let slices = shard.slices();
        if slices.len() != specs.len() {
            let (found, expected) = (format!("{} tensors", slices.len()), specs.len().to_string());
            return Err(ModelError::Inconsistent { what: file, found, expected });
        }
        let mut bytes = Vec::with_capacity(slices.len());
        for (spec, slice) in specs.iter().zip(&slices) {
            if slice.len() != spec.shape.iter().product::<usize>() {
                return Err(ModelError::Shape {
                    file,
                    tensor: spec.name.clone(),
                    found: vec![slice.len()],
                    expected: spec.shape.clone(),
                });
            }
            check_finite(&file, &spec.name, slice)?;
            bytes.push(slice.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
        }
        let error = |reason: String| ModelError::Safetensors { file: file.clone(), reason };
        let mut views = Vec::with_capacity(specs.len());
        for (spec, data) in specs.iter().zip(&bytes) {
            let view = TensorView::new(Dtype::F32, spec.shape.clone(), data);
            views.push((&spec.name, view.map_err(|e| error(e.to_string()))?));
        }
        safetensors::serialize(views, None).map_err(|e| error(e.to_string()))
    }

    /// Reads a shard from a safetensors file, trusting nothing in it.
    ///
    /// # Errors
    /// If the bytes are no safetensors file, or tensors are missing, surplus, of another type or shape, or not finite.
    pub fn decode(&self, id: ShardId, bytes: &[u8]) -> Result<Shard, ModelError> {
        let file = id.to_string();
        let specs = self.tensors(id)?;
        let parsed = SafeTensors::deserialize(bytes)
            .map_err(|e| ModelError::Safetensors { file: file.clone(), reason: e.to_string() })?;
        if let Some(name) = parsed.names().into_iter().find(|&n| specs.iter().all(|s| s.name != n)) {
            return Err(ModelError::SurplusTensor { file, tensor: name.to_owned() });
        }
        let mut tensors = Vec::with_capacity(specs.len());
        for spec in specs {
            let tensor = spec.name;
            let Ok(view) = parsed.tensor(&tensor) else {
                return Err(ModelError::MissingTensor { file, tensor });
            };
            if view.dtype() != Dtype::F32 {
                return Err(ModelError::Dtype { file, tensor, found: format!("{:?}", view.dtype()) });
            }
            if view.shape() != spec.shape {
                let found = view.shape().to_vec();
                return Err(ModelError::Shape { file, tensor, found, expected: spec.shape });
            }
            let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            let values: Vec<f32> = view.data().chunks_exact(4).map(float).collect();
            check_finite(&file, &tensor, &values)?;
            tensors.push(values);
        }
        Ok(Shard::from_tensors(id, tensors))
    }
}

fn check_finite(file: &str, tensor: &str, values: &[f32]) -> Result<(), ModelError> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(ModelError::NotFinite {
            file: file.to_owned(),
            tensor: tensor.to_owned(),
            index,
            value: values[index],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_round_trip_and_paths_are_refused() {
        for name in ["stem-1.safetensors", "unit-4-2.safetensors", "level-2-3.safetensors"] {
            assert_eq!(name.parse::<ShardId>().unwrap().to_string(), name);
        }
        for name in [
            "../stem-1.safetensors",
            "a/unit-1-1.safetensors",
            "stem-0.safetensors",
            "stem-01.safetensors",
            "stem-+1.safetensors",
            "unit-1-65.safetensors",
            "stem-1",
            "level-1.safetensors",
            "stem-99999999999999999999.safetensors",
            "",
        ] {
            assert!(
                matches!(name.parse::<ShardId>(), Err(ModelError::Name { .. })),
                "{name:?} must be refused"
            );
        }
    }
}

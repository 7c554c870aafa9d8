//! Checkpoints: one file with everything that a run needs to go on, on this machine or another.

use super::average::Average;
use crate::aside;
use dvn::manifest::Task;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The state of a run after `head.step` steps. Batches, augmentation and schedule depend only on the configuration and
/// the step, so there is no further random state.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What run it belongs to, and where that was.
    pub head: Head,
    /// All trained numbers.
    pub values: Vec<f32>,
    /// The optimizer's momentum.
    pub velocity: Vec<f32>,
    /// Batch norm's running statistics.
    pub running: Vec<f32>,
    /// The weights' moving average, where the run keeps one.
    pub average: Option<Average>,
    /// All numbers before the first step, where old tasks are kept as they were then.
    pub before: Option<Vec<f32>>,
}

/// The part of a checkpoint that is not an array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// At most [`VERSION`].
    pub version: u32,
    /// The configuration's text.
    pub config: String,
    /// The command that started the run.
    pub command: String,
    /// Steps done.
    pub step: u64,
    /// Mean accuracy at the best evaluation so far, percent.
    pub best: Option<f64>,
    /// Seconds of training so far.
    pub seconds: f64,
    /// SHA-256 of the arrays.
    pub sha256: String,
    /// The old tasks that the run keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old: Vec<Task>,
}

/// The version of checkpoints that this program writes; it reads all before. Version 1 had no average, version 2 no old tasks.
pub const VERSION: u32 = 3;

/// A checkpoint that cannot be written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system said no.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Not a checkpoint, or a damaged one.
    #[error("{path}: no usable checkpoint: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The arrays that are always there.
const ARRAYS: [&str; 3] = ["values", "velocity", "running"];
/// Those of an average.
const AVERAGE: [&str; 2] = ["average", "average_running"];
/// That of old tasks.
const BEFORE: &str = "before";

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn hash(arrays: &[Vec<u8>]) -> String {
    dvn::manifest::sha256(&arrays.concat())
}

impl Checkpoint {
    /// Writes it aside, syncs and renames: whatever happens, `path` holds this checkpoint or the one before.
    ///
    /// # Errors
    /// If the file cannot be written; the one before is intact then.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let written = self.to_bytes().and_then(|content| aside::write(path, &content));
        written.map_err(|error| CheckpointError::Io { path: path.display().to_string(), error })
    }

    /// The file's content.
    ///
    /// # Errors
    /// If it cannot be put into words, which no run has seen yet.
    pub fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut arrays = vec![bytes(&self.values), bytes(&self.velocity), bytes(&self.running)];
        let mut names = ARRAYS.to_vec();
        if let Some(average) = &self.average {
            arrays.extend([bytes(&average.values), bytes(&average.running)]);
            names.extend(AVERAGE);
        }
        if let Some(before) = &self.before {
            arrays.push(bytes(before));
            names.push(BEFORE);
        }
        let head = Head { sha256: hash(&arrays), ..self.head.clone() };
        let head = serde_json::to_string(&head)?;
        let mut views = Vec::new();
        for (name, data) in names.into_iter().zip(&arrays) {
            let view = TensorView::new(Dtype::F32, vec![data.len() / 4], data);
            views.push((name, view.map_err(std::io::Error::other)?));
        }
        let metadata = HashMap::from([("checkpoint".to_owned(), head)]);
        safetensors::serialize(views, Some(metadata)).map_err(std::io::Error::other)
    }

    /// Reads and checks one.
    ///
    /// # Errors
    /// If it cannot be read, is of another version, or its content is not what was written.
    pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let name = path.display().to_string();
        let content =
            std::fs::read(path).map_err(|error| CheckpointError::Io { path: name.clone(), error })?;
        Checkpoint::from_bytes(&content, &name)
    }

    /// Checks the content of the file `name`.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn from_bytes(content: &[u8], name: &str) -> Result<Checkpoint, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged { path: name.to_owned(), reason };
        let (_, metadata) =
            SafeTensors::read_metadata(content).map_err(|e| damaged(format!("not safetensors: {e}")))?;
        let head = metadata.metadata().as_ref().and_then(|m| m.get("checkpoint"));
        let head = head.ok_or_else(|| damaged("it does not say that it is a checkpoint".into()))?;
        let head: Head = serde_json::from_str(head).map_err(|e| damaged(e.to_string()))?;
        if !(1..=VERSION).contains(&head.version) {
            let reason = format!("version {}, this program reads versions 1 to {VERSION}", head.version);
            return Err(damaged(reason));
        }
        let tensors = SafeTensors::deserialize(content).map_err(|e| damaged(e.to_string()))?;
        let mut arrays = Vec::new();
        let has = |array| tensors.names().into_iter().any(|name| name == array);
        let (averaged, keeps) = (has(AVERAGE[0]), has(BEFORE));
        let optional = AVERAGE.iter().filter(|_| averaged).chain([&BEFORE].into_iter().filter(|_| keeps));
        for name in ARRAYS.iter().chain(optional) {
            let view = tensors.tensor(name).map_err(|e| damaged(e.to_string()))?;
            if view.dtype() != Dtype::F32 {
                return Err(damaged(format!("{name} is {:?}, expected F32", view.dtype())));
            }
            arrays.push(view.data().to_vec());
        }
        let found = hash(&arrays);
        if found != head.sha256 {
            return Err(damaged(format!("its arrays have SHA-256 {found}, expected {}", head.sha256)));
        }
        let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let mut arrays = arrays.iter().map(|a| a.chunks_exact(4).map(float).collect());
        let mut next = || arrays.next().unwrap_or_default();
        Ok(Checkpoint {
            head,
            values: next(),
            velocity: next(),
            running: next(),
            average: averaged.then(|| Average { values: next(), running: next() }),
            before: keeps.then(next),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvn::Unit;
    use dvn::manifest::Input;

    fn checkpoint() -> Checkpoint {
        let head = Head {
            version: VERSION,
            config: "name = 1".into(),
            command: "dvn-train train".into(),
            step: 7,
            best: Some(50.5),
            seconds: 1.5,
            sha256: String::new(),
            old: vec![Task {
                name: "cifar10".into(),
                title: "CIFAR-10".into(),
                classes: vec!["cat".into()],
                input: Input { size: 32, mean: [0.5; 3], std: [0.25; 3] },
                order: Unit::from_number(1).into_iter().collect(),
                levels: Vec::new(),
            }],
        };
        let average = Some(Average { values: vec![0.5, -1.5], running: vec![2.5] });
        let values = vec![1.0, f32::MIN_POSITIVE];
        Checkpoint {
            head,
            values,
            velocity: vec![-0.0; 2],
            running: vec![3.0],
            average,
            before: Some(vec![4.5]),
        }
    }

    #[test]
    fn what_is_written_reads_back_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last.safetensors");
        checkpoint().write(&path).unwrap();
        let mut read = Checkpoint::read(&path).unwrap();
        assert!(!std::mem::take(&mut read.head.sha256).is_empty());
        assert_eq!(read, checkpoint());
        assert_eq!(bytes(&read.velocity), bytes(&checkpoint().velocity));
    }

    #[test]
    fn checkpoints_of_earlier_versions_have_no_average_and_no_old_tasks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last.safetensors");
        for (version, average) in [(1, None), (2, checkpoint().average)] {
            let head = Head { version, old: Vec::new(), ..checkpoint().head };
            let old = Checkpoint { head, average, before: None, ..checkpoint() };
            old.write(&path).unwrap();
            let mut read = Checkpoint::read(&path).unwrap();
            read.head.sha256.clear();
            assert_eq!(read, old);
        }
    }

    #[test]
    fn every_single_flipped_byte_and_every_truncation_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last.safetensors");
        checkpoint().write(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        let original = Checkpoint::read(&path).unwrap();
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            // A byte of the configuration's text or of a number in the head may change unnoticed, arrays never.
            if let Ok(read) = Checkpoint::read(&path) {
                assert_eq!(
                    (read.values, read.velocity),
                    (original.values.clone(), original.velocity.clone())
                );
                assert_eq!(
                    (read.running, read.average, read.before),
                    (original.running.clone(), original.average.clone(), original.before.clone())
                );
            }
            std::fs::write(&path, &good[..i]).unwrap();
            assert!(Checkpoint::read(&path).is_err(), "cut to {i} bytes");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = checkpoint().write(Path::new("no/such/folder/last.safetensors")).unwrap_err();
        assert!(error.to_string().contains("no/such/folder"), "{error}");
    }
}

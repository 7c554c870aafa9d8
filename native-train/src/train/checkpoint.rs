//! Checkpoints: one file with everything that a run needs to go on, on this machine or another.

use atomic_write_file::AtomicWriteFile;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
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
}

/// The part of a checkpoint that is not an array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// [`VERSION`].
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
}

/// The version of checkpoints that this program writes and reads.
pub const VERSION: u32 = 1;

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

const ARRAYS: [&str; 3] = ["values", "velocity", "running"];

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn hash(arrays: &[Vec<u8>; 3]) -> String {
    dvn::manifest::sha256(&arrays.concat())
}

impl Checkpoint {
    /// Writes it aside, syncs and renames: whatever happens, `path` holds this checkpoint or the one before.
    ///
    /// # Errors
    /// If the file cannot be written; the one before is intact then.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let arrays = [bytes(&self.values), bytes(&self.velocity), bytes(&self.running)];
        let head = Head { sha256: hash(&arrays), ..self.head.clone() };
        let io = |error| CheckpointError::Io { path: path.display().to_string(), error };
        let head = serde_json::to_string(&head).map_err(|e| io(e.into()))?;
        let mut views = Vec::new();
        for (name, data) in ARRAYS.iter().zip(&arrays) {
            let view = TensorView::new(Dtype::F32, vec![data.len() / 4], data);
            views.push((*name, view.map_err(|e| io(std::io::Error::other(e)))?));
        }
        let metadata = HashMap::from([("checkpoint".to_owned(), head)]);
        let content =
            safetensors::serialize(views, Some(metadata)).map_err(|e| io(std::io::Error::other(e)))?;
        let write = || {
            let mut file = AtomicWriteFile::open(path)?;
            file.write_all(&content)?;
            file.commit()
        };
        write().map_err(io)
    }

    /// Reads and checks one.
    ///
    /// # Errors
    /// If it cannot be read, is of another version, or its content is not what was written.
    pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let name = path.display().to_string();
        let content =
            std::fs::read(path).map_err(|error| CheckpointError::Io { path: name.clone(), error })?;
        let damaged = |reason: String| CheckpointError::Damaged { path: name.clone(), reason };
        let (_, metadata) =
            SafeTensors::read_metadata(&content).map_err(|e| damaged(format!("not safetensors: {e}")))?;
        let head = metadata.metadata().as_ref().and_then(|m| m.get("checkpoint"));
        let head = head.ok_or_else(|| damaged("it does not say that it is a checkpoint".into()))?;
        let head: Head = serde_json::from_str(head).map_err(|e| damaged(e.to_string()))?;
        if head.version != VERSION {
            let reason = format!("version {}, this program reads version {VERSION}", head.version);
            return Err(damaged(reason));
        }
        let tensors = SafeTensors::deserialize(&content).map_err(|e| damaged(e.to_string()))?;
        let mut arrays = [Vec::new(), Vec::new(), Vec::new()];
        for (name, array) in ARRAYS.iter().zip(&mut arrays) {
            let view = tensors.tensor(name).map_err(|e| damaged(e.to_string()))?;
            if view.dtype() != Dtype::F32 {
                return Err(damaged(format!("{name} is {:?}, expected F32", view.dtype())));
            }
            *array = view.data().to_vec();
        }
        let found = hash(&arrays);
        if found != head.sha256 {
            return Err(damaged(format!("its arrays have SHA-256 {found}, expected {}", head.sha256)));
        }
        let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let [values, velocity, running] = arrays.map(|a| a.chunks_exact(4).map(float).collect());
        Ok(Checkpoint { head, values, velocity, running })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let head = Head {
            version: VERSION,
            config: "name = 1".into(),
            command: "dvn-train train".into(),
            step: 7,
            best: Some(50.5),
            seconds: 1.5,
            sha256: String::new(),
        };
        Checkpoint { head, values: vec![1.0, f32::MIN_POSITIVE], velocity: vec![-0.0; 2], running: vec![3.0] }
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
                assert_eq!(read.running, original.running);
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

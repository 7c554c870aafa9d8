//! A model folder on disk: `model.json` and its shards.

use crate::error::ModelError;
use crate::manifest::{self, Manifest, ShardEntry};
use crate::network::Network;
use crate::shard::{Shard, ShardId};
use atomic_write_file::AtomicWriteFile;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A model folder whose `model.json` has been read and checked. Shards are read one at a time, as they are needed.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    path: PathBuf,
    manifest: Manifest,
    network: Network,
}

impl ModelFolder {
    /// Reads `path/model.json`.
    ///
    /// # Errors
    /// If it cannot be read or is wrong; see [`Manifest::parse`].
    pub fn open(path: &Path) -> Result<ModelFolder, ModelError> {
        let json = read(&path.join("model.json"), manifest::MAX_JSON_BYTES as u64 + 1)?;
        let (manifest, network) = Manifest::parse(&json)?;
        Ok(ModelFolder { path: path.to_owned(), manifest, network })
    }

    /// What is in it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The network whose weights it holds.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and checks one shard.
    ///
    /// # Errors
    /// As [`Manifest::open`], or if the file cannot be read.
    pub fn read(&self, id: ShardId) -> Result<Shard, ModelError> {
        let entry = self.manifest.shard(id)?;
        // One byte more than expected shows a file that is too long, without reading all of it.
        let bytes = read(&self.path.join(&entry.file), entry.bytes.saturating_add(1))?;
        self.manifest.open(&self.network, id, &bytes)
    }

    /// Writes a model folder: every shard of `network` as `shard` gives it, then `model.json`, each written aside,
    /// synced and renamed, so that a folder with a `model.json` is whole. `manifest.shards` is filled in.
    ///
    /// # Errors
    /// If a shard does not fit the network or a file cannot be written.
    pub fn write(
        path: &Path,
        mut manifest: Manifest,
        network: &Network,
        mut shard: impl FnMut(ShardId) -> Result<Shard, ModelError>,
    ) -> Result<ModelFolder, ModelError> {
        std::fs::create_dir_all(path).map_err(|e| io(path, e))?;
        manifest.shards.clear();
        for id in network.shards() {
            let bytes = network.encode(id, &shard(id)?)?;
            let file = id.to_string();
            write(&path.join(&file), &bytes)?;
            let sha256 = manifest::sha256(&bytes);
            manifest.shards.push(ShardEntry { file, bytes: bytes.len() as u64, sha256 });
        }
        let json = to_json(&manifest)?;
        // What was written must be what a reader accepts.
        Manifest::parse(&json)?;
        write(&path.join("model.json"), &json)?;
        ModelFolder::open(path)
    }

    /// Replaces `model.json`, for example after its accuracies were measured anew.
    ///
    /// # Errors
    /// If the new one is not valid or cannot be written.
    pub fn update(&mut self, manifest: Manifest) -> Result<(), ModelError> {
        let json = to_json(&manifest)?;
        let (manifest, network) = Manifest::parse(&json)?;
        write(&self.path.join("model.json"), &json)?;
        (self.manifest, self.network) = (manifest, network);
        Ok(())
    }
}

fn to_json(manifest: &Manifest) -> Result<Vec<u8>, ModelError> {
    let mut json = serde_json::to_vec_pretty(manifest)
        .map_err(|e| ModelError::Json { reason: format!("cannot be written: {e}") })?;
    json.push(b'\n');
    Ok(json)
}

fn io(path: &Path, error: std::io::Error) -> ModelError {
    ModelError::Io { path: path.display().to_string(), error }
}

fn read(path: &Path, at_most: u64) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| io(path, e))?;
    file.take(at_most).read_to_end(&mut bytes).map_err(|e| io(path, e))?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let attempt = || {
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    attempt().map_err(|e| io(path, e))
}

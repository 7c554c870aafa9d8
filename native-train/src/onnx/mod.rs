//! One level of one task as an ONNX model that any runtime opens.
//!
//! Input `images` [N, 3, size, size], RGB in 0 to 1; output `logits` [N, classes]; f32 throughout, N free. Only
//! operations that every runtime has: Sub, Div, Conv, Relu, Add, MaxPool, Pad, Gather, GlobalAveragePool, Flatten,
//! Gemm.

mod description;
mod graph;
mod messages;

use crate::aside;
use crate::weights::{MissingShard, Shards};
use dvn::folder::ModelFolder;
use dvn::{DefinitionError, ModelError};
use messages::{DescribedModel, NamedGraph};
use rten_onnx::onnx::{ModelProto, OperatorSetIdProto};
use rten_onnx::protobuf::{EncodeMessage, ProtobufError, ValueWriter};
use std::path::Path;

/// Version of the standard's operations, of the end of 2021: old enough for every runtime in use.
pub const OPSET: i64 = 17;
/// Version of the file format that came with [`OPSET`].
pub const IR_VERSION: i64 = 8;
/// Name of the input.
pub const INPUT: &str = "images";
/// Name of the output.
pub const OUTPUT: &str = "logits";
/// Protocol Buffers messages are shorter than 2 GiB.
const MAX_BYTES: u64 = (1 << 31) - 1;

/// Why there is no ONNX model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// No such task or level.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A file of the model folder cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A shard is missing.
    #[error(transparent)]
    MissingShard(#[from] MissingShard),
    /// The model is too large for one file.
    #[error("the model would have {found} bytes; an ONNX file has at most {MAX_BYTES}: export a lower level")]
    TooLarge {
        /// Bytes.
        found: u64,
    },
    /// The messages cannot be encoded.
    #[error("encoding the model: {0}")]
    Encode(#[from] ProtobufError),
    /// The file cannot be written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

/// The bytes of an ONNX model of `level` (from 1) of `task` (from 0).
///
/// # Errors
/// [`OnnxError`]: no such level, a shard that cannot be read, a model above 2 GiB.
pub fn encode(model: &ModelFolder, task: usize, level: usize) -> Result<Vec<u8>, OnnxError> {
    let plan = model.network().plan(task, level)?;
    let mut shards = Shards::new();
    for id in plan.shards() {
        shards.insert(id, model.read(id)?);
    }
    let manifest = model.manifest();
    let task = &manifest.tasks[task];
    let entry = &task.levels[level - 1];
    let graph = graph::graph(&plan, task, &shards)?;
    let model = DescribedModel {
        model: ModelProto {
            ir_version: Some(IR_VERSION),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
            metadata_props: description::properties(manifest, task, entry),
            producer_name: Some("dvn-train".into()),
            producer_version: Some(env!("CARGO_PKG_VERSION").into()),
            graph: None,
        },
        doc: description::doc(manifest, task, entry),
        graph: NamedGraph { name: format!("task{}_level{level}", plan.task + 1), graph },
    };
    let len = model.encoded_len()?;
    if len > MAX_BYTES {
        return Err(OnnxError::TooLarge { found: len });
    }
    let mut bytes = Vec::with_capacity(len as usize);
    model.encode(ValueWriter::new(&mut bytes))?;
    Ok(bytes)
}

/// Writes the bytes of [`encode`] aside, syncs and renames them to `path`; gives their number.
///
/// # Errors
/// As [`encode`], or if the file cannot be written.
pub fn write(model: &ModelFolder, task: usize, level: usize, path: &Path) -> Result<usize, OnnxError> {
    let bytes = encode(model, task, level)?;
    aside::write(path, &bytes).map_err(|error| OnnxError::Io { path: path.display().to_string(), error })?;
    Ok(bytes.len())
}

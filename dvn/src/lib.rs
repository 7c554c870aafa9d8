//! Deep Virtual Networks: the definition that training and inference share.
//!
//! A *backbone* is divided into *units*, disjoint subsets of every layer's feature maps. Every *task* joins the
//! units in its own order; *level* `l` of a task is the sub-network of the first `l` units of that order
//! (Kim, Ahn, Torr, Oh: "Deep Virtual Networks for Memory Efficient Inference of Multiple Tasks", CVPR 2019).
//!
//! This crate knows what such a network *is* and never how it is computed:
//!
//! | module | what it answers |
//! | --- | --- |
//! | [`backbone`] | which layers there are (`wrn-32-4`, `resnet-42`) |
//! | [`unit`](mod@unit) | which channels belong to a unit |
//! | [`order`] | in which order a task's units join |
//! | [`network`] | all of these together, checked |
//! | [`plan`] | one level of one task as a straight list of operations |
//! | [`cost`] | parameters, bytes, multiply-accumulates, activation bytes of a plan |
//! | [`budget`] | which level a memory budget buys |
//! | [`combination`] | which levels of several tasks one budget buys |
//! | [`shard`] | one file of weights: its tensors, reading, writing |
//! | [`manifest`] | `model.json` |
//! | [`folder`] | a model folder on disk (native only) |
//! | [`pixels`] | how a picture becomes the network's input |

pub mod backbone;
pub mod budget;
pub mod combination;
pub mod cost;
pub mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod folder;
pub mod manifest;
pub mod network;
pub mod order;
pub mod pixels;
pub mod plan;
pub mod shard;
pub mod unit;

pub use backbone::Backbone;
pub use budget::Budget;
pub use combination::Combination;
pub use cost::Costs;
pub use error::{DefinitionError, ModelError};
pub use manifest::Manifest;
pub use network::{Network, TaskSpec};
pub use plan::{Op, Plan};
pub use shard::{Shard, ShardId};
pub use unit::{Split, Unit};

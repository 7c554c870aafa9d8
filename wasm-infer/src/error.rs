//! What can go wrong when a level is run.

use dvn::{DefinitionError, ModelError, ShardId};

/// Why an engine could not be made, or could not run a level.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A task or level that the network does not have.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A file of weights that cannot be trusted.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The level needs a shard that was not inserted.
    #[error("{shard} is not loaded: task {task} needs it at level {level}")]
    MissingShard {
        /// What is missing.
        shard: ShardId,
        /// The task, from 1.
        task: usize,
        /// The level, from 1.
        level: usize,
    },
    /// A shard whose content does not have the shapes that the network's shard of this name has.
    #[error("{shard}: {what} holds {found} numbers, expected {expected}")]
    ShardShape {
        /// The shard.
        shard: ShardId,
        /// The tensor, or `it` for the number of tensors.
        what: String,
        /// Length found.
        found: usize,
        /// Length expected.
        expected: usize,
    },
    /// Images of another length than the task's.
    #[error(
        "the input holds {found} numbers, expected {expected}: {images} images of {size} x {size} pixels, 3 channels"
    )]
    Input {
        /// Numbers given.
        found: usize,
        /// Numbers expected.
        expected: usize,
        /// Images announced.
        images: usize,
        /// Height and width of the task's images.
        size: usize,
    },
    /// There is no GPU to use.
    #[error("no GPU can be used: {reason}")]
    NoAdapter {
        /// What the system said.
        reason: String,
    },
    /// The GPU allows less than this network needs.
    #[error("the GPU \"{adapter}\" is too small: {what} may be {found}, needed are {needed}")]
    Limits {
        /// The adapter's name.
        adapter: String,
        /// Which limit.
        what: &'static str,
        /// Its value.
        found: u64,
        /// What is needed.
        needed: u64,
    },
    /// The GPU computes wrongly: its results on a tiny network differ from the CPU's.
    #[error("the GPU \"{adapter}\" fails the self-test: {reason}")]
    SelfTest {
        /// The adapter's name.
        adapter: String,
        /// What differed, and how far.
        reason: String,
    },
    /// The GPU has no memory left; what was loaded before stays usable.
    #[error("the GPU has no memory left for {what}")]
    OutOfMemory {
        /// What was to be allocated.
        what: String,
    },
    /// The GPU went away: its driver was reset, it was unplugged, or the browser took it.
    #[error("the GPU was lost: {reason}")]
    DeviceLost {
        /// What the system said.
        reason: String,
    },
    /// The GPU refused a command: a fault of this program or of the driver.
    #[error("the GPU refused a command: {reason}")]
    Gpu {
        /// What the system said.
        reason: String,
    },
}

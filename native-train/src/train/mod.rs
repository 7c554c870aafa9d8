//! Training: joint learning (paper eq. 4), sequential learning (eq. 6), their optimizer, checkpoints, metrics, progress and the run that ties them together.

pub mod average;
pub mod checkpoint;
pub mod events;
pub mod features;
mod frozen;
pub mod joint;
pub mod metrics;
pub mod old_tasks;
pub mod optimizer;
pub mod output;
pub mod progress;
pub mod run;
pub mod setup;
pub mod take_over;
pub mod team;

pub use checkpoint::Checkpoint;
pub use joint::Joint;
pub use old_tasks::OldTasks;
pub use output::Output;
pub use run::{Outcome, Run};
pub use setup::{Setup, Start};
pub use take_over::take_over;
pub use team::Team;

//! Training: joint learning (paper eq. 4), its optimizer, checkpoints, progress and the run that ties them together.

pub mod checkpoint;
pub mod joint;
pub mod optimizer;
pub mod progress;
pub mod run;

pub use checkpoint::Checkpoint;
pub use joint::Joint;
pub use run::{Outcome, Run};

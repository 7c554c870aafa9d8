//! What a run is made of, and where it starts.

use super::checkpoint::Checkpoint;
use super::team::Team;
use crate::config::Config;
use candle_core::Device;
use std::path::Path;
use std::sync::Arc;

/// Where a run starts.
pub enum Start<'a> {
    /// With random weights.
    Fresh,
    /// After a checkpoint's last step.
    Checkpoint(Box<Checkpoint>),
    /// With what it can use of the model in this folder ([`take_over()`](super::take_over())).
    From(&'a Path),
    /// With all of the model in this folder, which learns the configuration's task and keeps its own
    /// ([`old_tasks`](super::old_tasks)).
    AddTo(&'a Path),
}

impl<'a> Start<'a> {
    /// After a checkpoint if there is one, else with the model `from`, else with the model that the task is added to.
    pub fn first_of(
        checkpoint: Option<Checkpoint>,
        from: Option<&'a Path>,
        add_to: Option<&'a Path>,
    ) -> Start<'a> {
        match (checkpoint, from, add_to) {
            (Some(checkpoint), ..) => Start::Checkpoint(Box::new(checkpoint)),
            (None, Some(model), _) => Start::From(model),
            (None, None, Some(model)) => Start::AddTo(model),
            (None, None, None) => Start::Fresh,
        }
    }
}

/// What a run is made of.
pub struct Setup<'a> {
    /// The configuration.
    pub config: Config,
    /// Its text, as it was given.
    pub text: String,
    /// The command that starts the run, for the record.
    pub command: String,
    /// The data sets' folder.
    pub data: &'a Path,
    /// The model's folder; only the leading process writes to it.
    pub out: &'a Path,
    /// What to compute on.
    pub device: Device,
    /// Where it starts.
    pub start: Start<'a>,
    /// The processes that train together.
    pub team: Arc<Team>,
}

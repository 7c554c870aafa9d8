//! What the tests that train whole runs share.

use candle_core::Device;
use native_train::config::Config;
use native_train::train::{Checkpoint, Run, Setup, Start};
use std::path::Path;
use std::sync::Arc;

/// A run of the configuration `text`, whose data sets come with the program, into the folder `out`.
pub fn new_run(text: &str, out: &Path, start: Start) -> anyhow::Result<Run> {
    Run::new(Setup {
        config: Config::parse(text)?,
        text: text.into(),
        command: "dvn-train train test.toml".into(),
        data: Path::new("unused"),
        out,
        device: Device::Cpu,
        start,
        team: Arc::default(),
    })
}

/// The last checkpoint of the run in `out`.
pub fn last_checkpoint(out: &Path) -> Checkpoint {
    Checkpoint::read(&Run::last_checkpoint(out)).unwrap()
}

/// Where a checkpoint left off.
pub fn from_checkpoint(checkpoint: Checkpoint) -> Start<'static> {
    Start::Checkpoint(Box::new(checkpoint))
}

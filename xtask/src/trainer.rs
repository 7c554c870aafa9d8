//! The trainer's command line, for the commands that need it.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::project::Project;
use crate::toolchain::cargo;

/// Builds `dvn-train`, if it has to be, and says where it is.
pub fn build(project: &Project) -> Result<PathBuf> {
    let output = cargo()
        // Over the whole workspace: with the features that its tests are built with, so that nothing is built twice.
        .args(["build", "--release", "--workspace", "--bin", "dvn-train", "--message-format=json"])
        .current_dir(project.root())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("dvn-train could not be built");
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let made = lines.lines().rev().filter_map(|l| serde_json::from_str::<Value>(l).ok());
    let path = made.filter_map(|m| Some(PathBuf::from(m.get("executable")?.as_str()?))).next();
    path.context("cargo did not say where dvn-train is")
}

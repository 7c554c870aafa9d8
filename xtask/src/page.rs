//! The page: its packages, its build, the models beside it.

use anyhow::{Context, Result, bail};

use crate::fingerprint::{self, Stamp};
use crate::models;
use crate::npm;
use crate::project::Project;
use crate::steps::{Done, Steps};

/// How many steps [`build`] tells.
pub const STEPS: usize = 3;

/// What the built page depends on, inside `web/`.
const SOURCES: [&str; 6] =
    ["index.html", "src", "public", "package-lock.json", "vite.config.ts", "tsconfig.json"];

/// Builds the page around an engine that [`crate::wasm::build`] made.
pub fn build(project: &Project, steps: &mut Steps) -> Result<()> {
    steps.step("Packages of the page", || npm::install(&project.web()))?;
    steps.step("Page", || bundle(project))?;
    steps.step("Models", || models::publish(project))
}

fn bundle(project: &Project) -> Result<Done> {
    let web = project.web();
    let key = fingerprint::of(&SOURCES.map(|name| web.join(name)))?;
    let stamp = Stamp::at(project.stamps().join("page"));
    if stamp.holds(&key) && project.dist().join("index.html").exists() {
        return Ok(Done::Fresh);
    }
    stamp.clear();
    let status = npm::npm(&web, ["run", "--silent", "build"]).status().context("npm could not be started")?;
    if !status.success() {
        bail!("the page does not build (Vite's messages are above)");
    }
    stamp.set(&key)?;
    Ok(Done::Built)
}

//! Node.js and its packages.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::fingerprint::{self, Stamp};
use crate::steps::Done;

const OLDEST_NODE: u32 = 20;

/// Installs the packages that a folder's lock file names, unless they are there.
pub fn install(folder: &Path) -> Result<Done> {
    let key = fingerprint::of(&[folder.join("package-lock.json")])?;
    let stamp = Stamp::at(folder.join("node_modules").join(".installed"));
    if stamp.holds(&key) {
        return Ok(Done::Fresh);
    }
    check_node()?;
    let status = npm(folder, ["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .status()
        .context("npm could not be started")?;
    if !status.success() {
        bail!("npm could not install the packages of {}", folder.display());
    }
    stamp.set(&key)?;
    Ok(Done::Built)
}

/// An npm command in a folder.
pub fn npm<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.args(arguments).current_dir(folder);
    command
}

fn check_node() -> Result<()> {
    let output = Command::new("node").arg("--version").output().with_context(|| {
        format!("Node.js was not found; the page needs Node.js {OLDEST_NODE} or newer: https://nodejs.org")
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    match major(&text) {
        Some(found) if found >= OLDEST_NODE => Ok(()),
        _ => bail!(
            "Node.js {} was found; the page needs {OLDEST_NODE} or newer: https://nodejs.org",
            text.trim()
        ),
    }
}

/// The major version in what `node --version` prints.
fn major(text: &str) -> Option<u32> {
    text.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn reads_node_versions() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.0.0"), Some(8));
        assert_eq!(major("node: not found"), None);
    }
}

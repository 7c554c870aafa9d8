//! Finds the browser for the tests, or installs it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::toolchain::apt_install;

const NAMES: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"];

const ELSEWHERE: [&str; 4] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
];

const FIREFOX_NAMES: [&str; 2] = ["firefox", "firefox-esr"];

const FIREFOX_ELSEWHERE: [&str; 2] =
    ["/Applications/Firefox.app/Contents/MacOS/firefox", r"C:\Program Files\Mozilla Firefox\firefox.exe"];

/// The path of a Chromium that runs: `$CHROMIUM`, one that is installed, or one from the system's packages.
pub fn chromium() -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("CHROMIUM").filter(|value| !value.is_empty()) {
        let chosen = PathBuf::from(chosen);
        if !runs(&chosen) {
            bail!("CHROMIUM names {}, which does not run", chosen.display());
        }
        return Ok(chosen);
    }
    if let Some(found) = installed() {
        return Ok(found);
    }
    println!("  installing chromium ...");
    let outcome = apt_install(&["chromium"]);
    // Ubuntu's package is only a pointer to a snap, which does not run everywhere.
    match (outcome, installed()) {
        (_, Some(found)) => Ok(found),
        (outcome, None) => {
            let reason = outcome.err().map(|error| format!(" ({error:#})")).unwrap_or_default();
            bail!(
                "the page's tests need Chromium or Chrome, and none was found{reason}. Install one (Debian: apt-get \
                 install chromium; elsewhere: https://www.google.com/chrome), or name it: CHROMIUM=/path/to/chrome"
            )
        }
    }
}

/// The path of a Firefox that runs, if there is one: `$FIREFOX`, or one that is installed. None is installed for the
/// tests: they can do without.
pub fn firefox() -> Option<PathBuf> {
    let chosen = env::var_os("FIREFOX").filter(|value| !value.is_empty()).map(PathBuf::from);
    let elsewhere = FIREFOX_ELSEWHERE.iter().map(PathBuf::from);
    chosen
        .into_iter()
        .chain(on_path(&FIREFOX_NAMES))
        .chain(elsewhere)
        .find(|path| path.is_file() && runs(path))
}

fn installed() -> Option<PathBuf> {
    let elsewhere = ELSEWHERE.iter().map(PathBuf::from);
    on_path(&NAMES).into_iter().chain(elsewhere).find(|path| path.is_file() && runs(path))
}

/// Where programs of these names would be, the first name first.
fn on_path(names: &[&str]) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).collect()
}

fn runs(path: &Path) -> bool {
    // On Windows `--version` opens a window instead; being there has to do.
    cfg!(windows)
        || Command::new(path)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

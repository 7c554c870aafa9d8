//! Where things are: the workspace, its build folder, the page.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders of this workspace.
pub struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    /// Finds the workspace from the manifest cargo runs this program for, so that a moved clone still works.
    pub fn locate() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = manifest
            .parent()
            .map(Path::to_path_buf)
            .with_context(|| format!("{} has no parent folder", manifest.display()))?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) if !folder.is_empty() => env::current_dir()?.join(folder),
            _ => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The root of the workspace.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the WebAssembly builds keep their artifacts, apart from the native ones: another compiler may make
    /// them, and cargo locks a build folder while it works.
    pub fn wasm_target(&self) -> PathBuf {
        self.target.join("wasm")
    }

    /// Where the marks of finished steps are kept.
    pub fn stamps(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// The page's sources.
    pub fn web(&self) -> PathBuf {
        self.root.join("web")
    }

    /// The page as built.
    pub fn dist(&self) -> PathBuf {
        self.web().join("dist")
    }

    /// The models in the repository, one folder each.
    pub fn models(&self) -> PathBuf {
        self.web().join("models")
    }

    /// The browser's tests.
    pub fn browser_tests(&self) -> PathBuf {
        self.root.join("tests").join("browser")
    }

    /// The benchmark in a browser.
    pub fn web_bench(&self) -> PathBuf {
        self.web().join("bench")
    }

    /// The engine's WebAssembly builds, one folder each.
    pub fn engine(&self) -> PathBuf {
        self.web().join("src").join("engine")
    }

    /// A path as a person would name it: from the root of the workspace when it is inside.
    pub fn show(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

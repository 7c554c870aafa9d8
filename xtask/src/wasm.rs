//! The engine: the crate `wasm-infer` as WebAssembly with its JavaScript and TypeScript face.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::fingerprint::{self, Stamp};
use crate::project::Project;
use crate::steps::{Done, Steps};
use crate::toolchain::{TARGET, Toolchain};

/// The engine is built twice, and the page takes the build its browser can read: a module that holds relaxed
/// operations is refused whole by a browser without them, so one build cannot serve all.
const BUILDS: [Build; 2] = [
    Build { name: "simd", words: "128-bit SIMD", features: "+simd128" },
    Build { name: "relaxed", words: "relaxed SIMD", features: "+simd128,+relaxed-simd" },
];

/// How many steps [`build`] tells.
pub const STEPS: usize = BUILDS.len();

struct Build {
    name: &'static str,
    words: &'static str,
    features: &'static str,
}

/// Builds every variant into `web/src/engine/NAME/`.
pub fn build(project: &Project, steps: &mut Steps) -> Result<()> {
    let toolchain = Toolchain::find(project)?;
    for build in &BUILDS {
        let what = format!("Engine to WebAssembly, {} ({})", build.words, toolchain.describe());
        steps.step(&what, || build.run(project, &toolchain))?;
    }
    Ok(())
}

/// Builds a test module for every variant, beside the engine's in its folders; says where they are.
pub fn build_tests(project: &Project) -> Result<Vec<PathBuf>> {
    let toolchain = Toolchain::find(project)?;
    BUILDS.iter().map(|build| build.compile(project, &toolchain, "dvn-wasm-tests")).collect()
}

impl Build {
    fn run(&self, project: &Project, toolchain: &Toolchain) -> Result<Done> {
        let module = self.compile(project, toolchain, "wasm-infer")?;
        let out = project.engine().join(self.name);
        let stamp = Stamp::at(project.stamps().join(format!("engine-{}", self.name)));
        // This program counts too: how it calls wasm-bindgen may have changed.
        let key = fingerprint::of(&[module.clone(), env::current_exe()?])?;
        if stamp.holds(&key) && out.join("wasm_infer_bg.wasm").exists() {
            return Ok(Done::Fresh);
        }
        stamp.clear();
        if out.exists() {
            fs::remove_dir_all(&out).with_context(|| format!("cannot empty {}", out.display()))?;
        }
        Bindgen::new()
            .input_path(&module)
            // Names only help a debugger, and are a fifth of what a visitor would fetch.
            .remove_name_section(true)
            .remove_producers_section(true)
            .web(true)
            .and_then(|bindgen| bindgen.typescript(true).generate(&out))
            .with_context(|| format!("wasm-bindgen could not read {}", module.display()))?;
        stamp.set(&key)?;
        Ok(Done::Built)
    }

    /// Runs cargo, which knows by itself what is fresh; returns the package's module.
    fn compile(&self, project: &Project, toolchain: &Toolchain, package: &str) -> Result<PathBuf> {
        // A folder for each build: in a shared one they would push each other out at every start.
        let target_dir = project.wasm_target().join(self.name);
        let status = toolchain
            .cargo_build()
            .args(["--package", package, "--lib", "--profile", "wasm"])
            .arg("--target-dir")
            .arg(&target_dir)
            // Whatever flags the user has for native code, they are not meant for this target.
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", format!("-Ctarget-feature={}", self.features))
            .current_dir(project.root())
            .status()
            .context("cargo could not be started")?;
        if !status.success() {
            bail!("{package} does not compile to WebAssembly (cargo's messages are above)");
        }
        Ok(target_dir.join(TARGET).join("wasm").join(format!("{}.wasm", package.replace('-', "_"))))
    }
}

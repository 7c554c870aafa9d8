//! The engine: the crate `wasm-infer` as WebAssembly with its JavaScript and TypeScript face.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::fingerprint::{self, Stamp};
use crate::project::Project;
use crate::steps::{Done, Steps};
use crate::toolchain::{TARGET, Toolchain};

/// The engine is built three times, and the page takes the build its browser can read: a module that holds relaxed
/// operations is refused whole by a browser without them, and one with shared memory by a page that is not isolated from
/// other origins, so one build cannot serve all.
const BUILDS: [Build; 3] = [
    Build { name: "simd", words: "128-bit SIMD", features: "+simd128", threads: false },
    Build { name: "relaxed", words: "relaxed SIMD", features: "+simd128,+relaxed-simd", threads: false },
    Build {
        name: "threads",
        words: "relaxed SIMD and threads",
        features: "+simd128,+relaxed-simd,+atomics,+bulk-memory,+mutable-globals",
        threads: true,
    },
];

/// What the linker makes of a module whose threads share its memory: wasm-bindgen gives each its stack and its
/// thread-local variables. Shared memory needs a limit; it is reserved, not used.
const THREADS: [&str; 7] = [
    "--shared-memory",
    "--import-memory",
    "--max-memory=1073741824",
    "--export=__wasm_init_tls",
    "--export=__tls_size",
    "--export=__tls_align",
    "--export=__tls_base",
];

/// How many steps [`build`] tells.
pub const STEPS: usize = BUILDS.len();

struct Build {
    name: &'static str,
    words: &'static str,
    features: &'static str,
    threads: bool,
}

/// Builds every variant into `web/src/engine/NAME/`.
pub fn build(project: &Project, steps: &mut Steps) -> Result<()> {
    let (plain, with_source) = (Toolchain::find(project)?, Toolchain::find_source(project)?);
    for build in &BUILDS {
        let toolchain = if build.threads { &with_source } else { &plain };
        let what = format!("Engine to WebAssembly, {} ({})", build.words, toolchain.describe());
        steps.step(&what, || build.run(project, toolchain))?;
    }
    Ok(())
}

/// Builds a test module for every variant, beside the engine's in its folders; says where they are.
pub fn build_tests(project: &Project) -> Result<Vec<PathBuf>> {
    let toolchain = Toolchain::find(project)?;
    // Threads change nothing in what one of them computes.
    let alone = BUILDS.iter().filter(|build| !build.threads);
    alone.map(|build| build.compile(project, &toolchain, "dvn-wasm-tests")).collect()
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
        let mut flags = format!("-Ctarget-feature={}", self.features);
        let mut cargo = toolchain.cargo_build();
        if self.threads {
            THREADS.iter().for_each(|argument| flags += &format!("\x1f-Clink-arg={argument}"));
            cargo.args(["--features", "wasm-threads"]);
        }
        let status = cargo
            .args(["--package", package, "--lib", "--profile", "wasm"])
            .arg("--target-dir")
            .arg(&target_dir)
            // Whatever flags the user has for native code, they are not meant for this target.
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .current_dir(project.root())
            .status()
            .context("cargo could not be started")?;
        if !status.success() {
            bail!("{package} does not compile to WebAssembly (cargo's messages are above)");
        }
        Ok(target_dir.join(TARGET).join("wasm").join(format!("{}.wasm", package.replace('-', "_"))))
    }
}

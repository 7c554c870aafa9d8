//! Which Rust compiles to WebAssembly on this machine.
//!
//! In order: the Rust that runs now, if its WebAssembly target is installed; the same after `rustup target add`;
//! Debian's and Ubuntu's packages, which bring the standard library as source, built here. Threads always want the standard
//! library from source: the Rust that runs now, if it has that or rustup adds it; otherwise the packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::project::Project;

/// The target of the engine's build.
pub const TARGET: &str = "wasm32-unknown-unknown";

const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// The Rust that runs now.
const RUSTC: &str = "rustc";
const PACKAGED_RUSTC: &str = "/usr/bin/rustc";
const PACKAGED_CARGO: &str = "/usr/bin/cargo";

/// How long rustup may take to add something before it counts as off line.
const RUSTUP_LIMIT: Duration = Duration::from_secs(90);

/// A compiler for [`TARGET`].
#[derive(Debug)]
pub enum Toolchain {
    /// The Rust that runs now: it has the target's standard library.
    Installed,
    /// The Rust that runs now, which builds the standard library too.
    Source,
    /// Packaged Rust, which builds the standard library too; linked by the `rust-lld` named here.
    Packaged { linker: PathBuf },
}

impl Toolchain {
    /// Finds a compiler, or installs one, saying what it does.
    pub fn find(project: &Project) -> Result<Self> {
        if has_target() {
            return Ok(Self::Installed);
        }
        if !packaged_before(project).exists() && rustup_adds(["target", "add", TARGET]) && has_target() {
            return Ok(Self::Installed);
        }
        Self::packaged(project)
    }

    /// Finds a compiler that builds the standard library too, as threads need it, or installs one.
    pub fn find_source(project: &Project) -> Result<Self> {
        let source = || has_source(RUSTC);
        let added = || {
            !packaged_before(project).exists() && rustup_adds(["component", "add", "rust-src"]) && source()
        };
        if source() || added() {
            return Ok(Self::Source);
        }
        Self::packaged(project).context(
            "threads in WebAssembly need the standard library's source; with rustup: rustup component add rust-src",
        )
    }

    fn packaged(project: &Project) -> Result<Self> {
        if !packages_present() {
            install_packages()?;
        }
        let linker = rust_lld()?;
        fs::create_dir_all(project.wasm_target())?;
        fs::write(
            packaged_before(project),
            "rustup had nothing to offer for WebAssembly; delete this file to ask it again\n",
        )?;
        Ok(Self::Packaged { linker })
    }

    /// What a person wants to know about it.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Installed => "the installed Rust",
            Self::Source => "the installed Rust, standard library from source",
            Self::Packaged { .. } => "packaged Rust, standard library from source",
        }
    }

    /// A cargo command that builds for [`TARGET`]; the subcommand is `build`.
    pub fn cargo_build(&self) -> Command {
        let mut command = match self {
            Self::Installed | Self::Source => cargo(),
            Self::Packaged { linker } => {
                let mut command = Command::new(PACKAGED_CARGO);
                command
                    .env("RUSTC", PACKAGED_RUSTC)
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env_remove("RUSTDOC");
                command
            }
        };
        command.args(["build", "--target", TARGET]);
        if !matches!(self, Self::Installed) {
            // Stable cargo takes -Z only so.
            command.args(["-Z", "build-std=std,panic_abort"]).env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }
}

/// The cargo that runs this program, without what it told this program of its own package: some build scripts would take
/// that for a change, and build again what the same command from a shell has built.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let own = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(own)) {
        command.env_remove(name);
    }
    command
}

fn rustc_says(rustc: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(rustc).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn has_target() -> bool {
    let Some(folder) = rustc_says(RUSTC, &["--print", "target-libdir", "--target", TARGET]) else {
        return false;
    };
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

/// Where it is noted that packaged Rust had to serve: asking the network again would make every start slow.
fn packaged_before(project: &Project) -> PathBuf {
    project.wasm_target().join("packaged")
}

/// Whether a Rust has its standard library as source.
fn has_source(rustc: &str) -> bool {
    let sysroot = rustc_says(rustc, &["--print", "sysroot"]);
    sysroot.is_some_and(|folder| Path::new(&folder).join("lib/rustlib/src/rust/library/std").is_dir())
}

fn rustup_adds(arguments: [&str; 3]) -> bool {
    let child = Command::new("rustup").args(arguments).stdin(Stdio::null()).spawn();
    let Ok(mut child) = child else { return false };
    println!("  asking rustup for {} ...", arguments[2]);
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if start.elapsed() < RUSTUP_LIMIT => thread::sleep(Duration::from_millis(100)),
            Ok(None) | Err(_) => {
                println!("  rustup took more than {} s: going on without it", RUSTUP_LIMIT.as_secs());
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

fn packages_present() -> bool {
    Path::new(PACKAGED_CARGO).exists() && has_source(PACKAGED_RUSTC)
}

fn install_packages() -> Result<()> {
    println!("  installing {} ...", PACKAGES.join(", "));
    match apt_install(&PACKAGES) {
        Ok(()) if packages_present() => Ok(()),
        Ok(()) => bail!(
            "{} are installed, but {PACKAGED_RUSTC} has no standard library source",
            PACKAGES.join(", ")
        ),
        Err(error) => Err(error.context(format!(
            "no Rust on this machine compiles to WebAssembly. On line, run: rustup target add {TARGET}\n\
             On Debian or Ubuntu, as root: apt-get install {}",
            PACKAGES.join(" ")
        ))),
    }
}

/// Installs Debian packages; only root can.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !root {
        bail!("installing system packages needs root");
    }
    let apt = |arguments: &[&str]| {
        Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status()
    };
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    let installed = apt(&install).context("apt-get is not on this machine")?.success()
        // A fresh machine has no package lists yet.
        || (apt(&["update"])?.success() && apt(&install)?.success());
    if !installed {
        bail!("apt-get could not install {}", packages.join(", "));
    }
    Ok(())
}

fn rust_lld() -> Result<PathBuf> {
    let name = format!("rust-lld{}", env::consts::EXE_SUFFIX);
    let found = rustc_says(RUSTC, &["--print", "sysroot"])
        .and_then(|sysroot| fs::read_dir(Path::new(&sysroot).join("lib/rustlib")).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|host| host.path().join("bin").join(&name))
        .find(|path| path.is_file());
    found.context("the linker rust-lld was not found beside rustc; it comes with rustup's toolchains")
}

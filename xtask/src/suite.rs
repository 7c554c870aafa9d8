//! `cargo xtask test`: every check and every test, the cheap ones first.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::project::Project;
use crate::site::Site;
use crate::steps::{Steps, seconds};
use crate::summary::{Counts, End, Outcome, table};
use crate::{bench_web, browser, models, mpi, npm, page, server, toolchain, vulkan, wasm};

/// A step of the suite; their order is the order they run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// cargo fmt --check
    Fmt,
    /// Biome's formatter and linter over the page and the browser's tests
    Lint,
    /// The page's logic, in Node
    Units,
    /// cargo clippy over everything, warnings denied
    Clippy,
    /// cargo doc over the project's crates, warnings denied
    Docs,
    /// cargo test over everything
    Rust,
    /// Training by several processes under mpirun
    Mpi,
    /// The engine's WebAssembly builds
    Engine,
    /// The convolutions as WebAssembly, in Node
    Kernels,
    /// The TypeScript compiler in strict mode
    Types,
    /// The page's build
    Page,
    /// The built page in a real browser
    Browser,
    /// The benchmark in a browser, in short
    Bench,
}

impl Step {
    const ALL: [Self; 13] = [
        Self::Fmt,
        Self::Lint,
        Self::Units,
        Self::Clippy,
        Self::Docs,
        Self::Rust,
        Self::Mpi,
        Self::Engine,
        Self::Kernels,
        Self::Types,
        Self::Page,
        Self::Browser,
        Self::Bench,
    ];

    fn what(self) -> &'static str {
        match self {
            Self::Fmt => "Rust formatting",
            Self::Lint => "Page formatting and lints",
            Self::Units => "Page logic",
            Self::Clippy => "Rust lints",
            Self::Docs => "Rust documentation",
            Self::Rust => "Rust tests",
            Self::Mpi => "Training under MPI",
            Self::Engine => "Engine to WebAssembly",
            Self::Kernels => "Convolutions in WebAssembly",
            Self::Types => "Page types",
            Self::Page => "Page build",
            Self::Browser => "Page in a browser",
            Self::Bench => "Benchmark in a browser",
        }
    }

    /// The steps whose results this one works on.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::Types | Self::Page | Self::Bench => &[Self::Engine],
            Self::Browser => &[Self::Engine, Self::Page],
            _ => &[],
        }
    }

    fn run(self, project: &Project) -> Result<Counts> {
        let web = project.web();
        match self {
            // The release profile throughout, so that lints, tests and tools share what they build.
            Self::Fmt => check(cargo(project, "fmt --all --check")),
            Self::Clippy => {
                check(cargo(project, "clippy --release --workspace --all-targets -- -D warnings"))
            }
            Self::Docs => {
                let mut doc = cargo(project, "doc --release --workspace --no-deps");
                doc.env("RUSTDOCFLAGS", "-D warnings");
                check(doc)
            }
            Self::Rust => {
                vulkan::driver()?;
                count(cargo(project, "test --release --workspace --no-fail-fast"))
            }
            Self::Mpi => {
                mpi::library()?;
                // The whole workspace, so that its dependencies are built with the same features as for the tests before.
                count(cargo(project, "test --release --workspace --features native-train/mpi --test mpi"))
            }
            Self::Lint => {
                npm::install(&web)?;
                check(npm::npm(&web, ["run", "--silent", "lint"]))
            }
            Self::Units => {
                npm::install(&web)?;
                count(npm::npm(&web, ["run", "--silent", "test"]))
            }
            Self::Engine => wasm::build(project, &mut Steps::new(wasm::STEPS)).map(|()| Counts::default()),
            Self::Kernels => {
                let mut node = Command::new("node");
                node.arg(project.root().join("tests/wasm/check.mjs")).args(wasm::build_tests(project)?);
                count(node)
            }
            Self::Types => {
                npm::install(&web)?;
                check(npm::npm(&web, ["run", "--silent", "types"]))
            }
            Self::Page => page::build(project, &mut Steps::new(page::STEPS)).map(|()| Counts::default()),
            Self::Browser => in_browser(project),
            Self::Bench => {
                let folder = project.web_bench();
                npm::install(&folder)?;
                let mut counts = count(npm::npm(&folder, ["run", "--silent", "test"]))?;
                counts += bench_web::check(project)?;
                Ok(counts)
            }
        }
    }
}

/// Runs all steps, or one with those it needs, and tells how it went.
pub fn run(project: &Project, only: Option<Step>) -> Result<ExitCode> {
    let mut outcomes: Vec<(Step, Outcome)> = Vec::new();
    for step in Step::ALL {
        if only.is_some_and(|only| only != step && !only.needs().contains(&step)) {
            continue;
        }
        let what = step.what();
        let broken =
            outcomes.iter().find(|(done, outcome)| step.needs().contains(done) && is_bad(&outcome.end));
        if let Some((broken, _)) = broken {
            let end = End::Skipped(broken.what());
            outcomes.push((step, Outcome { what, took: Duration::ZERO, end }));
            continue;
        }
        println!("\n== {what}");
        let start = Instant::now();
        let counts = step.run(project).unwrap_or_else(|error| {
            println!("error: {error:#}");
            Counts { passed: 0, failed: 1 }
        });
        let took = start.elapsed();
        println!("== {what}: {} ({})", if counts.failed == 0 { "ok" } else { "FAILED" }, seconds(took));
        outcomes.push((step, Outcome { what, took, end: End::Ran(counts) }));
    }
    let (text, total) = table(&outcomes.into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>());
    println!("\n{text}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_bad(end: &End) -> bool {
    match end {
        End::Ran(counts) => counts.failed > 0,
        End::Skipped(_) => true,
    }
}

fn cargo(project: &Project, arguments: &str) -> Command {
    let mut command = toolchain::cargo();
    command.args(arguments.split(' ')).current_dir(project.root());
    command
}

/// Runs a command that has no tests to count.
fn check(mut command: Command) -> Result<Counts> {
    let status = command.status().with_context(|| format!("{} could not be started", name(&command)))?;
    if !status.success() {
        bail!("{} found faults (above)", name(&command));
    }
    Ok(Counts::default())
}

/// Runs a test program, shows what it prints, and counts its tests.
fn count(mut command: Command) -> Result<Counts> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} could not be started", name(&command)))?;
    let mut counts = Counts::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Some(found) = Counts::of_line(&line) {
                counts += found;
            }
        }
    }
    if !child.wait()?.success() && counts.failed == 0 {
        // It broke before, or outside, its tests: it did not compile, or crashed.
        println!("error: {} failed", name(&command));
        counts.failed = 1;
    }
    Ok(counts)
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_else(|| command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}

/// Serves the built page and runs the browser's tests against it.
fn in_browser(project: &Project) -> Result<Counts> {
    if models::shipped(project)?.is_empty() {
        bail!("{} holds no model folder for the page to open", project.show(&project.models()));
    }
    let folder = project.browser_tests();
    npm::install(&folder)?;
    let chromium = browser::chromium()?;
    let address = server::start(Site::of_page(project, None)?)?;
    let mut tests = npm::npm(&folder, ["run", "--silent", "test"]);
    tests.env("DVN_PAGE", address).env("CHROMIUM", chromium);
    match browser::firefox() {
        Some(firefox) => {
            tests.env("FIREFOX", firefox);
        }
        None => {
            println!("  no Firefox is installed (Debian: apt-get install firefox-esr): its test is skipped")
        }
    }
    count(tests)
}

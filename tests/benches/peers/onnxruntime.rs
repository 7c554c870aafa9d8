//! onnxruntime, in a Python of its own beside this process.

use crate::{Job, Ready};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const SCRIPT: &str = include_str!("onnxruntime.py");

/// A Python that has onnxruntime, made under the target folder the first time.
pub fn environment() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnxruntime");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let works = || {
        let check = Command::new(&python).args(["-c", "import onnxruntime"]).stderr(Stdio::null()).status();
        check.is_ok_and(|status| status.success())
    };
    if !works() {
        let system = if cfg!(windows) { "python" } else { "python3" };
        complete(Command::new(system).args(["-m", "venv", "--clear"]).arg(&folder))?;
        let quietly = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        complete(Command::new(&python).args(quietly).args(["numpy", "onnxruntime"]))?;
        if !works() {
            bail!("pip installed it, but Python cannot import it");
        }
    }
    Ok(python)
}

fn complete(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// A process that answers each line with a line.
struct Session {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Starts a session on a level; files go to `folder`.
pub fn ready(python: &Path, folder: &Path, job: &Job) -> Result<Box<dyn Ready>> {
    let (model, input) = (folder.join("level.onnx"), folder.join("images.f32"));
    std::fs::write(&model, job.onnx)?;
    std::fs::write(&input, job.planes().iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    let mut process = Command::new(python)
        .args(["-c", SCRIPT])
        .args([model, input])
        .args([job.size.to_string(), job.threads.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let requests = process.stdin.take().context("the process has an input")?;
    let answers = BufReader::new(process.stdout.take().context("the process has an output")?);
    Ok(Box::new(Session { process, requests, answers }))
}

impl Session {
    fn ask(&mut self, request: &Value) -> Result<Vec<f64>> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("onnxruntime's process ended (its message is above)")
    }
}

impl Ready for Session {
    fn run(&mut self) -> Result<Vec<f32>> {
        Ok(self.ask(&json!({ "do": "run" }))?.into_iter().map(|v| v as f32).collect())
    }

    fn turn(&mut self, length: Duration) -> Result<Vec<f64>> {
        self.ask(&json!({ "do": "turn", "seconds": length.as_secs_f64() }))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! The model that is measured, and its levels as ONNX files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::BenchWeb;
use crate::models;
use crate::project::Project;

/// Everything that is served and run.
pub struct Prepared {
    /// The model's folder.
    pub folder: PathBuf,
    /// A folder with `level-L.onnx`.
    pub levels_folder: PathBuf,
    /// The model's name.
    pub name: String,
    /// As in `wrn-32-4`.
    pub backbone: String,
    /// From 0.
    pub task: usize,
    /// The task's name.
    pub task_name: String,
    /// Height and width of an image, pixels.
    pub size: usize,
    /// Outputs.
    pub classes: usize,
    /// Levels to measure.
    pub levels: Vec<usize>,
    /// Those, and each one's next, which the change of level goes to.
    pub exported: Vec<usize>,
    /// Multiply-accumulates of an image, of each level of the model.
    pub macs: Vec<u64>,
}

impl Prepared {
    /// What is measured, for a headline.
    pub fn title(&self) -> String {
        let plural = if self.macs.len() == 1 { "" } else { "s" };
        format!(
            "{} ({}, {} unit{plural}), task {}, {} x {} pixels",
            self.name,
            self.backbone,
            self.macs.len(),
            self.task_name,
            self.size,
            self.size
        )
    }
}

/// Finds or makes the model, and exports its levels with `program`, which is dvn-train.
pub fn prepare(project: &Project, bench: &BenchWeb, program: &Path) -> Result<Prepared> {
    let work = project.stamps().join("bench-web");
    let folder = match &bench.backbone {
        Some(backbone) => untrained(program, &work, backbone, &bench.units)?,
        None => chosen(project, bench.model.as_deref())?,
    };
    let mut prepared = describe(&folder, bench)?;
    prepared.levels_folder = work.join("levels");
    // What another run left there would be served too.
    if prepared.levels_folder.exists() {
        fs::remove_dir_all(&prepared.levels_folder)?;
    }
    fs::create_dir_all(&prepared.levels_folder)?;
    for level in &prepared.exported {
        let file = prepared.levels_folder.join(format!("level-{level}.onnx"));
        let mut export = Command::new(program);
        export.arg("export").arg(&folder).args([
            "--task",
            &prepared.task_name,
            "--level",
            &level.to_string(),
        ]);
        complete(export.arg("--onnx").arg(file))?;
    }
    Ok(prepared)
}

/// A model by its name in web/models, or by its path; the first of web/models if none is named.
fn chosen(project: &Project, named: Option<&str>) -> Result<PathBuf> {
    let shipped = models::shipped(project)?;
    match named {
        None => match shipped.first() {
            Some(first) => Ok(project.models().join(first)),
            None => {
                bail!("{} holds no model: give --model DIR or --backbone", project.show(&project.models()))
            }
        },
        Some(name) if shipped.iter().any(|s| s == name) => Ok(project.models().join(name)),
        Some(path) => Ok(models::given(project, Path::new(path))?.folder),
    }
}

/// A network with random weights.
fn untrained(program: &Path, work: &Path, backbone: &str, units: &str) -> Result<PathBuf> {
    let folder = work.join("untrained");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut make = Command::new(program);
    make.args(["plan", backbone, "--units", units, "--classes", "10"]);
    complete(make.arg("--untrained").arg(&folder))?;
    Ok(folder)
}

fn complete(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} could not be started"))?;
    if !output.status.success() {
        bail!("dvn-train failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Reads model.json, which dvn-train has checked or will check.
fn describe(folder: &Path, bench: &BenchWeb) -> Result<Prepared> {
    let file = folder.join("model.json");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let manifest: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    let odd = || format!("{} is no model's description", file.display());
    let text = |value: &Value| value.as_str().map(str::to_owned).with_context(odd);
    let tasks = manifest["tasks"].as_array().with_context(odd)?;
    let names: Vec<&str> = tasks.iter().filter_map(|t| t["name"].as_str()).collect();
    let task = match &bench.task {
        None => 0,
        Some(name) => names
            .iter()
            .position(|n| n == name)
            .with_context(|| format!("the model has no task {name}, but {}", names.join(", ")))?,
    };
    let described = tasks.get(task).with_context(odd)?;
    let levels = described["levels"].as_array().with_context(odd)?;
    let macs: Vec<u64> =
        levels.iter().map(|l| l["macs"].as_u64().with_context(odd)).collect::<Result<_>>()?;
    let number = |value: &Value| value.as_u64().map(|n| n as usize).with_context(odd);
    let last = macs.len();
    if let Some(level) = bench.levels.iter().find(|l| !(1..=last).contains(l)) {
        bail!("there is no level {level}: the model has levels 1 to {last}");
    }
    let levels = if bench.levels.is_empty() { (1..=last).collect() } else { bench.levels.clone() };
    let mut exported: Vec<usize> = levels.iter().flat_map(|&l| [l, (l + 1).min(last)]).collect();
    exported.sort_unstable();
    exported.dedup();
    Ok(Prepared {
        folder: folder.to_owned(),
        levels_folder: PathBuf::new(),
        name: text(&manifest["name"])?,
        backbone: text(&manifest["backbone"])?,
        task,
        task_name: text(&described["name"])?,
        size: number(&described["input"]["size"])?,
        classes: described["classes"].as_array().with_context(odd)?.len(),
        levels,
        exported,
        macs,
    })
}

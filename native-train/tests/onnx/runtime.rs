//! What onnxruntime computes, held against the CPU engine. The packages come from PyPI into an environment in the
//! target folder, once. Where they cannot be had the tests are skipped, and say so; with `CI=true` they fail.

use crate::model;
use dvn::folder::ModelFolder;
use dvn::pixels;
use native_train::evaluate::engines;
use native_train::onnx;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("requirements.txt");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx/run.py");

/// A Python with the packages; none where the tests are to be skipped.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PYTHON.get_or_init(install) {
        Ok(python) => Some(python),
        Err(why) if std::env::var("CI").is_ok_and(|v| v == "true") => {
            panic!("onnx and onnxruntime cannot be installed, and CI=true lets no test be skipped: {why}")
        }
        Err(why) => {
            skipped(&format!("onnx and onnxruntime cannot be installed: {why}"));
            None
        }
    }
}

fn install() -> Result<PathBuf, String> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx-python");
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let ready = environment.join("requirements.txt");
    if std::fs::read_to_string(&ready).is_ok_and(|installed| installed == REQUIREMENTS) && python.exists() {
        return Ok(python);
    }
    let program = if cfg!(windows) { "python" } else { "python3" };
    run(Command::new(program).args(["-m", "venv", "--clear"]).arg(&environment))?;
    let wanted = environment.join("wanted.txt");
    std::fs::write(&wanted, REQUIREMENTS).map_err(|e| e.to_string())?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--retries", "1", "-r"])
        .arg(&wanted))?;
    std::fs::rename(&wanted, &ready).map_err(|e| e.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
}

/// Exports every level of every task and compares onnxruntime's logits of `count` images with the CPU engine's.
fn compare(python: &Path, model: &ModelFolder, count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = |task: usize, level: usize, kind: &str| folder.path().join(format!("{task}-{level}.{kind}"));
    let tasks = &model.manifest().tasks;
    let levels = || (0..tasks.len()).flat_map(|t| (1..=model.network().levels()).map(move |l| (t, l)));
    let images: Vec<Vec<u8>> = tasks.iter().map(|t| model::images(t.input.size, count)).collect();
    for (t, level) in levels() {
        onnx::write(model, t, level, &file(t, level, "onnx")).unwrap();
        std::fs::write(file(t, level, "images"), planes(&images[t], tasks[t].input.size)).unwrap();
    }
    run(Command::new(python).arg(SCRIPT).arg(folder.path())).unwrap();

    let mut engine = engines::cpu(model.network(), |id| Ok(model.read(id)?)).unwrap();
    for (t, level) in levels() {
        let input = &tasks[t].input;
        let mut normalised = vec![0.0; images[t].len()];
        pixels::normalise(&images[t], &input.mean, &input.std, &mut normalised);
        let expected = engine.run(t, level, &normalised, count).unwrap();
        let bytes = std::fs::read(file(t, level, "logits")).unwrap();
        let found: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        assert_eq!(found.len(), count * tasks[t].classes.len());
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let pairs = found.iter().zip(&expected);
        let difference = norm(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let error = difference / norm(&mut expected.iter().map(|&b| f64::from(b)));
        println!("{}, {}, level {level}: {error:.1e}", model.manifest().name, tasks[t].name);
        assert!(error < 1e-4, "{}, level {level}: relative error {error:.1e}", tasks[t].name);
        check_description(model, t, level, &file(t, level, "json"));
    }
}

/// Bytes N H W C as f32 in 0 to 1, N C H W, little-endian.
fn planes(images: &[u8], size: usize) -> Vec<u8> {
    let plane = |image: &[u8], c: usize| -> Vec<u8> {
        let channel = image.iter().skip(c).step_by(3);
        channel.flat_map(|&v| (f32::from(v) / 255.0).to_le_bytes()).collect()
    };
    images.chunks_exact(3 * size * size).flat_map(|image| (0..3).flat_map(move |c| plane(image, c))).collect()
}

/// What onnxruntime says of the file.
fn check_description(model: &ModelFolder, t: usize, level: usize, json: &Path) {
    let said: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let (task, entry) = (&model.manifest().tasks[t], &model.manifest().tasks[t].levels[level - 1]);
    let of = |key: &str| said["metadata"][key].as_str().map(String::from);
    let classes: Vec<String> = serde_json::from_str(&of("class_names").unwrap()).unwrap();
    assert_eq!(classes, task.classes);
    assert_eq!(of("task"), Some(task.name.clone()));
    assert_eq!(of("level"), Some(level.to_string()));
    let units: Vec<String> = entry.units.iter().map(|u| u.to_string()).collect();
    assert_eq!(of("units"), Some(units.join(" ")));
    assert_eq!(of("test_accuracy_percent"), entry.accuracy.map(|a| a.percent.to_string()));
    let doc = said["doc"].as_str().unwrap();
    for part in [&task.title, &format!("level {level}"), "RGB, 0 to 1", "logits"] {
        assert!(doc.contains(part), "{part:?} is not in {doc:?}");
    }
}

#[test]
fn onnxruntime_agrees_on_every_level_of_a_random_model() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    compare(python, &model::write(folder.path()), 256);
}

#[test]
fn onnxruntime_agrees_on_every_level_of_the_shipped_models() {
    let Some(python) = python() else { return };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/models");
    let entries = std::fs::read_dir(&shipped).into_iter().flatten().map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> = entries.filter(|folder| folder.join("model.json").exists()).collect();
    if folders.is_empty() {
        skipped(&format!("{} holds no model", shipped.display()));
    }
    for folder in folders {
        compare(python, &ModelFolder::open(&folder).unwrap(), 64);
    }
}

/// Past the test harness, which shows nothing of a test that passes.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

//! `dvn-train export`.

use crate::model;
use native_train::onnx;
use std::path::Path;
use std::process::{Command, Output};

fn export(model: &Path, file: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dvn-train"));
    command.arg("export").arg(model).arg("--onnx").arg(file).args(more);
    command.output().unwrap()
}

#[test]
fn the_command_writes_the_level_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let model = model::write(&folder.path().join("model"));
    let file = folder.path().join("level.onnx");
    let two = model.manifest().tasks[0].levels[1].parameters;
    let budget = (two + 1).to_string();
    for (task, level, arguments) in [
        (1, 1, vec!["--task", "task2", "--level", "1"]),
        (0, 2, vec!["--task", "task1", "--budget", &budget]),
        (1, 3, vec!["--task", "task2"]),
    ] {
        let output = export(model.path(), &file, &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read(&file).unwrap(), onnx::encode(&model, task, level).unwrap());
    }
}

#[test]
fn what_cannot_be_exported_is_said_and_leaves_the_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let model = model::write(&folder.path().join("model"));
    let file = folder.path().join("level.onnx");
    std::fs::write(&file, "before").unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let output = export(model.path(), &file, arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(expected), "{arguments:?}: {message}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
    };
    refused(&[], "task1, task2");
    refused(&["--task", "cifar10"], "task1, task2");
    refused(&["--task", "task1", "--level", "4"], "levels 1 to 3");
    refused(&["--task", "task1", "--level", "0"], "levels 1 to 3");
    refused(&["--task", "task1", "--budget", "1kB"], "below level 1");
    refused(&["--task", "task1", "--budget", "1MB", "--level", "1"], "cannot be used with");
    let stem = folder.path().join("model/stem-1.safetensors");
    let mut bytes = std::fs::read(&stem).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&stem, bytes).unwrap();
    refused(&["--task", "task1", "--level", "1"], "stem-1.safetensors");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = model::write(&folder.path().join("model"));
    let output = export(model.path(), &folder.path().join("none/level.onnx"), &["--task", "task1"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && message.contains("level.onnx"), "{message}");
}

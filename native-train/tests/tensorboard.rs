//! TensorBoard's event files, read back by a reader written from the formats' descriptions and by TensorBoard itself.

mod common;

use common::{from_checkpoint, last_checkpoint, new_run};
use native_train::train::events::Events;
use native_train::train::metrics::{Line, Metrics};
use native_train::train::{Outcome, Start};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// CRC-32C, bit by bit (RFC 3720, appendix B.4).
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

fn masked(bytes: &[u8]) -> u32 {
    let crc = crc32c(bytes);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A field of a protocol buffer.
enum Field<'a> {
    Varint(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                fields.push((key >> 3, Field::Varint(varint(&mut bytes))));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            wire => panic!("wire type {wire}"),
        };
        let (content, rest) = bytes.split_at(length);
        bytes = rest;
        fields.push((
            key >> 3,
            match key & 7 {
                1 => Field::Eight(content.try_into().unwrap()),
                5 => Field::Four(content.try_into().unwrap()),
                _ => Field::Bytes(content),
            },
        ));
    }
    fields
}

fn text(field: &Field) -> String {
    let Field::Bytes(bytes) = field else { panic!("not bytes") };
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What an event file holds.
#[derive(Default)]
struct Content {
    version: Option<String>,
    /// The step of the session's start.
    start: Option<u64>,
    /// Values by tag, then step.
    scalars: BTreeMap<String, BTreeMap<u64, f32>>,
}

fn read(path: &Path) -> Content {
    let bytes = std::fs::read(path).unwrap();
    let mut content = Content::default();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(number(8), masked(&rest[..8]), "checksum of a length");
        let event = &rest[12..12 + length];
        assert_eq!(number(12 + length), masked(event), "checksum of a content");
        rest = &rest[16 + length..];
        let (mut step, mut time) = (0, 0.0);
        for (field, value) in fields(event) {
            match (field, value) {
                (1, Field::Eight(bytes)) => time = f64::from_le_bytes(bytes),
                (2, Field::Varint(value)) => step = value,
                (3, value) => content.version = Some(text(&value)),
                (5, Field::Bytes(summary)) => {
                    for (field, value) in fields(summary) {
                        let (1, Field::Bytes(value)) = (field, value) else {
                            panic!("summary field {field}")
                        };
                        match &fields(value)[..] {
                            [(1, tag), (2, Field::Four(value))] => {
                                let values = content.scalars.entry(text(tag)).or_default();
                                values.insert(step, f32::from_le_bytes(*value));
                            }
                            _ => panic!("not a scalar"),
                        }
                    }
                }
                (7, Field::Bytes(log)) => {
                    assert!(matches!(fields(log)[..], [(1, Field::Varint(1))]));
                    content.start = Some(step);
                }
                (field, _) => panic!("event field {field}"),
            }
        }
        assert!((1.6e9..1e11).contains(&time), "seconds since 1970: {time}");
    }
    content
}

fn event_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let named = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().contains("tfevents");
    let mut files: Vec<PathBuf> = entries.filter(named).collect();
    files.sort();
    files
}

#[test]
fn the_tests_checksum_is_the_published_one() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
}

const CONFIG: &str = r#"
name = "tiny"
backbone = "wrn-8-1"
units = 2
[[task]]
data = "sample-cifar10:0-4"
[[task]]
data = "sample-cifar100"
[training]
epochs = 0.064
batch = 8
rate = 0.1
evaluations = 2
evaluation_images = 50
"#;

/// What the files must say, by the metrics.
fn expected(folder: &Path) -> BTreeMap<String, BTreeMap<u64, f32>> {
    let mut scalars: BTreeMap<String, BTreeMap<u64, f32>> = BTreeMap::new();
    let mut add = |tag: String, step, value: Option<f64>| {
        scalars.entry(tag).or_default().insert(step, value.unwrap() as f32);
    };
    let tasks = ["sample-cifar10_0-4", "sample-cifar100"];
    for line in Metrics::read(&folder.join("metrics.jsonl")).unwrap() {
        match line {
            Line::Step(line) => {
                for (t, task) in tasks.iter().enumerate() {
                    for level in 1..=2 {
                        add(format!("loss/{task}/level{level}"), line.step, line.loss[t][level - 1]);
                        let accuracy = line.training_accuracy[t][level - 1];
                        add(format!("training_accuracy/{task}/level{level}"), line.step, accuracy);
                    }
                }
                add("rate".into(), line.step, Some(line.rate.into()));
                add("images_per_s".into(), line.step, Some(line.images_per_s));
            }
            Line::Evaluation { step, tasks: reports } => {
                for (task, report) in tasks.iter().zip(&reports) {
                    for level in &report.levels {
                        let tag = format!("test_accuracy/{task}/level{}", level.level);
                        add(tag, step, level.accuracy);
                    }
                }
            }
        }
    }
    scalars
}

#[test]
fn a_runs_event_files_say_what_its_metrics_say() {
    let out = tempfile::tempdir().unwrap();
    let run = |start| new_run(CONFIG, out.path(), start).unwrap();
    let Outcome::Interrupted { step, .. } = run(Start::Fresh).train(|step| step == 6).unwrap() else {
        panic!("done?")
    };
    run(from_checkpoint(last_checkpoint(out.path()))).train(|_| false).unwrap();
    let folder = out.path().join("training");
    let files: Vec<Content> = event_files(&folder).iter().map(|f| read(f)).collect();
    assert_eq!(files.len(), 2, "one file a start");
    let mut found: BTreeMap<String, BTreeMap<u64, f32>> = BTreeMap::new();
    for (file, start) in files.iter().zip([1, step + 1]) {
        assert_eq!(file.version.as_deref(), Some("brain.Event:2"));
        assert_eq!(file.start, Some(start));
        for (tag, values) in &file.scalars {
            found.entry(tag.clone()).or_default().extend(values);
        }
    }
    assert_eq!(found.len(), 3 * 4 + 2, "{:?}", found.keys());
    assert_eq!(found, expected(&folder));

    // Started anew, nothing of the old run is left.
    run(Start::Fresh).train(|step| step == 1).unwrap();
    assert_eq!(event_files(&folder).len(), 1);
}

/// A Python that can import TensorBoard, in an environment of its own under the target folder; or why there is none.
fn python_with_tensorboard() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tensorboard");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let succeeds = |program: &Path, args: &[&str]| {
        let output = Command::new(program).args(args).stdin(Stdio::null()).output();
        output.is_ok_and(|o| o.status.success())
    };
    let ready = || succeeds(&python, &["-c", "import tensorboard"]);
    if ready() {
        return Ok(python);
    }
    let base = Path::new(if cfg!(windows) { "python" } else { "python3" });
    let target = folder.to_str().ok_or("the target folder's name is no text")?;
    if !succeeds(base, &["-m", "venv", "--clear", target]) {
        return Err("no python3 with venv".into());
    }
    let install =
        ["-m", "pip", "install", "--quiet", "--timeout", "15", "--retries", "1", "tensorboard>=2.15,<3"];
    if succeeds(&python, &install) && ready() {
        Ok(python)
    } else {
        Err("pip cannot install tensorboard".into())
    }
}

/// Prints tags, steps and values as JSON, as TensorBoard would show them.
const READER: &str = "
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'tensors': 0})
events.Reload()
from tensorboard.util import tensor_util
tags = events.Tags()
out = {t: [[e.step, e.value] for e in events.Scalars(t)] for t in tags['scalars']}
for t in tags['tensors']:
    out[t] = [[e.step, float(tensor_util.make_ndarray(e.tensor_proto))] for e in events.Tensors(t)]
json.dump(out, sys.stdout)
";

/// Steps 1 to 5, a kill in the middle of a record, then on from the checkpoint of step 3 with other values.
#[test]
fn tensorboard_shows_each_step_once_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let tag = || "loss/cifar10/level1".to_owned();
    for (done, steps, value) in [(0, 1..=5, 1.0f32), (3, 4..=300, 2.0)] {
        let mut events = Events::create(folder.path(), done).unwrap();
        for step in steps {
            events.scalars(step, &[(tag(), value + step as f32)]).unwrap();
        }
        drop(events);
        if done == 0 {
            let file = &event_files(folder.path())[0];
            let mut bytes = std::fs::read(file).unwrap();
            bytes.truncate(bytes.len() - 3);
            std::fs::write(file, bytes).unwrap();
        }
    }
    let second = &event_files(folder.path())[1];
    assert_eq!(read(second).start, Some(4));

    match python_with_tensorboard() {
        Err(reason) => println!("not read back by TensorBoard, only by the reader in this test: {reason}"),
        Ok(python) => {
            let output = Command::new(python).args(["-c", READER]).arg(folder.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let shown: BTreeMap<String, Vec<(u64, f32)>> = serde_json::from_slice(&output.stdout).unwrap();
            let expected: Vec<_> =
                (1..=300).map(|s| (s, s as f32 + if s <= 3 { 1.0 } else { 2.0 })).collect();
            assert_eq!(shown, BTreeMap::from([(tag(), expected)]));
            println!("read back by TensorBoard");
        }
    }
}

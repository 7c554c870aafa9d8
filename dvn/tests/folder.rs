//! A model folder written, read back, and damaged in every way that a reader must notice.

use dvn::folder::ModelFolder;
use dvn::manifest::{Input, Level, Manifest, Task, sha256};
use dvn::shard::{LevelParameters, Norm};
use dvn::{ModelError, Network, Shard, ShardId, Split, TaskSpec, order};
use std::path::Path;

fn network() -> Network {
    let orders = order::default_orders(2, 2).unwrap();
    let spec = |(classes, order)| TaskSpec { classes, input_size: 8, order };
    let tasks = [2, 3].into_iter().zip(orders).map(spec).collect();
    Network::new("wrn-8-1".parse().unwrap(), Split::equal(2).unwrap(), tasks).unwrap()
}

fn shard(n: &Network, id: ShardId) -> Shard {
    let mut data = n.tensors(id).unwrap().into_iter().map(|spec| {
        (0..spec.shape.iter().product::<usize>()).map(|i| i as f32 * 0.5 - 1.0).collect::<Vec<f32>>()
    });
    match id {
        ShardId::Stem { .. } => Shard::Stem(data.next().unwrap()),
        ShardId::Block { .. } => Shard::Block(data.collect()),
        ShardId::Level { .. } => {
            let mut all: Vec<_> = data.collect();
            let (classifier_bias, classifier_weight) = (all.pop().unwrap(), all.pop().unwrap());
            let norms = all.chunks(2).map(|c| Norm { scale: c[0].clone(), shift: c[1].clone() }).collect();
            Shard::Level(LevelParameters { norms, classifier_weight, classifier_bias })
        }
    }
}

fn manifest(n: &Network) -> Manifest {
    let task = |(t, spec): (usize, &TaskSpec)| {
        let level = |level| {
            let plan = n.plan(t, level).unwrap();
            let c = plan.costs();
            Level {
                level,
                units: plan.units,
                parameters: c.parameters,
                bytes: c.bytes,
                macs: c.macs,
                accuracy: None,
                untrained: false,
            }
        };
        Task {
            name: format!("task{t}"),
            title: format!("Task {t}"),
            classes: (0..spec.classes).map(|c| format!("class {c}")).collect(),
            input: Input { size: spec.input_size, mean: [0.5; 3], std: [0.25; 3] },
            order: spec.order.clone(),
            levels: (1..=n.levels()).map(level).collect(),
        }
    };
    Manifest {
        format: "dvn-model".into(),
        version: 1,
        name: "test".into(),
        backbone: n.backbone().to_string(),
        units: n.split().fractions().to_vec(),
        tasks: n.tasks().iter().enumerate().map(task).collect(),
        shards: vec![],
        training: None,
    }
}

fn written(dir: &Path) -> (Network, ModelFolder) {
    let n = network();
    let folder = ModelFolder::write(dir, manifest(&n), &n, |id| Ok(shard(&n, id))).unwrap();
    (n, folder)
}

#[test]
fn a_written_folder_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let (n, folder) = written(dir.path());
    assert_eq!(folder.network(), &n);
    for id in n.shards() {
        assert_eq!(folder.read(id).unwrap(), shard(&n, id), "{id}");
    }
}

/// Writes `bytes` over a shard and lists it with its new length and hash, so that only its content can be at fault.
fn listed(dir: &Path, file: &str, bytes: &[u8]) {
    std::fs::write(dir.join(file), bytes).unwrap();
    let json = std::fs::read(dir.join("model.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let entry = json["shards"].as_array_mut().unwrap().iter_mut().find(|s| s["file"] == file).unwrap();
    entry["bytes"] = bytes.len().into();
    entry["sha256"] = sha256(bytes).into();
    std::fs::write(dir.join("model.json"), serde_json::to_vec(&json).unwrap()).unwrap();
}

const FILE: &str = "unit-1-2.safetensors";

/// Damages the shard [`FILE`] and gives what the reader says. `listed`: whether model.json knows the new content.
fn damaged(known: bool, damage: impl Fn(&mut Vec<u8>)) -> ModelError {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path());
    let mut bytes = std::fs::read(dir.path().join(FILE)).unwrap();
    damage(&mut bytes);
    if known {
        listed(dir.path(), FILE, &bytes);
    } else {
        std::fs::write(dir.path().join(FILE), &bytes).unwrap();
    }
    let error = ModelFolder::open(dir.path()).unwrap().read(FILE.parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains(FILE), "{error} must name the file");
    error
}

#[test]
fn truncated_grown_and_flipped_shards_are_refused() {
    let short = damaged(false, |b| b.truncate(b.len() - 5));
    assert!(matches!(short, ModelError::Length { .. }), "{short}");
    let long = damaged(false, |b| b.push(0));
    assert!(matches!(long, ModelError::Length { .. }), "{long}");
    let flipped = damaged(false, |b| *b.last_mut().unwrap() ^= 1);
    assert!(matches!(flipped, ModelError::Hash { .. }), "{flipped}");
}

#[test]
fn wrong_content_is_refused_even_when_it_is_listed() {
    let truncated = damaged(true, |b| b.truncate(b.len() - 4));
    assert!(matches!(truncated, ModelError::Safetensors { .. }), "{truncated}");
    // A header length of 2^63 must not become an allocation.
    let oversized = damaged(true, |b| b[..8].copy_from_slice(&(1u64 << 63).to_le_bytes()));
    assert!(matches!(oversized, ModelError::Safetensors { .. }), "{oversized}");
    let nan = damaged(true, |b| {
        let at = b.len() - 4;
        b[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(matches!(nan, ModelError::NotFinite { .. }), "{nan}");
    let replace = |from: &'static str, to: &'static str| {
        assert_eq!(from.len(), to.len());
        move |b: &mut Vec<u8>| {
            let at = b.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            b[at..at + from.len()].copy_from_slice(to.as_bytes());
        }
    };
    let renamed = damaged(true, replace("stage1.block1.conv1", "stage1.block1.conv9"));
    assert!(matches!(renamed, ModelError::SurplusTensor { .. }), "{renamed}");
    let typed = damaged(true, replace("\"F32\"", "\"I32\""));
    assert!(matches!(typed, ModelError::Dtype { .. }), "{typed}");
    let shaped = damaged(true, replace("[8,8,3,3]", "[4,4,6,6]"));
    assert!(matches!(shaped, ModelError::Shape { .. }), "{shaped}");
}

#[test]
fn a_missing_tensor_and_a_missing_file_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (n, folder) = written(dir.path());
    // A stem in a block's place has none of its tensors.
    let stem = std::fs::read(dir.path().join("stem-1.safetensors")).unwrap();
    let error = n.decode(FILE.parse().unwrap(), &stem).unwrap_err();
    assert!(matches!(error, ModelError::SurplusTensor { .. }), "{error}");
    let empty = safetensors::serialize(Vec::<(&str, safetensors::tensor::TensorView)>::new(), None).unwrap();
    let error = n.decode(FILE.parse().unwrap(), &empty).unwrap_err();
    assert!(matches!(error, ModelError::MissingTensor { .. }), "{error}");
    std::fs::remove_file(dir.path().join(FILE)).unwrap();
    let error = folder.read(FILE.parse().unwrap()).unwrap_err();
    assert!(matches!(&error, ModelError::Io { path, .. } if path.ends_with(FILE)), "{error}");
}

/// Changes model.json and gives what the reader says.
fn changed(change: impl Fn(&mut serde_json::Value)) -> ModelError {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path());
    let mut json = serde_json::from_slice(&std::fs::read(dir.path().join("model.json")).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(dir.path().join("model.json"), serde_json::to_vec(&json).unwrap()).unwrap();
    ModelFolder::open(dir.path()).unwrap_err()
}

#[test]
fn a_model_json_that_lies_is_refused() {
    use ModelError::*;
    type Case = (&'static str, fn(&mut serde_json::Value), fn(&ModelError) -> bool);
    let cases: [Case; 10] = [
        ("version", |j| j["version"] = 2.into(), |e| matches!(e, Version { .. })),
        ("format", |j| j["format"] = "zip".into(), |e| matches!(e, Version { .. })),
        ("backbone", |j| j["backbone"] = "wrn-9-1".into(), |e| matches!(e, Definition(_))),
        ("order", |j| j["tasks"][0]["order"] = [1, 1].as_slice().into(), |e| matches!(e, Definition(_))),
        (
            "parameters",
            |j| j["tasks"][0]["levels"][0]["parameters"] = 7.into(),
            |e| matches!(e, Inconsistent { .. }),
        ),
        (
            "units",
            |j| j["tasks"][1]["levels"][0]["units"] = [1].as_slice().into(),
            |e| matches!(e, Inconsistent { .. }),
        ),
        ("path", |j| j["shards"][0]["file"] = "../stem-1.safetensors".into(), |e| matches!(e, Name { .. })),
        ("shards", |j| drop(j["shards"].as_array_mut().unwrap().pop()), |e| matches!(e, Inconsistent { .. })),
        ("std", |j| j["tasks"][0]["input"]["std"][1] = 0.into(), |e| matches!(e, Inconsistent { .. })),
        ("field", |j| j["surprise"] = true.into(), |e| matches!(e, Json { .. })),
    ];
    for (name, change, expected) in cases {
        let error = changed(change);
        assert!(expected(&error), "{name}: {error:?}");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for bytes in [b"".as_slice(), b"{", b"[]", b"null", &[0xff; 100], &vec![b' '; (8 << 20) + 1]] {
        assert!(Manifest::parse(bytes).is_err());
    }
}

//! Growing a network, held to what the CPU engine computes with the one it grew from.

use dvn::folder::ModelFolder;
use dvn::{Network, Split, TaskSpec, Unit};
use native_train::evaluate::engines;
use native_train::grow::Growth;
use native_train::untrained;
use std::path::Path;

/// wrn-14-2 in four units; its tasks' orders are 1 2 3 4 and 4 3 2 1.
fn shipped() -> ModelFolder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/models/cifar-quick");
    ModelFolder::open(&path).unwrap()
}

/// Every level of `source` grown to `backbone` and `units` answers as the level that it grew from.
fn assert_same_answers(source: &ModelFolder, backbone: &str, units: usize) {
    const IMAGES: usize = 3;
    let growth = Growth::new(source, backbone.parse().unwrap(), units).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let grown = growth.write(5, folder.path()).unwrap();
    assert_eq!((grown.network().levels(), grown.manifest().backbone.as_str()), (units, backbone));
    let mut before = engines::cpu(source.network(), |id| Ok(source.read(id)?)).unwrap();
    let mut after = engines::cpu(grown.network(), |id| Ok(grown.read(id)?)).unwrap();
    for (task, spec) in source.network().tasks().iter().enumerate() {
        let numbers = IMAGES * 3 * spec.input_size * spec.input_size;
        let images: Vec<f32> = (0..numbers).map(|i| (i * 7919 % 101) as f32 / 50.0 - 1.0).collect();
        for level in 1..=units {
            let expected = before.run(task, growth.source_level(level), &images, IMAGES).unwrap();
            let found = after.run(task, level, &images, IMAGES).unwrap();
            let largest = expected.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
            assert_eq!(found.len(), expected.len());
            for (f, e) in found.iter().zip(&expected) {
                assert!((f - e).abs() <= 1e-4 * largest, "task {task}, level {level}: {f}, expected {e}");
            }
        }
    }
}

#[test]
fn deeper_with_fewer_units_the_answers_stay() {
    assert_same_answers(&shipped(), "wrn-26-2", 2);
}

#[test]
fn each_alone_leaves_the_answers_too() {
    assert_same_answers(&shipped(), "wrn-20-2", 4);
    assert_same_answers(&shipped(), "wrn-14-2", 1);
}

/// A random model of one task with five classes.
fn random(backbone: &str, split: &str, order: [usize; 4], folder: &Path) -> ModelFolder {
    let order = order.iter().map(|&n| Unit::from_number(n).unwrap()).collect();
    let tasks = vec![TaskSpec { classes: 5, input_size: 16, order }];
    let network = Network::new(backbone.parse().unwrap(), Split::parse(split).unwrap(), tasks).unwrap();
    untrained::write(&network, 2, folder).unwrap()
}

#[test]
fn units_of_different_sizes_join() {
    let folder = tempfile::tempdir().unwrap();
    let source = random("resnet-10", "1/8,3/8,1/4,1/4", [3, 4, 2, 1], folder.path());
    assert_same_answers(&source, "resnet-18", 2);
}

#[test]
fn what_cannot_grow_is_refused_with_the_reason() {
    let source = shipped();
    let refused = |backbone: &str, units| {
        Growth::new(&source, backbone.parse().unwrap(), units).err().unwrap().to_string()
    };
    for (backbone, units, reason) in [
        ("wrn-14-4", 2, "[32, 64, 128] and [64, 128, 256], must be the same"),
        ("wrn-8-2", 2, "2 and 1, no fewer"),
        ("wrn-20-2", 3, "4 units cannot be joined to 3"),
        ("wrn-20-2", 0, "4 units cannot be joined to 0"),
    ] {
        let found = refused(backbone, units);
        assert!(found.contains(reason), "{found}");
    }
    let folder = tempfile::tempdir().unwrap();
    let source = random("wrn-8-1", "4", [1, 3, 2, 4], folder.path());
    let found = Growth::new(&source, source.network().backbone(), 2).err().unwrap().to_string();
    assert!(found.contains("in the order [1, 3, 2, 4]"), "{found}");
}

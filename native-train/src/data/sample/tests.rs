use std::path::Path;

use crate::data::tests::data_folder;
use crate::data::{Split, load};

#[test]
fn the_sample_is_balanced_and_needs_no_data_folder() {
    for (name, classes) in [("sample-cifar10", 10), ("sample-cifar100", 100), ("sample-cifar100-coarse", 20)]
    {
        for (split, count) in [(Split::Train, 2500), (Split::Test, 500)] {
            let set = load(name, split, Path::new("there is no such folder")).unwrap();
            assert_eq!((set.name.as_str(), set.len(), set.images.len(), set.size), (name, count, count, 32));
            assert_eq!(set.classes.len(), classes);
            assert_eq!(set.class_counts(), vec![count / classes; classes], "{name} {}", split.name());
        }
    }
    let vehicles = load("sample-cifar10:8-9", Split::Test, Path::new("")).unwrap();
    assert_eq!(vehicles.classes, ["ship", "truck"]);
    assert_eq!(vehicles.class_counts(), [50, 50]);
}

#[test]
fn the_sample_and_the_strip_are_what_the_tool_makes_from_the_originals() {
    let Some(dir) = data_folder() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempfile::tempdir().unwrap();
    let sample = super::make::sample(&dir, &out.path().join("sample")).unwrap();
    let strip = super::make::strip(&dir, &out.path().join("strip")).unwrap();
    assert_eq!((sample.len(), strip.len()), (13, 25));
    for (made, kept) in [(sample, root.join("sample")), (strip, root.join("../web/public/strip"))] {
        for path in made {
            let kept = kept.join(path.file_name().unwrap());
            assert!(std::fs::read(&path).unwrap() == std::fs::read(&kept).unwrap(), "{}", kept.display());
        }
    }
}

#[test]
fn the_sample_holds_the_first_images_of_each_class_of_the_originals() {
    let Some(dir) = data_folder() else { return };
    for name in ["cifar10", "cifar100", "cifar100-coarse"] {
        for split in [Split::Train, Split::Test] {
            let whole = load(name, split, &dir).unwrap();
            let sample = load(&format!("sample-{name}"), split, &dir).unwrap();
            assert_eq!(sample.classes, whole.classes);
            // Each image is found further on in the original, with its label.
            let mut at = 0;
            for i in 0..sample.len() {
                while whole.images.get(at) != sample.images.get(i) {
                    at += 1;
                }
                assert_eq!(whole.labels[at], sample.labels[i], "{name}: image {i} of the sample");
                at += 1;
            }
        }
    }
    // The first image of all in each original is in its sample.
    let first = load("cifar10", Split::Test, &dir).unwrap();
    assert_eq!(first.images.get(0), load("sample-cifar10", Split::Test, &dir).unwrap().images.get(0));
}

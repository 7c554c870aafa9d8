use super::*;

fn small() -> Dataset {
    Dataset {
        name: "small".into(),
        classes: ["a", "b", "c"].map(String::from).to_vec(),
        size: 1,
        images: Images::new(1, vec![0, 10, 255, 100, 20, 255, 50, 30, 255, 50, 40, 255]),
        labels: vec![2, 0, 1, 2],
    }
}

#[test]
fn statistics_are_those_of_a_direct_computation() {
    let s = small().statistics();
    assert_eq!(s.mean, [50.0 / 255.0, 25.0 / 255.0, 1.0].map(|x: f64| x as f32));
    // Red: deviations -50, 50, 0, 0; green: -15, -5, 5, 15; blue is constant and stays unscaled.
    let expected = [(1250f64).sqrt() / 255.0, (125f64).sqrt() / 255.0, 1.0];
    for (got, want) in s.std.iter().zip(expected) {
        assert!((f64::from(*got) - want).abs() < 1e-7, "{got} is not {want}");
    }
}

#[test]
fn kept_classes_are_renumbered_with_their_images() {
    let kept = small().keep_classes(1..3);
    assert_eq!(kept.classes, ["b", "c"]);
    assert_eq!(kept.labels, [1, 0, 1]);
    assert_eq!(kept.images.as_bytes(), [0, 10, 255, 50, 30, 255, 50, 40, 255]);
    assert_eq!(kept.class_counts(), [1, 2]);
}

#[test]
fn unknown_names_list_the_known_ones() {
    let error = load("cifar11", Split::Train, Path::new("")).unwrap_err().to_string();
    assert!(error.contains("cifar11") && error.contains("cifar100-coarse"), "{error}");
}

/// The authors' data, where the environment variable `DVN_DATA` says where it is.
pub(crate) fn data_folder() -> Option<std::path::PathBuf> {
    let dir = std::env::var_os("DVN_DATA").map(Into::into);
    if dir.is_none() {
        eprintln!("skipped: DVN_DATA does not say where the data sets are");
    }
    dir
}

#[test]
fn the_original_cifar_sets_have_their_known_shape() {
    let Some(dir) = data_folder() else { return };
    for (name, classes) in [("cifar10", 10), ("cifar100", 100), ("cifar100-coarse", 20)] {
        for (split, count) in [(Split::Train, 50_000), (Split::Test, 10_000)] {
            let set = load(name, split, &dir).unwrap();
            assert_eq!((set.len(), set.size, set.classes.len()), (count, 32, classes));
            assert!(set.class_counts().iter().all(|&c| c == count / classes), "{name}");
        }
    }
    // The figures in common use for CIFAR-10's training images.
    let s = load("cifar10", Split::Train, &dir).unwrap().statistics();
    for (got, want) in s.mean.iter().chain(&s.std).zip([0.4914, 0.4822, 0.4465, 0.2470, 0.2435, 0.2616]) {
        assert!((got - want).abs() < 1e-4, "{got} is not {want}");
    }
    let last = load("cifar10:5-9", Split::Test, &dir).unwrap();
    assert_eq!(last.classes, ["dog", "frog", "horse", "ship", "truck"]);
    assert_eq!(last.class_counts(), [1000; 5]);
    assert!(matches!(
        load("cifar10:5-10", Split::Test, &dir),
        Err(DataError::ClassRange { classes: 10, .. })
    ));
}

#[test]
fn tiny_imagenet_or_a_subset_of_it_has_its_known_shape() {
    let Some(dir) = data_folder() else { return };
    for split in [Split::Train, Split::Test] {
        let set = load("tiny-imagenet", split, &dir).unwrap();
        assert_eq!((set.size, set.classes.len()), (64, 200));
        let each = set.len() / 200;
        assert!(each > 0 && set.class_counts().iter().all(|&c| c == each), "{}", set.len());
        assert_eq!(set.classes[..4], ["Egyptian cat", "reel", "volleyball", "rocking chair"]);
        let distinct: std::collections::BTreeSet<_> = set.classes.iter().collect();
        assert_eq!(distinct.len(), 200);
        // The paper's third task of four.
        let part = load("tiny-imagenet:100-149", split, &dir).unwrap();
        assert_eq!((part.len(), &part.classes[..]), (50 * each, &set.classes[100..150]));
        assert_eq!(part.class_counts(), vec![each; 50]);
    }
}

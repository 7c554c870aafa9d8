//! Looking over a data set: how many images of which classes, and whether they are the originals.

use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{DataError, Split, fetch, load};

/// SHA-256 of all pixels of a split, images in order, interleaved RGB.
const ORIGINALS: &[(&str, Split, &str)] = &[
    ("cifar10", Split::Train, "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a"),
    ("cifar10", Split::Test, "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04"),
    ("cifar100", Split::Train, "4e457917601a66aed021f5fa37957b56c6319557c0a8ed5484de3c390af45430"),
    ("cifar100", Split::Test, "4cb8e5d9309da489bf6b19cc10cd96c3ae6f8daf225380b605aaee4c0d6aee19"),
    ("cifar100-coarse", Split::Train, "4e457917601a66aed021f5fa37957b56c6319557c0a8ed5484de3c390af45430"),
    ("cifar100-coarse", Split::Test, "4cb8e5d9309da489bf6b19cc10cd96c3ae6f8daf225380b605aaee4c0d6aee19"),
];

/// What a data set holds.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The data set's name.
    pub name: String,
    /// Height and width of its images.
    pub size: usize,
    /// The classes' names.
    pub classes: Vec<String>,
    /// Means of the training images' channels, where 255 is 1.
    pub mean: [f32; 3],
    /// Standard deviations of the same.
    pub std: [f32; 3],
    /// Training and test images.
    pub splits: Vec<SplitCheck>,
}

/// What one split holds.
#[derive(Clone, Debug, Serialize)]
pub struct SplitCheck {
    /// `train` or `test`.
    pub split: &'static str,
    /// How many images there are.
    pub images: usize,
    /// How many of each class.
    pub class_counts: Vec<usize>,
    /// SHA-256 of all pixels in order, in hexadecimal.
    pub sha256: String,
    /// Whether the pixels are those of the original; absent for a set whose hash is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<bool>,
}

impl Check {
    /// Whether no split is known to differ from the original.
    pub fn is_good(&self) -> bool {
        self.splits.iter().all(|s| s.original != Some(false))
    }
}

/// Reads all of the data set `name` in the data folder `dir`.
///
/// # Errors
/// As [`load`].
pub fn check(name: &str, dir: &Path) -> Result<Check, DataError> {
    let train = load(name, Split::Train, dir)?;
    let test = load(name, Split::Test, dir)?;
    let statistics = train.statistics();
    let splits = [(Split::Train, &train), (Split::Test, &test)].map(|(split, set)| {
        let sha256 = fetch::hex(&Sha256::digest(set.images.as_bytes()));
        let known = ORIGINALS.iter().find(|(n, s, _)| *n == name && *s == split);
        SplitCheck {
            split: split.name(),
            images: set.len(),
            class_counts: set.class_counts(),
            original: known.map(|(_, _, hash)| *hash == sha256),
            sha256,
        }
    });
    Ok(Check {
        name: name.into(),
        size: train.size,
        mean: statistics.mean,
        std: statistics.std,
        splits: splits.into(),
        classes: train.classes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::data_folder;

    #[test]
    fn a_set_of_unknown_hash_is_described() {
        let check = check("sample-cifar10", Path::new("")).unwrap();
        assert_eq!((check.size, check.classes.len(), check.splits.len()), (32, 10, 2));
        assert_eq!((check.splits[0].split, check.splits[0].images), ("train", 2500));
        assert_eq!((check.splits[1].split, &check.splits[1].class_counts), ("test", &vec![50; 10]));
        assert!(check.is_good() && check.splits.iter().all(|s| s.original.is_none()));
        let json = serde_json::to_value(&check).unwrap();
        assert_eq!(json["splits"][1]["images"], 500);
        assert!(json["splits"][1].get("original").is_none());
    }

    #[test]
    fn a_damaged_image_in_a_file_of_the_right_length_is_noticed() {
        // A whole CIFAR-10 of zeros: right lengths, right labels, wrong pixels.
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("cifar-10-batches-bin");
        std::fs::create_dir(&folder).unwrap();
        for file in
            ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
        {
            let file = std::fs::File::create(folder.join(format!("{file}.bin"))).unwrap();
            file.set_len(30_730_000).unwrap();
        }
        std::fs::write(folder.join("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").unwrap();
        let check = check("cifar10", dir.path()).unwrap();
        assert!(!check.is_good());
        assert_eq!(check.splits[0].original, Some(false));
    }

    #[test]
    fn the_originals_are_known_as_such() {
        let Some(dir) = data_folder() else { return };
        for name in ["cifar10", "cifar100", "cifar100-coarse"] {
            let check = check(name, &dir).unwrap();
            assert!(check.splits.iter().all(|s| s.original == Some(true)), "{name}");
        }
        // A part of a set has no known hash.
        assert_eq!(check("cifar10:0-4", &dir).unwrap().splits[0].original, None);
    }
}

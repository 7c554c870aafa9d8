//! CIFAR in its authors' Python layout: pickled dictionaries with one array of planar images and lists of labels.

use std::path::{Path, PathBuf};

use super::super::error::{Hint, read_limited};
use super::super::pickle::{self, Value};
use super::super::{DataError, Dataset, Images, Split};
use super::{Kind, PLANE, SIZE, interleave};

/// The largest file that is read: the largest of the authors' has 156 MB.
const LIMIT: u64 = 256 << 20;

/// The folder that the Python archive unpacks to.
pub(super) fn folder(kind: Kind) -> &'static str {
    if kind == Kind::Cifar10 { "cifar-10-batches-py" } else { "cifar-100-python" }
}

/// Reads one split from the folder of the Python layout.
pub(super) fn load(kind: Kind, split: Split, folder: &Path, hint: &Hint) -> Result<Dataset, DataError> {
    let (labels_key, names_key, meta) = match kind {
        Kind::Cifar10 => ("labels", "label_names", "batches.meta"),
        Kind::Cifar100Fine => ("fine_labels", "fine_label_names", "meta"),
        Kind::Cifar100Coarse => ("coarse_labels", "coarse_label_names", "meta"),
    };
    let files: Vec<(PathBuf, usize)> = match (kind, split) {
        (Kind::Cifar10, Split::Train) => {
            (1..=5).map(|k| (folder.join(format!("data_batch_{k}")), 10_000)).collect()
        }
        (Kind::Cifar10, Split::Test) => vec![(folder.join("test_batch"), 10_000)],
        (_, Split::Train) => vec![(folder.join("train"), 50_000)],
        (_, Split::Test) => vec![(folder.join("test"), 10_000)],
    };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (path, count) in &files {
        read_batch(path, *count, labels_key, kind.classes(), hint, &mut pixels, &mut labels)?;
    }
    let classes = read_names(&folder.join(meta), names_key, kind.classes(), hint)?;
    Ok(Dataset { name: String::new(), classes, size: SIZE, images: Images::new(SIZE, pixels), labels })
}

/// Appends one file's images and labels.
fn read_batch(
    path: &Path,
    count: usize,
    labels_key: &str,
    classes: usize,
    hint: &Hint,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<u16>,
) -> Result<(), DataError> {
    let file = read_limited(path, LIMIT, "a pickled CIFAR batch", hint)?;
    let wrong = |what: String| DataError::Content { path: path.into(), what: format!("{what}{hint}") };
    let dictionary = pickle::read(&file).map_err(|e| wrong(e.to_string()))?;
    let Some(Value::Array { rows, columns, bytes }) = dictionary.get("data") else {
        return Err(wrong("no array of bytes under 'data'".into()));
    };
    if (*rows, *columns) != (count, 3 * PLANE) {
        return Err(wrong(format!("an array of {rows} x {columns} bytes, expected {count} x {}", 3 * PLANE)));
    }
    let Some(Value::List(found)) = dictionary.get(labels_key) else {
        return Err(wrong(format!("no list under '{labels_key}'")));
    };
    if found.len() != count {
        return Err(wrong(format!("{} labels under '{labels_key}', expected {count}", found.len())));
    }
    for (image, label) in found.iter().enumerate() {
        let Value::Int(label) = *label else {
            return Err(wrong(format!("label {image} under '{labels_key}' is not a number")));
        };
        match u16::try_from(label) {
            Ok(label) if usize::from(label) < classes => labels.push(label),
            _ => {
                return Err(DataError::Label {
                    path: path.into(),
                    image,
                    found: label,
                    classes,
                    hint: hint.clone(),
                });
            }
        }
    }
    bytes.chunks_exact(3 * PLANE).for_each(|planes| interleave(planes, pixels));
    Ok(())
}

fn read_names(path: &Path, key: &str, classes: usize, hint: &Hint) -> Result<Vec<String>, DataError> {
    let file = read_limited(path, LIMIT, "pickled class names", hint)?;
    let wrong = |what: String| DataError::Content { path: path.into(), what: format!("{what}{hint}") };
    let dictionary = pickle::read(&file).map_err(|e| wrong(e.to_string()))?;
    let Some(Value::List(found)) = dictionary.get(key) else {
        return Err(wrong(format!("no list under '{key}'")));
    };
    let names: Option<Vec<String>> = found
        .iter()
        .map(|name| match name {
            Value::Text(name) => String::from_utf8(name.to_vec()).ok(),
            _ => None,
        })
        .collect();
    match names {
        Some(names) if names.len() == classes => Ok(names),
        _ => Err(wrong(format!("expected {classes} names under '{key}'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pickle::build::Pickle;

    fn batch(labels: &[i32], rows: usize) -> Vec<u8> {
        let bytes: Vec<u8> = (0..rows * 3 * PLANE).map(|at| (at / PLANE * 80 + at % 80) as u8).collect();
        Pickle::dictionary(|p| {
            p.text("batch_label").text("training batch 1 of 5");
            p.text("labels").list(labels);
            p.text("data").array(rows, 3 * PLANE, &bytes);
        })
    }

    fn read(content: &[u8], count: usize) -> Result<(Vec<u8>, Vec<u16>), DataError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data_batch_1");
        std::fs::write(&path, content).unwrap();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        read_batch(&path, count, "labels", 10, &Hint::default(), &mut pixels, &mut labels)?;
        Ok((pixels, labels))
    }

    #[test]
    fn a_batch_gives_interleaved_pixels_and_labels() {
        let (pixels, labels) = read(&batch(&[6, 9], 2), 2).unwrap();
        assert_eq!(labels, [6, 9]);
        assert_eq!(pixels.len(), 2 * 3 * PLANE);
        // Plane p starts at p * 80 plus its place's offset in the array, 1024 = 64 modulo 80.
        let byte = |at: usize| (at / PLANE * 80 + at % 80) as u8;
        assert_eq!(pixels[..3], [byte(0), byte(PLANE), byte(2 * PLANE)]);
        assert_eq!(pixels[3 * PLANE + 3..3 * PLANE + 6], [byte(3073), byte(4097), byte(5121)]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (content, count, expected) in [
            (batch(&[6, 10], 2), 2, "image 1 has label 10"),
            (batch(&[6, -1], 2), 2, "image 1 has label -1"),
            (batch(&[6], 2), 2, "1 labels under 'labels', expected 2"),
            (batch(&[6], 1), 2, "1 x 3072 bytes, expected 2 x 3072"),
            (Pickle::dictionary(|p| _ = p.text("data").text("text")), 1, "no array of bytes under 'data'"),
            (batch(&[6, 9], 2)[..4000].to_vec(), 2, "ends"),
            (Vec::new(), 2, "ends"),
        ] {
            let error = read(&content, count).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("data_batch_1"), "{error}");
        }
    }

    #[test]
    fn a_split_is_the_same_in_both_layouts() {
        let dir = tempfile::tempdir().unwrap();
        let names =
            ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
        let mut rng = crate::data::rng::Rng::keyed(&[3]);
        let planes: Vec<u8> = (0..10_000 * 3 * PLANE).map(|_| rng.bits() as u8).collect();
        let labels: Vec<i32> = (0..10_000).map(|_| rng.below(10) as i32).collect();

        let pickled = dir.path().join("cifar-10-batches-py");
        std::fs::create_dir(&pickled).unwrap();
        let batch = Pickle::dictionary(|p| {
            p.text("data").array(10_000, 3 * PLANE, &planes);
            p.text("labels").list(&labels);
        });
        std::fs::write(pickled.join("test_batch"), batch).unwrap();
        let meta = Pickle::dictionary(|p| _ = p.text("label_names").texts(&names));
        std::fs::write(pickled.join("batches.meta"), meta).unwrap();
        let from_python = crate::data::load("cifar10", Split::Test, dir.path()).unwrap();

        let binary = dir.path().join("cifar-10-batches-bin");
        std::fs::create_dir(&binary).unwrap();
        let records = planes.chunks(3 * PLANE).zip(&labels).flat_map(|(p, &l)| [&[l as u8], p].concat());
        std::fs::write(binary.join("test_batch.bin"), records.collect::<Vec<u8>>()).unwrap();
        std::fs::write(binary.join("batches.meta.txt"), names.join("\n")).unwrap();
        assert!(from_python == crate::data::load("cifar10", Split::Test, dir.path()).unwrap());
    }
}

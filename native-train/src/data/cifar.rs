//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009). Their authors' binary layout has records of one label byte (CIFAR-10) or a
//! coarse and a fine label byte (CIFAR-100), then 1024 red, 1024 green and 1024 blue bytes.

use std::path::{Path, PathBuf};

use super::error::{Hint, read_exact_file, read_text};
use super::{DataError, Dataset, Images, Split};

mod python;

/// Height and width of a CIFAR image.
pub(crate) const SIZE: usize = 32;
const PLANE: usize = SIZE * SIZE;
/// The folder that CIFAR-10's binary archive unpacks to.
pub(crate) const CIFAR10_BINARY: &str = "cifar-10-batches-bin";
/// The folder that CIFAR-100's binary archive unpacks to.
pub(crate) const CIFAR100_BINARY: &str = "cifar-100-binary";

/// Which set, and which of its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Cifar10,
    Cifar100Fine,
    Cifar100Coarse,
}

impl Kind {
    /// The name that `data fetch` knows it by.
    fn fetch_name(self) -> &'static str {
        if self == Kind::Cifar10 { "cifar10" } else { "cifar100" }
    }

    fn classes(self) -> usize {
        match self {
            Kind::Cifar10 => 10,
            Kind::Cifar100Fine => 100,
            Kind::Cifar100Coarse => 20,
        }
    }

    /// Where the class names are, below the binary folder.
    fn names_file(self) -> &'static str {
        match self {
            Kind::Cifar10 => "batches.meta.txt",
            Kind::Cifar100Fine => "fine_label_names.txt",
            Kind::Cifar100Coarse => "coarse_label_names.txt",
        }
    }

    fn record(self) -> Record {
        match self {
            Kind::Cifar10 => Record { labels: 1, label: 0, classes: 10 },
            Kind::Cifar100Fine => Record { labels: 2, label: 1, classes: 100 },
            Kind::Cifar100Coarse => Record { labels: 2, label: 0, classes: 20 },
        }
    }
}

/// Reads one split from the data folder `dir`: the binary layout where it is there, else the Python layout.
pub(crate) fn load(kind: Kind, split: Split, dir: &Path) -> Result<Dataset, DataError> {
    let hint = Hint::fetch(kind.fetch_name(), dir);
    let binary = dir.join(if kind == Kind::Cifar10 { CIFAR10_BINARY } else { CIFAR100_BINARY });
    let pickled = dir.join(python::folder(kind));
    if pickled.is_dir() && !binary.is_dir() {
        return python::load(kind, split, &pickled, &hint);
    }
    let (pixels, labels) = read_records(&files(kind, split, &binary), kind.record(), &hint)?;
    let classes = class_names(&binary.join(kind.names_file()), kind.classes(), &hint)?;
    Ok(Dataset { name: String::new(), classes, size: SIZE, images: Images::new(SIZE, pixels), labels })
}

/// The binary files of a split, each with its number of records.
fn files(kind: Kind, split: Split, folder: &Path) -> Vec<(PathBuf, usize)> {
    match (kind, split) {
        (Kind::Cifar10, Split::Train) => {
            (1..=5).map(|k| (folder.join(format!("data_batch_{k}.bin")), 10_000)).collect()
        }
        (Kind::Cifar10, Split::Test) => vec![(folder.join("test_batch.bin"), 10_000)],
        (_, Split::Train) => vec![(folder.join("train.bin"), 50_000)],
        (_, Split::Test) => vec![(folder.join("test.bin"), 10_000)],
    }
}

/// The shape of a binary record.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// Label bytes ahead of the pixels.
    labels: usize,
    /// Which of them to use.
    label: usize,
    /// How many classes that label has.
    classes: usize,
}

/// Reads files of a known number of records each: interleaved pixels, and labels.
fn read_records(
    files: &[(PathBuf, usize)],
    record: Record,
    hint: &Hint,
) -> Result<(Vec<u8>, Vec<u16>), DataError> {
    let bytes = record.labels + 3 * PLANE;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (path, count) in files {
        let content = read_exact_file(
            path,
            (count * bytes) as u64,
            &format!("{count} records of {bytes} bytes"),
            hint,
        )?;
        pixels.reserve(count * 3 * PLANE);
        for (image, data) in content.chunks_exact(bytes).enumerate() {
            let label = data[record.label];
            if usize::from(label) >= record.classes {
                return Err(DataError::Label {
                    path: path.clone(),
                    image,
                    found: label.into(),
                    classes: record.classes,
                    hint: hint.clone(),
                });
            }
            labels.push(label.into());
            interleave(&data[record.labels..], &mut pixels);
        }
    }
    Ok((pixels, labels))
}

/// Appends one image, given as red, green and blue planes, as interleaved RGB.
pub(crate) fn interleave(planes: &[u8], pixels: &mut Vec<u8>) {
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    pixels.extend(red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]));
}

/// One class name a line; empty lines at the end are the authors' own.
fn class_names(path: &Path, classes: usize, hint: &Hint) -> Result<Vec<String>, DataError> {
    let text = read_text(path, 1 << 16, hint)?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|l| !l.is_empty()).map(String::from).collect();
    if names.len() != classes {
        return Err(DataError::Content {
            path: path.into(),
            what: format!("{} class names, expected {classes}, one a line{hint}", names.len()),
        });
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const TEN: Record = Record { labels: 1, label: 0, classes: 10 };

    fn file(dir: &Path, content: &[u8]) -> PathBuf {
        let path = dir.join("some.bin");
        fs::write(&path, content).unwrap();
        path
    }

    /// A record whose planes count up from their own starts, so that a swap of channels or of places shows.
    fn record(labels: &[u8]) -> Vec<u8> {
        let planes = (0..3 * PLANE).map(|at| ((at / PLANE) * 80 + (at % PLANE) % 80) as u8);
        labels.iter().copied().chain(planes).collect()
    }

    #[test]
    fn planes_become_interleaved_pixels_and_the_chosen_label_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), &[record(&[3, 7]), record(&[19, 99])].concat());
        for (label, classes, expected) in [(0, 20, vec![3, 19]), (1, 100, vec![7, 99])] {
            let record = Record { labels: 2, label, classes };
            let (pixels, labels) = read_records(&[(path.clone(), 2)], record, &Hint::default()).unwrap();
            assert_eq!(labels, expected);
            assert_eq!(pixels.len(), 2 * 3 * PLANE);
            assert_eq!(&pixels[3 * PLANE..3 * PLANE + 6], [0, 80, 160, 1, 81, 161]);
        }
    }

    #[test]
    fn a_file_cut_short_or_too_long_is_told_with_both_lengths() {
        let dir = tempfile::tempdir().unwrap();
        for content in [vec![], record(&[3])[1..].to_vec(), [record(&[3]), vec![0]].concat()] {
            let path = file(dir.path(), &content);
            let error = read_records(&[(path, 1)], TEN, &Hint::fetch("cifar10", dir.path())).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("{} bytes, expected 3073", content.len())), "{text}");
            assert!(text.contains("some.bin") && text.contains("data fetch cifar10 --data"), "{text}");
        }
    }

    #[test]
    fn a_label_beyond_the_classes_is_told_with_its_image() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), &[record(&[9]), record(&[10])].concat());
        let error = read_records(&[(path, 2)], TEN, &Hint::default()).unwrap_err();
        assert!(matches!(error, DataError::Label { image: 1, found: 10, classes: 10, .. }), "{error}");
    }

    #[test]
    fn a_missing_set_says_how_to_get_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = load(Kind::Cifar100Fine, Split::Test, dir.path()).unwrap_err().to_string();
        assert!(error.contains("test.bin") && error.contains("data fetch cifar100"), "{error}");
    }

    #[test]
    fn a_wrong_number_of_class_names_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), b"a\nb\n\n");
        assert_eq!(class_names(&path, 2, &Hint::default()).unwrap(), ["a", "b"]);
        assert!(class_names(&path, 3, &Hint::default()).unwrap_err().to_string().contains("2 class names"));
    }
}

//! STL-10 (Coates, Ng, Lee 2011), the labelled part: 96 x 96 images as planes in column-major order, labels from 1.

use std::path::{Path, PathBuf};

use super::error::{Hint, read_exact_file, read_text};
use super::{DataError, Dataset, Images, Split};

/// The folder that the archive unpacks to.
pub(crate) const FOLDER: &str = "stl10_binary";
/// Height and width of an image.
const SIZE: usize = 96;
const PLANE: usize = SIZE * SIZE;
const CLASSES: usize = 10;

/// Reads one split from the data folder `dir`.
pub(crate) fn load(split: Split, dir: &Path) -> Result<Dataset, DataError> {
    let hint = Hint::fetch("stl10", dir);
    let folder = dir.join(FOLDER);
    let (part, count) = match split {
        Split::Train => ("train", 5_000),
        Split::Test => ("test", 8_000),
    };
    let labels = read_labels(&folder.join(format!("{part}_y.bin")), count, &hint)?;
    let pixels = read_images(&folder.join(format!("{part}_X.bin")), count, &hint)?;
    let names: PathBuf = folder.join("class_names.txt");
    let classes: Vec<String> =
        read_text(&names, 1 << 16, &hint)?.split_whitespace().map(String::from).collect();
    if classes.len() != CLASSES {
        let what = format!("{} class names, expected {CLASSES}, one a line{hint}", classes.len());
        return Err(DataError::Content { path: names, what });
    }
    Ok(Dataset { name: String::new(), classes, size: SIZE, images: Images::new(SIZE, pixels), labels })
}

fn read_images(path: &Path, count: usize, hint: &Hint) -> Result<Vec<u8>, DataError> {
    let what = format!("{count} images of {} bytes", 3 * PLANE);
    let content = read_exact_file(path, (count * 3 * PLANE) as u64, &what, hint)?;
    let mut pixels = Vec::with_capacity(content.len());
    for image in content.chunks_exact(3 * PLANE) {
        for y in 0..SIZE {
            for x in 0..SIZE {
                pixels.extend((0..3).map(|c| image[c * PLANE + x * SIZE + y]));
            }
        }
    }
    Ok(pixels)
}

fn read_labels(path: &Path, count: usize, hint: &Hint) -> Result<Vec<u16>, DataError> {
    let content = read_exact_file(path, count as u64, &format!("{count} labels of one byte"), hint)?;
    let label = |(image, &byte): (usize, &u8)| match usize::from(byte) {
        1..=CLASSES => Ok(u16::from(byte) - 1),
        _ => Err(DataError::Content {
            path: path.into(),
            what: format!("image {image} has label {byte}, expected 1 to {CLASSES}{hint}"),
        }),
    };
    content.iter().enumerate().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_first_become_rows_first_and_labels_start_at_nought() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        std::fs::create_dir(&folder).unwrap();
        // Byte = (channel * 70 + 2 * column + row) mod 251 in the file's own order.
        let value = |c: usize, x: usize, y: usize| ((c * 70 + 2 * x + y) % 251) as u8;
        let mut image = Vec::new();
        for c in 0..3 {
            for x in 0..SIZE {
                image.extend((0..SIZE).map(|y| value(c, x, y)));
            }
        }
        let path = folder.join("train_X.bin");
        std::fs::write(&path, image.repeat(2)).unwrap();
        let pixels = read_images(&path, 2, &Hint::default()).unwrap();
        assert_eq!(pixels.len(), 2 * 3 * PLANE);
        for (at, &byte) in pixels.iter().enumerate() {
            let (y, x, c) = (at % (3 * PLANE) / 3 / SIZE, at / 3 % SIZE, at % 3);
            assert_eq!(byte, value(c, x, y), "row {y}, column {x}, channel {c}");
        }
        let path = folder.join("train_y.bin");
        std::fs::write(&path, [1, 10]).unwrap();
        assert_eq!(read_labels(&path, 2, &Hint::default()).unwrap(), [0, 9]);
        for bad in [0, 11] {
            std::fs::write(&path, [1, bad]).unwrap();
            let error = read_labels(&path, 2, &Hint::default()).unwrap_err().to_string();
            assert!(error.contains(&format!("image 1 has label {bad}, expected 1 to 10")), "{error}");
        }
    }

    #[test]
    fn whole_splits_load_and_files_cut_short_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("train_X.bin"), vec![9; 5000 * 3 * PLANE]).unwrap();
        std::fs::write(folder.join("train_y.bin"), (0..5000).map(|i| (i % 10 + 1) as u8).collect::<Vec<_>>())
            .unwrap();
        std::fs::write(folder.join("class_names.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").unwrap();
        let set = load(Split::Train, dir.path()).unwrap();
        assert_eq!((set.len(), set.size, set.class_counts()), (5000, 96, vec![500; 10]));
        let error = load(Split::Test, dir.path()).unwrap_err().to_string();
        assert!(error.contains("test_y.bin is missing") && error.contains("data fetch stl10"), "{error}");
        std::fs::write(folder.join("train_X.bin"), vec![9; 4999 * 3 * PLANE]).unwrap();
        let error = load(Split::Train, dir.path()).unwrap_err().to_string();
        assert!(error.contains("138212352 bytes, expected 138240000"), "{error}");
    }
}

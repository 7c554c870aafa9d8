//! Makes the repository's sample, and the strip of test images that the page shows, from the authors' data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use serde::Serialize;

use super::super::{DataError, Dataset, Split, load, sheet};
use super::COLUMNS;

/// Training and test images in each set's sample.
const TRAIN: usize = 2_500;
const TEST: usize = 500;
/// Images of each set in the strip.
const STRIP: usize = 12;

/// Writes the sample's files into `out`: for each set and split a sheet and label bytes, and the class names. The same
/// data gives the same bytes.
///
/// # Errors
/// A data set that cannot be read from `dir`, a file that cannot be written.
pub fn sample(dir: &Path, out: &Path) -> Result<Vec<PathBuf>, DataError> {
    create(out)?;
    let mut written = Vec::new();
    for (split, count) in [(Split::Train, TRAIN), (Split::Test, TEST)] {
        let part = split.name();
        let ten = load("cifar10", split, dir)?;
        let chosen = first_of_each_class(&ten, count);
        written.push(write_sheet(&ten, &chosen, &out.join(format!("cifar10-{part}.webp")))?);
        written.push(write_labels(&ten, &chosen, &out.join(format!("cifar10-{part}.labels")))?);
        let fine = load("cifar100", split, dir)?;
        let coarse = load("cifar100-coarse", split, dir)?;
        let chosen = first_of_each_class(&fine, count);
        written.push(write_sheet(&fine, &chosen, &out.join(format!("cifar100-{part}.webp")))?);
        written.push(write_labels(&fine, &chosen, &out.join(format!("cifar100-{part}-fine.labels")))?);
        written.push(write_labels(&coarse, &chosen, &out.join(format!("cifar100-{part}-coarse.labels")))?);
        if split == Split::Train {
            for (set, name) in [(&ten, "cifar10"), (&fine, "cifar100-fine"), (&coarse, "cifar100-coarse")] {
                let names = set.classes.join("\n") + "\n";
                written.push(write(&out.join(format!("{name}.names")), names.as_bytes())?);
            }
        }
    }
    Ok(written)
}

/// One image of the strip, as `strip.json` lists it.
#[derive(Debug, Serialize)]
struct Entry {
    file: String,
    task: &'static str,
    label: String,
}

/// Writes the page's strip into `out`: test images of both sets as PNG files and `strip.json`, which lists them with
/// the task they belong to and the name of their class. Classes are spread evenly; of each class its first test images.
///
/// # Errors
/// A data set that cannot be read from `dir`, a file that cannot be written.
pub fn strip(dir: &Path, out: &Path) -> Result<Vec<PathBuf>, DataError> {
    create(out)?;
    let (mut written, mut entries) = (Vec::new(), Vec::new());
    for task in ["cifar10", "cifar100"] {
        let set = load(task, Split::Test, dir)?;
        let mut taken = BTreeMap::new();
        for k in 0..STRIP {
            let class = k * set.classes.len() / STRIP;
            let nth = taken.entry(class).or_insert(0usize);
            let of_class = (0..set.len()).filter(|&i| usize::from(set.labels[i]) == class);
            let Some(image) = of_class.clone().nth(*nth) else { continue };
            *nth += 1;
            let label = set.classes[class].clone();
            let file = format!("{task}-{label}-{nth}.png");
            let mut png = Vec::new();
            let size = set.size as u32;
            PngEncoder::new(&mut png)
                .write_image(set.images.get(image), size, size, ExtendedColorType::Rgb8)
                .map_err(|e| DataError::Content { path: out.join(&file), what: e.to_string() })?;
            written.push(write(&out.join(&file), &png)?);
            entries.push(Entry { file, task, label });
        }
    }
    let index = serde_json::to_string_pretty(&entries)
        .map_err(|e| DataError::Content { path: out.join("strip.json"), what: e.to_string() })?;
    written.push(write(&out.join("strip.json"), (index + "\n").as_bytes())?);
    Ok(written)
}

/// The first images of each class, as many of each, `count` in all, in the data set's order.
fn first_of_each_class(set: &Dataset, count: usize) -> Vec<usize> {
    let each = count / set.classes.len();
    let mut taken = vec![0; set.classes.len()];
    (0..set.len())
        .filter(|&i| {
            let taken = &mut taken[usize::from(set.labels[i])];
            *taken += 1;
            *taken <= each
        })
        .collect()
}

fn write_sheet(set: &Dataset, chosen: &[usize], path: &Path) -> Result<PathBuf, DataError> {
    let pixels: Vec<u8> = chosen.iter().flat_map(|&i| set.images.get(i)).copied().collect();
    let file = sheet::encode(&pixels, set.size, COLUMNS)
        .map_err(|what| DataError::Content { path: path.into(), what })?;
    write(path, &file)
}

fn write_labels(set: &Dataset, chosen: &[usize], path: &Path) -> Result<PathBuf, DataError> {
    // CIFAR's labels are bytes in their own files.
    let labels: Vec<u8> = chosen.iter().map(|&i| set.labels[i] as u8).collect();
    write(path, &labels)
}

fn create(folder: &Path) -> Result<(), DataError> {
    std::fs::create_dir_all(folder).map_err(|error| DataError::Io { path: folder.into(), error })
}

fn write(path: &Path, bytes: &[u8]) -> Result<PathBuf, DataError> {
    std::fs::write(path, bytes).map_err(|error| DataError::Io { path: path.into(), error })?;
    Ok(path.into())
}

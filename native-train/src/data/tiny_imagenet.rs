//! Tiny-ImageNet (Stanford CS231n): 200 classes, 64 x 64 JPEG files. Classes are numbered as `wnids.txt` lists them and
//! named by the first synonym in `words.txt`. The test labels were never published: the validation images are the test
//! split.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::decode::{self, Picture};
use super::error::{Hint, read_text};
use super::folder::files_of;
use super::{DataError, Dataset, Images, Split, kept_classes};

/// The folder that the archive unpacks to.
pub(crate) const FOLDER: &str = "tiny-imagenet-200";
/// Height and width of an image.
const SIZE: usize = 64;
/// The longest list file that is read, in bytes; `words.txt` has 2.6 MB.
const TEXT_LIMIT: u64 = 16 << 20;

/// Reads one split from the data folder `dir`, whole or a subset of the authors' images; of all 200 classes, or with
/// images of the classes in `keep` only.
pub(crate) fn load(split: Split, dir: &Path, keep: Option<Range<usize>>) -> Result<Dataset, DataError> {
    let hint = Hint::fetch("tiny-imagenet", dir);
    let root = dir.join(FOLDER);
    let ids = class_ids(&root.join("wnids.txt"), &hint)?;
    let classes = class_names(&ids, &read_text(&root.join("words.txt"), TEXT_LIMIT, &hint)?);
    let keep = kept_classes(keep, ids.len())?;
    let mut files = match split {
        Split::Train => train_files(&root.join("train"), &ids, &keep, &hint)?,
        Split::Test => validation_files(&root.join("val"), &ids, &hint)?,
    };
    files.retain(|(_, class)| keep.contains(class));
    if files.is_empty() {
        return Err(DataError::Empty { path: root, expected: format!("JPEG files of 64 x 64 pixels{hint}") });
    }
    let labels = files.iter().map(|(_, class)| *class as u16).collect();
    let files: Vec<PathBuf> = files.into_iter().map(|(file, _)| file).collect();
    let pixels = decode::all(&files, SIZE, exact)?;
    Ok(Dataset { name: String::new(), classes, size: SIZE, images: Images::new(SIZE, pixels), labels })
}

/// The picture's bytes, if it has the right size.
fn exact(path: &Path, picture: Picture) -> Result<Vec<u8>, DataError> {
    let Picture { width, height, channels, pixels } = picture;
    if (width, height, channels) != (SIZE, SIZE, 3) {
        let what = format!("{width} x {height} pixels of {channels} channels, expected 64 x 64 of 3");
        return Err(DataError::Content { path: path.into(), what });
    }
    Ok(pixels)
}

/// The classes' WordNet ids, one a line.
fn class_ids(path: &Path, hint: &Hint) -> Result<Vec<String>, DataError> {
    let text = read_text(path, TEXT_LIMIT, hint)?;
    let ids: Vec<String> = text.split_whitespace().map(String::from).collect();
    // They become parts of paths.
    let bad = ids.iter().find(|id| !id.starts_with('n') || !id[1..].bytes().all(|b| b.is_ascii_digit()));
    if let Some(bad) = bad {
        let what = format!("'{bad}' is no WordNet id such as n02124075");
        return Err(DataError::Content { path: path.into(), what });
    }
    if ids.is_empty() || ids.len() > usize::from(u16::MAX) {
        let what = format!("{} WordNet ids, expected 200, one a line{hint}", ids.len());
        return Err(DataError::Content { path: path.into(), what });
    }
    Ok(ids)
}

/// The first synonym of each id; where two classes share it, or there is none, the id is added.
fn class_names(ids: &[String], words: &str) -> Vec<String> {
    let words: HashMap<&str, &str> = words.lines().filter_map(|l| l.trim_end().split_once('\t')).collect();
    let first = |id: &String| {
        words.get(id.as_str()).and_then(|w| w.split(',').next()).map_or(id.as_str(), str::trim).to_string()
    };
    let mut uses: HashMap<String, usize> = HashMap::new();
    for id in ids {
        *uses.entry(first(id)).or_default() += 1;
    }
    let name = |id: &String| {
        let name = first(id);
        if uses[&name] > 1 { format!("{name} ({id})") } else { name }
    };
    ids.iter().map(name).collect()
}

/// `train/<id>/images/*.JPEG`, class by class.
fn train_files(
    root: &Path,
    ids: &[String],
    keep: &Range<usize>,
    hint: &Hint,
) -> Result<Vec<(PathBuf, usize)>, DataError> {
    let mut files = Vec::new();
    for (class, id) in ids.iter().enumerate().filter(|(class, _)| keep.contains(class)) {
        files.extend(files_of(&root.join(id).join("images"), hint)?.into_iter().map(|file| (file, class)));
    }
    Ok(files)
}

/// `val/images/*` with their classes in `val/val_annotations.txt`; without that file `val/<id>/` or `val/<id>/images/`,
/// as many tools rearrange it.
fn validation_files(root: &Path, ids: &[String], hint: &Hint) -> Result<Vec<(PathBuf, usize)>, DataError> {
    let list = root.join("val_annotations.txt");
    let mut files = Vec::new();
    if !list.is_file() && ids.first().is_some_and(|id| root.join(id).is_dir()) {
        for (class, id) in ids.iter().enumerate() {
            let folder = root.join(id);
            let images = folder.join("images");
            let folder = if images.is_dir() { images } else { folder };
            files.extend(files_of(&folder, hint)?.into_iter().map(|file| (file, class)));
        }
        return Ok(files);
    }
    let numbers: HashMap<&str, usize> = ids.iter().enumerate().map(|(n, id)| (id.as_str(), n)).collect();
    for (number, line) in read_text(&list, TEXT_LIMIT, hint)?.lines().enumerate() {
        let mut columns = line.split('\t');
        let entry = columns.next().zip(columns.next().and_then(|id| numbers.get(id)));
        let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
        match entry {
            Some((name, &class)) if plain(name) => files.push((root.join("images").join(name), class)),
            _ => {
                let what =
                    format!("line {}: expected a file's name, a tab and an id of wnids.txt", number + 1);
                return Err(DataError::Content { path: list, what });
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;

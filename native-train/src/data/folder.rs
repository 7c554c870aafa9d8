//! A user's own images: a folder with a subfolder for each class. Where the folder holds `train` and `test` (or `val`),
//! those are the splits; else a tenth of each class, drawn by a fixed seed, is the test split.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::decode::{self, Picture};
use super::error::Hint;
use super::rng::Rng;
use super::{DataError, Dataset, Images, Split, kept_classes};

/// File names that are taken for images.
const EXTENSIONS: &[&str] = &["png", "jpg", "jpeg", "webp", "bmp", "gif"];
/// One image in so many goes to the test split where the folder does not say.
const TEST_SHARE: usize = 10;
/// Key of the draw that parts training from test images: fixed, so that no run ever trains on another's test images.
const SPLIT_KEY: u64 = 0x5b11;

/// Reads one split of `root` at `size` x `size` pixels; with images of the classes in `keep` only, if given.
pub(crate) fn load(
    root: &Path,
    size: usize,
    split: Split,
    keep: Option<Range<usize>>,
) -> Result<Dataset, DataError> {
    let train = root.join("train");
    let (classes, files) = if train.is_dir() {
        let classes = subfolders(&train)?;
        let folder = match split {
            Split::Train => train,
            Split::Test => test_folder(root)?,
        };
        let files = classes
            .iter()
            .map(|class| {
                let folder = folder.join(class);
                if folder.is_dir() { files_of(&folder, &Hint::default()) } else { Ok(Vec::new()) }
            })
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(unknown) = subfolders(&folder)?.into_iter().find(|c| !classes.contains(c)) {
            let what = format!("the class '{unknown}' is not among the training images");
            return Err(DataError::Content { path: folder.join(unknown), what });
        }
        (classes, files)
    } else {
        let classes = subfolders(root)?;
        let files = classes
            .iter()
            .enumerate()
            .map(|(class, name)| Ok(part(files_of(&root.join(name), &Hint::default())?, class, split)))
            .collect::<Result<Vec<_>, DataError>>()?;
        (classes, files)
    };
    if classes.len() > usize::from(u16::MAX) {
        let what = format!("{} classes, more than {} are not supported", classes.len(), u16::MAX);
        return Err(DataError::Content { path: root.into(), what });
    }
    let keep = kept_classes(keep, classes.len())?;
    let kept = || files.iter().enumerate().filter(|(class, _)| keep.contains(class));
    let labels: Vec<u16> = kept().flat_map(|(class, f)| std::iter::repeat_n(class as u16, f.len())).collect();
    let paths: Vec<PathBuf> = kept().flat_map(|(_, f)| f.iter().cloned()).collect();
    if paths.is_empty() {
        return Err(DataError::Empty {
            path: root.into(),
            expected: format!(
                "a folder for each class with {} files, of which some are {} images",
                EXTENSIONS.join(", "),
                split.name()
            ),
        });
    }
    let pixels = decode::all(&paths, size, |path, picture| fit(path, &picture, size))?;
    Ok(Dataset { name: String::new(), classes, size, images: Images::new(size, pixels), labels })
}

/// Crops and resizes as the page does.
fn fit(path: &Path, picture: &Picture, size: usize) -> Result<Vec<u8>, DataError> {
    let Picture { width, height, channels, pixels } = picture;
    dvn::pixels::resize(pixels, *width, *height, *channels, size)
        .map_err(|e| DataError::Content { path: path.into(), what: e.to_string() })
}

fn test_folder(root: &Path) -> Result<PathBuf, DataError> {
    ["test", "val"].map(|name| root.join(name)).into_iter().find(|f| f.is_dir()).ok_or_else(|| {
        DataError::Missing {
            path: root.join("test"),
            expected: "a folder of test images beside 'train'".into(),
            hint: Hint::default(),
        }
    })
}

/// The files of one class that belong to `split`, in order.
fn part(files: Vec<PathBuf>, class: usize, split: Split) -> Vec<PathBuf> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    Rng::keyed(&[SPLIT_KEY, class as u64]).shuffle(&mut order);
    // Of two images or more at least one is a test image.
    let tests = if files.len() < 2 { 0 } else { (files.len() / TEST_SHARE).max(1) };
    let mut is_test = vec![false; files.len()];
    order[..tests].iter().for_each(|&i| is_test[i] = true);
    let wanted = split == Split::Test;
    files.into_iter().zip(is_test).filter(|(_, test)| *test == wanted).map(|(file, _)| file).collect()
}

/// Names of the visible subfolders, sorted.
fn subfolders(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for path in entries(folder, &Hint::default())? {
        let Some(name) = path.file_name().filter(|_| path.is_dir()) else { continue };
        let name = name.to_str().ok_or_else(|| DataError::Content {
            path: path.clone(),
            what: "the folder's name is a class's name and must be UTF-8".into(),
        })?;
        if !name.starts_with('.') {
            names.push(name.into());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The image files of a folder by name, shorter names first so that `x_2` comes before `x_10`.
pub(crate) fn files_of(folder: &Path, hint: &Hint) -> Result<Vec<PathBuf>, DataError> {
    let mut files = entries(folder, hint)?;
    files.retain(|path| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        !hidden && EXTENSIONS.contains(&extension.as_str()) && path.is_file()
    });
    files.sort_unstable_by(|a, b| (a.as_os_str().len(), a).cmp(&(b.as_os_str().len(), b)));
    Ok(files)
}

fn entries(folder: &Path, hint: &Hint) -> Result<Vec<PathBuf>, DataError> {
    let io = |error| DataError::Io { path: folder.into(), error };
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|e| e.map(|e| e.path()).map_err(io)).collect(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(DataError::Missing {
            path: folder.into(),
            expected: "a folder of images".into(),
            hint: hint.clone(),
        }),
        Err(e) => Err(io(e)),
    }
}

#[cfg(test)]
mod tests;

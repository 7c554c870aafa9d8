//! Image files to RGB bytes, within limits.

use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageReader, Limits};
use rayon::prelude::*;

use super::DataError;

/// The largest side of an image that is read, in pixels.
const MAX_SIDE: u32 = 16_384;
/// The most pixels of an image that is read.
const MAX_PIXELS: u64 = 64 << 20;
/// The most memory that a decoder may ask for, in bytes.
const MAX_ALLOCATION: u64 = 512 << 20;

/// A decoded picture.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// 3, or 4 with opacity.
    pub(crate) channels: usize,
    pub(crate) pixels: Vec<u8>,
}

/// Decodes one image file. Greyscale becomes RGB; a palette or 16 bits become 8 bits a channel.
pub(crate) fn picture(path: &Path) -> Result<Picture, DataError> {
    let wrong = |what: String| DataError::Content { path: path.into(), what };
    let open = || {
        let mut reader = ImageReader::open(path)?.with_guessed_format()?;
        let mut limits = Limits::default();
        (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
        limits.max_alloc = Some(MAX_ALLOCATION);
        reader.limits(limits);
        Ok(reader)
    };
    let reader = || open().map_err(|error| DataError::Io { path: path.into(), error });
    let unreadable = |e: image::ImageError| wrong(format!("not a readable image: {e}"));
    let (width, height) = reader()?.into_dimensions().map_err(unreadable)?;
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(wrong(format!("{width} x {height} pixels, more than the {MAX_PIXELS} that are read")));
    }
    // Decoders of hostile files are known to panic; that must not take a whole run down.
    let decoder = reader()?;
    let image = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decoder.decode()))
        .map_err(|_| wrong("not a readable image: its decoder failed".into()))?
        .map_err(unreadable)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, pixels) = match image {
        DynamicImage::ImageRgb8(rgb) => (3, rgb.into_raw()),
        image if image.color().has_alpha() => (4, image.into_rgba8().into_raw()),
        image => (3, image.into_rgb8().into_raw()),
    };
    Ok(Picture { width, height, channels, pixels })
}

/// Decodes files in parallel into images of `size` x `size` x 3 bytes, one after another; `fit` turns a picture into one.
/// Of several bad files the first is told, and how many more there are.
pub(crate) fn all(
    files: &[PathBuf],
    size: usize,
    fit: impl Fn(&Path, Picture) -> Result<Vec<u8>, DataError> + Sync,
) -> Result<Vec<u8>, DataError> {
    let image = size * size * 3;
    let mut pixels = vec![0; files.len() * image];
    let mut errors: Vec<(usize, DataError)> = pixels
        .par_chunks_exact_mut(image)
        .zip(files)
        .enumerate()
        .filter_map(|(i, (out, path))| match picture(path).and_then(|p| fit(path, p)) {
            Ok(fitted) => {
                out.copy_from_slice(&fitted);
                None
            }
            Err(error) => Some((i, error)),
        })
        .collect();
    errors.sort_by_key(|(i, _)| *i);
    let more = errors.len().saturating_sub(1);
    match errors.into_iter().next() {
        None => Ok(pixels),
        Some((_, error)) if more == 0 => Err(error),
        Some((_, error)) => Err(DataError::Several { first: Box::new(error), more }),
    }
}

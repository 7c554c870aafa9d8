//! Image data sets: reading them, augmenting them, and batches of them.
//!
//! Every reader ends in one [`Dataset`]: square RGB images as bytes in N H W C order and one label an image. Readers
//! trust no length and no label that they find in a file; what is wrong comes back as a [`DataError`] that names the
//! file, says what was expected, and how to get it.

pub mod augment;
pub mod check;
mod cifar;
mod decode;
mod error;
pub mod fetch;
mod folder;
pub mod loader;
mod pickle;
pub(crate) mod rng;
pub mod sample;
mod sheet;
mod spec;
mod stl10;
#[cfg(test)]
mod tests;
mod tiny_imagenet;

use dvn::manifest::Input;
use std::ops::Range;
use std::path::Path;

pub use error::DataError;
pub use loader::{Batch, Loader, Prefetch, Scale};
pub use spec::{KNOWN, Spec};

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// The training images.
    Train,
    /// The held-out images (the validation images where the authors publish no test labels).
    Test,
}

impl Split {
    /// `train` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
        }
    }
}

/// Square RGB images of one size, N x size x size x 3 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    size: usize,
    pixels: Vec<u8>,
}

impl Images {
    /// Takes `pixels` as images of `size` x `size` x 3 bytes each.
    ///
    /// # Panics
    /// Where `pixels` is not a whole number of images, or `size` is 0.
    pub fn new(size: usize, pixels: Vec<u8>) -> Self {
        assert!(size > 0 && pixels.len().is_multiple_of(size * size * 3), "pixels must be whole images");
        Images { size, pixels }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.image_bytes()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Height and width of an image in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Bytes of one image: size x size x 3.
    pub fn image_bytes(&self) -> usize {
        self.size * self.size * 3
    }

    /// Image `i`, size x size x 3 bytes.
    pub fn get(&self, i: usize) -> &[u8] {
        self.range(i..i + 1)
    }

    /// The images of `range`, one after another.
    pub fn range(&self, range: Range<usize>) -> &[u8] {
        let bytes = self.image_bytes();
        &self.pixels[range.start * bytes..range.end * bytes]
    }

    /// All images, one after another.
    pub fn as_bytes(&self) -> &[u8] {
        &self.pixels
    }
}

/// One split of a labelled data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The name it was loaded by, class range included (`cifar10:0-4`).
    pub name: String,
    /// The classes' names; a label is an index into them.
    pub classes: Vec<String>,
    /// Height and width of every image.
    pub size: usize,
    /// The images.
    pub images: Images,
    /// The class of each image, each below `classes.len()`.
    pub labels: Vec<u16>,
}

impl Dataset {
    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many images each class has.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Mean and standard deviation of each channel over all pixels, on the scale where 255 is 1. The sums are exact
    /// integers, the rest is f64.
    pub fn statistics(&self) -> Statistics {
        let mut sum = [0u64; 3];
        let mut squares = [0u64; 3];
        for pixel in self.images.as_bytes().chunks_exact(3) {
            for c in 0..3 {
                let x = u64::from(pixel[c]);
                sum[c] += x;
                squares[c] += x * x;
            }
        }
        let count = (self.images.as_bytes().len() / 3).max(1) as f64;
        let mean = sum.map(|s| s as f64 / count);
        let std = [0, 1, 2].map(|c| (squares[c] as f64 / count - mean[c] * mean[c]).max(0.0).sqrt());
        // A constant channel would divide by zero: it is left unscaled.
        Statistics {
            mean: mean.map(|m| (m / 255.0) as f32),
            std: std.map(|s| if s < 1e-6 { 1.0 } else { (s / 255.0) as f32 }),
        }
    }

    /// Keeps the classes of `range` only, renumbered from 0, with their images in order.
    fn keep_classes(self, range: Range<usize>) -> Self {
        let bytes = self.images.image_bytes();
        let mut pixels = Vec::new();
        let mut labels = Vec::new();
        for (image, &label) in self.images.as_bytes().chunks_exact(bytes).zip(&self.labels) {
            if range.contains(&usize::from(label)) {
                pixels.extend_from_slice(image);
                labels.push(label - range.start as u16);
            }
        }
        Dataset {
            classes: self.classes[range].to_vec(),
            images: Images::new(self.size, pixels),
            labels,
            ..self
        }
    }
}

/// Mean and standard deviation of each colour channel, on the scale where a byte of 255 is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Means of red, green and blue.
    pub mean: [f32; 3],
    /// Standard deviations of red, green and blue.
    pub std: [f32; 3],
}

impl From<Input> for Statistics {
    fn from(Input { mean, std, .. }: Input) -> Statistics {
        Statistics { mean, std }
    }
}

/// Loads one split of the data set `name` from the data folder `dir`. [`KNOWN`] lists the names; a user's own images are
/// `folder:PATH` or `folder:PATH@SIZE` (32 without it), PATH relative to `dir`, with a subfolder for each class. Any name
/// may end in a range of classes, both ends included, which are renumbered from 0: `cifar10:0-4`.
///
/// # Errors
/// An unknown name or class range, a missing, damaged or oversized file.
pub fn load(name: &str, split: Split, dir: &Path) -> Result<Dataset, DataError> {
    let spec = Spec::parse(name)?;
    let keep = spec.classes.clone();
    let mut set = match &spec.base {
        spec::Base::Cifar(kind) => cifar::load(*kind, split, dir),
        spec::Base::Sample(kind) => sample::load(*kind, split),
        spec::Base::TinyImageNet => tiny_imagenet::load(split, dir, keep.clone()),
        spec::Base::Stl10 => stl10::load(split, dir),
        spec::Base::Folder { path, size } => folder::load(&dir.join(path), *size, split, keep.clone()),
    }?;
    if keep.is_some() {
        let range = kept_classes(keep, set.classes.len())?;
        set = set.keep_classes(range);
    }
    set.name = name.into();
    Ok(set)
}

/// The classes that a name asks for: all without a range.
fn kept_classes(keep: Option<Range<usize>>, classes: usize) -> Result<Range<usize>, DataError> {
    match keep {
        None => Ok(0..classes),
        Some(range) if range.end <= classes => Ok(range),
        Some(range) => Err(DataError::ClassRange { first: range.start, last: range.end - 1, classes }),
    }
}

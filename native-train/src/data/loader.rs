//! Endless, reproducible streams of training batches.

use std::ops::Range;
use std::sync::Arc;

use super::augment::{self, Augment, Normaliser};
use super::rng::Rng;
use super::{DataError, Dataset, Statistics};

mod prefetch;
#[cfg(test)]
mod tests;

pub use prefetch::Prefetch;

/// Keys that keep the draws of one purpose apart from those of another.
const ORDER: u64 = 1;
const AUGMENT: u64 = 2;

/// The size that a batch's images are delivered at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The data set's own size.
    Full,
    /// Half its height and width, rounded down: means of 2 x 2 pixels after augmentation.
    Half,
}

impl Scale {
    /// The height and width that images of `size` have at this scale.
    pub fn of(self, size: usize) -> usize {
        match self {
            Scale::Full => size,
            Scale::Half => size / 2,
        }
    }
}

/// One task's batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Normalised images, N x size x size x 3.
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<u16>,
    /// Height and width of the images.
    pub size: usize,
}

/// The batches of one task: an endless stream that goes through the data set in a new order each epoch. The last,
/// partial batch of an epoch is completed from the next. What step `s` holds depends only on the data set, the batch
/// size, the seed, the task's number and `s`.
#[derive(Clone, Debug)]
pub struct Loader {
    dataset: Arc<Dataset>,
    batch: usize,
    /// The places in each batch that this loader prepares.
    part: Range<usize>,
    seed: u64,
    task: u64,
    augment: Augment,
    normaliser: Box<Normaliser>,
    /// The order of the epoch used last.
    order: Option<(u64, Vec<u32>)>,
    full: Vec<f32>,
}

impl Loader {
    /// Batches of `batch` images for task number `task`, normalised by the data set's own statistics, with the standard
    /// crop and flip.
    ///
    /// # Errors
    /// A data set without images, and a batch of 0.
    pub fn new(dataset: Arc<Dataset>, batch: usize, seed: u64, task: usize) -> Result<Self, DataError> {
        if dataset.is_empty() || batch == 0 {
            return Err(DataError::Empty {
                path: dataset.name.clone().into(),
                expected: format!("batches of {batch} from {} images cannot be made", dataset.len()),
            });
        }
        let statistics = dataset.statistics();
        Ok(Loader {
            augment: Augment::standard(dataset.size),
            normaliser: Box::new(Normaliser::new(&statistics)),
            dataset,
            batch,
            part: 0..batch,
            seed,
            task: task as u64,
            order: None,
            full: Vec::new(),
        })
    }

    /// Augments by `augment` instead of [`Augment::standard`].
    pub fn with_augment(mut self, augment: Augment) -> Self {
        self.augment = augment;
        self
    }

    /// Normalises by `statistics` instead of the data set's own.
    pub fn with_statistics(mut self, statistics: &Statistics) -> Self {
        *self.normaliser = Normaliser::new(statistics);
        self
    }

    /// Prepares only part `part` of `parts` of each batch, so that several loaders share it.
    ///
    /// # Errors
    /// If the batch cannot be shared out evenly.
    pub fn with_part(mut self, part: usize, parts: usize) -> Result<Self, DataError> {
        let images = self.batch / parts.max(1);
        if images * parts != self.batch || images == 0 {
            return Err(DataError::Part { batch: self.batch, parts });
        }
        self.part = part * images..(part + 1) * images;
        Ok(self)
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// How many batches one pass over the data takes, the last one counted whole.
    pub fn steps_per_epoch(&self) -> usize {
        self.dataset.len().div_ceil(self.batch)
    }

    /// The batch of `step` (from 0).
    pub fn batch_at(&mut self, step: u64, scale: Scale) -> Batch {
        let mut batch = Batch::default();
        self.fill(step, scale, &mut batch);
        batch
    }

    /// As [`Loader::batch_at`], into buffers used before.
    pub fn fill(&mut self, step: u64, scale: Scale, batch: &mut Batch) {
        let dataset = Arc::clone(&self.dataset);
        let count = dataset.len() as u64;
        batch.size = scale.of(dataset.size);
        let image = batch.size * batch.size * 3;
        batch.labels.clear();
        // Every element is written below.
        batch.images.resize(self.part.len() * image, 0.0);
        let mut outputs = batch.images.chunks_exact_mut(image);
        let first = step * self.batch as u64;
        let (mut at, last) = (first + self.part.start as u64, first + self.part.end as u64);
        while at < last {
            let epoch = at / count;
            let end = ((epoch + 1) * count).min(last);
            let places: Range<u64> = at - epoch * count..end - epoch * count;
            self.prepare_order(epoch);
            let order = self.order.as_ref().map_or(&[][..], |(_, order)| order);
            for (place, out) in places.zip(&mut outputs) {
                let index = order[place as usize] as usize;
                let mut rng = Rng::keyed(&[AUGMENT, self.seed, self.task, epoch, place]);
                let transform = self.augment.draw(dataset.size, &mut rng);
                let source = dataset.images.get(index);
                augment::apply(
                    &transform,
                    source,
                    dataset.size,
                    &self.normaliser,
                    scale,
                    &mut self.full,
                    out,
                );
                batch.labels.push(dataset.labels[index]);
            }
            at = end;
        }
    }

    /// Makes `self.order` that of `epoch`.
    fn prepare_order(&mut self, epoch: u64) {
        if self.order.as_ref().is_some_and(|(e, _)| *e == epoch) {
            return;
        }
        let mut order = self.order.take().map_or_else(Vec::new, |(_, order)| order);
        order.clear();
        order.extend(0..self.dataset.len() as u32);
        Rng::keyed(&[ORDER, self.seed, self.task, epoch]).shuffle(&mut order);
        self.order = Some((epoch, order));
    }
}

//! Winograd's F(4x4, 3x3): stride 1, any size. A tile is 4 x 4 pixels of the output and reads 6 x 6 of the input; tiles at
//! the right and lower edge may stand out, where the input counts as zero and the output is not stored.

mod forward;
mod gradient;
mod input;
mod output;
mod transform;
mod weight_gradient;
mod weights;

pub(crate) use forward::{Convolution, convolve};
pub(crate) use weight_gradient::weight_gradient;

use crate::shape::Map;
use std::ops::Range;

/// Pixels of a tile's edge.
const TILE: usize = 4;
/// Pixels of a tile's input, and points of the transform.
const PATCH: usize = TILE + 2;
/// Positions of the transformed domain.
const PLANES: usize = PATCH * PATCH;

/// How a batch of maps is cut into tiles.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    images: usize,
    height: usize,
    width: usize,
    /// Tile rows of an image.
    rows: usize,
    /// Tiles of a tile row.
    columns: usize,
}

impl Tiling {
    fn new(map: &Map) -> Tiling {
        let Map { images, height, width, .. } = *map;
        Tiling { images, height, width, rows: height.div_ceil(TILE), columns: width.div_ceil(TILE) }
    }

    /// Tile rows of all images.
    fn all_rows(&self) -> usize {
        self.images * self.rows
    }

    /// The end of the pixel rows, counted through all images, that a tile row's patches reach.
    fn needed(&self, row: usize) -> usize {
        row / self.rows * self.height + ((row % self.rows + 1) * TILE + 1).min(self.height)
    }

    /// The pixel rows, counted through all images, of the given tile rows.
    fn pixel_rows(&self, rows: Range<usize>) -> Range<usize> {
        let first = |r: usize| r / self.rows * self.height + (r % self.rows * TILE).min(self.height);
        first(rows.start)..first(rows.end)
    }
}

/// Floats of a plane of `size`: a cache line more, so that planes of a power of two do not share cache sets.
fn padded(size: usize) -> usize {
    size + 16
}

//! Convolution by way of a transformed domain, whatever the transform.
//!
//! The output is cut into tiles. Each tile's input is transformed to some planes, so are the weights; every plane of the
//! products is a sum over channels of products of an input's and a weights' plane, or of a few such pairs; the products are
//! transformed back to the tile. A [`Scheme`] says which transforms and which planes. Weight gradients are the same thing
//! with other operands: [`GradientScheme`].

mod channels;
mod convolve;
mod output;
mod patch;
mod rows;
mod weight_gradient;
mod weights;

pub(crate) use convolve::{Convolution, convolve};
pub(crate) use output::store_tiles;
pub(crate) use patch::each_patch;
pub(crate) use weight_gradient::weight_gradient;
pub(crate) use weights::{Planes, WeightTransform, sums_to_weights, weights_to_planes};

use crate::filters::Filters;
use crate::fused::{Sink, Source};
use crate::parallel::Shared;
use crate::shape::Map;
use crate::simd::Simd;
use std::ops::Range;

/// A linear transform in one dimension, applied to columns and then to rows.
pub(crate) trait PatchTransform<S: Simd, const IN: usize, const OUT: usize>: Copy {
    /// The transform and its constants.
    fn new(simd: S) -> Self;

    /// Transforms.
    fn apply(self, v: [S::V; IN]) -> [S::V; OUT];
}

/// A way to convolve.
pub(crate) trait Scheme {
    /// Pixels of the input from tile to tile, in both directions.
    const INPUT_STEP: usize;
    /// Pixels of the output from tile to tile, which are the tile's own.
    const OUTPUT_STEP: usize;
    /// Pixel rows below a tile's `INPUT_STEP` that it reads too.
    const REACH: usize;
    /// Planes of the transformed input.
    const INPUTS: usize;
    /// Planes of the transformed weights.
    const WEIGHTS: usize;
    /// Parts that weights and products fall into, each with as many planes of both, which need no other part.
    const STAGES: usize = 1;
    /// For each plane of the products, the planes of input and weights whose products it sums up.
    const TERMS: &'static [&'static [(usize, usize)]];
    /// Whether a plane of the products needs no other plane of inputs than its like, so that it can take the place of the one
    /// before that.
    const IN_PLACE: bool = each_with_its_like(Self::TERMS);

    /// Tiles that a thread transforms at a time: as many as keep their planes in its cache.
    fn tiles_at_once(tiling: &Tiling, inputs: usize, outputs: usize) -> usize;
    /// Transforms a tile row of the input.
    fn input<S: Simd>(simd: S, row: InputRow);
    /// Transforms weights, inlined: where the sizes are constants, so are the addresses.
    fn weights<S: Simd>(simd: S, weights: Weights);
    /// Transforms weights to the planes of a stage; with one stage these are all.
    #[inline(always)]
    fn weights_of_stage<S: Simd>(simd: S, weights: Weights, _stage: usize) {
        Self::weights(simd, weights);
    }
    /// Transforms a tile row of the products back and stores it.
    fn output<S: Simd>(simd: S, row: OutputRow);
}

const fn each_with_its_like(terms: &[&[(usize, usize)]]) -> bool {
    let mut i = 0;
    while i < terms.len() {
        if terms[i].len() != 1 || terms[i][0].0 != i {
            return false;
        }
        i += 1;
    }
    true
}

/// Floats of transformed weights, or of sums of their gradients, from which on they do not stay in the second level cache: the
/// more tiles share a pass over them, the better.
pub(crate) const LARGE: usize = 1 << 18;

/// A way to work out weight gradients.
pub(crate) trait GradientScheme {
    /// Pixels of the input from tile to tile.
    const INPUT_STEP: usize;
    /// Pixels of the output's gradient from tile to tile.
    const OUTPUT_STEP: usize;
    /// Planes of the transformed input.
    const INPUTS: usize;
    /// Planes of the transformed gradient.
    const GRADIENTS: usize;
    /// Planes of the sums.
    const SUMS: usize;
    /// The planes (input, gradient, sums) that meet.
    const TERMS: &'static [(usize, usize, usize)];

    /// Transforms a tile row of the input.
    fn input<S: Simd>(simd: S, row: InputRow);
    /// Transforms a tile row of the output's gradient.
    fn gradient<S: Simd>(simd: S, row: InputRow);
    /// Transforms sums back to the weights' gradient.
    fn weights<S: Simd>(simd: S, sums: WeightSums);
}

/// How a batch of maps is cut into tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    /// The input's map.
    pub(crate) input: Map,
    /// The output's map.
    pub(crate) output: Map,
    /// Tile rows of an image.
    pub(crate) rows: usize,
    /// Tiles of a tile row.
    pub(crate) columns: usize,
}

impl Tiling {
    fn new(input: Map, output: Map, step: usize) -> Tiling {
        Tiling { input, output, rows: output.height.div_ceil(step), columns: output.width.div_ceil(step) }
    }

    /// Tile rows of all images.
    fn all_rows(&self) -> usize {
        self.input.images * self.rows
    }

    /// Tiles of all images.
    fn tiles(&self) -> usize {
        self.all_rows() * self.columns
    }

    /// The pixel rows of `map`, counted through all images, of the given tile rows, `step` apart.
    fn pixel_rows(&self, map: &Map, step: usize, rows: Range<usize>) -> Range<usize> {
        let first = |r: usize| r / self.rows * map.height + (r % self.rows * step).min(map.height);
        first(rows.start)..first(rows.end)
    }
}

/// A tile row of a map on its way to the transformed domain.
pub(crate) struct InputRow<'a> {
    /// What is read, and how.
    pub(crate) source: &'a Source<'a>,
    /// Its map.
    pub(crate) map: &'a Map,
    /// Tile rows of an image.
    pub(crate) rows: usize,
    /// Tiles of a tile row.
    pub(crate) columns: usize,
    /// The tile row, counted through all images.
    pub(crate) row: usize,
    /// The row's first tile in plane 0 of the result, `[plane][block][tile][LANES]`.
    pub(crate) to: *mut f32,
    /// Floats from plane to plane.
    pub(crate) plane: usize,
    /// Floats from block to block.
    pub(crate) block: usize,
    /// [`line_len`] floats of scratch. The columns outside the map, see [`clear_ends`], hold zeros and keep them.
    pub(crate) line: *mut f32,
}

/// Weights on their way to the transformed domain, in panels, see [`crate::product`].
pub(crate) struct Weights<'a> {
    /// The weights.
    pub(crate) filters: &'a Filters<'a>,
    /// Input channels in all.
    pub(crate) inputs: usize,
    /// Output channels in all.
    pub(crate) outputs: usize,
    /// Which input channels to transform.
    pub(crate) channels: Range<usize>,
    /// Which blocks of output channels; the first panel starts at the first of them.
    pub(crate) blocks: Range<usize>,
    /// Plane 0 of the result.
    pub(crate) to: *mut f32,
    /// The input channels that the result's panels have room for.
    pub(crate) to_channels: Range<usize>,
    /// Floats from plane to plane.
    pub(crate) plane: usize,
}

/// A tile row of products on its way to the output.
pub(crate) struct OutputRow<'a> {
    /// Where it is stored, and how.
    pub(crate) sink: &'a Sink<'a>,
    /// Its map.
    pub(crate) map: &'a Map,
    /// Tile rows of an image.
    pub(crate) rows: usize,
    /// Tiles of a tile row.
    pub(crate) columns: usize,
    /// The blocks of channels that `from` holds are `first_block..first_block + blocks`.
    pub(crate) first_block: usize,
    pub(crate) blocks: usize,
    /// The tile row, counted through all images.
    pub(crate) row: usize,
    /// The row's first tile in plane 0 of the products, `[plane][block][tile][LANES]`.
    pub(crate) from: *const f32,
    /// Floats from plane to plane.
    pub(crate) plane: usize,
    /// Floats from block to block.
    pub(crate) block: usize,
    /// Where the sums of each channel go, if the sink keeps any.
    pub(crate) sums: &'a mut [f64],
}

/// The jobs' sums of weight gradients, to be added up in their order, on their way to `[3][3][inputs][outputs]`.
pub(crate) struct WeightSums<'a> {
    /// Each job's sums in panels, all planes.
    pub(crate) sums: &'a [Shared],
    /// Input channels in all.
    pub(crate) inputs: usize,
    /// Output channels.
    pub(crate) outputs: usize,
    /// Which input channels to transform.
    pub(crate) channels: Range<usize>,
    /// The gradient.
    pub(crate) to: *mut f32,
    /// Floats from plane to plane.
    pub(crate) plane: usize,
}

impl WeightSums<'_> {
    /// The sum over all jobs of the vector at `at`.
    ///
    /// # Safety
    /// `at` must be within the sums' planes.
    #[inline(always)]
    pub(crate) unsafe fn load<S: Simd>(&self, simd: S, at: usize) -> S::V {
        // SAFETY: the caller's; there is a job at least.
        unsafe {
            let mut v = simd.load(self.sums[0].0.add(at));
            for sums in &self.sums[1..] {
                v = simd.add(v, simd.load(sums.0.add(at)));
            }
            v
        }
    }
}

/// Lines of [`InputRow::line`]: the most rows that a tile reads.
const LINES: usize = 6;

/// Floats of a line: all columns that the tiles of a row read.
fn line_width(columns: usize, step: usize, lanes: usize) -> usize {
    (columns * step + 2) * lanes
}

/// Floats of [`InputRow::line`] for tiles `step` apart.
fn line_len(columns: usize, step: usize, lanes: usize) -> usize {
    LINES * line_width(columns, step, lanes)
}

/// Zeros the columns of a line that lie outside a map of `width` pixels: the first and those after `width` more.
///
/// # Safety
/// `line` must be [`line_len`] long.
unsafe fn clear_ends(line: *mut f32, width: usize, columns: usize, step: usize, lanes: usize) {
    let len = line_width(columns, step, lanes);
    for i in 0..LINES {
        // SAFETY: the caller's.
        unsafe {
            line.add(i * len).write_bytes(0, lanes);
            line.add(i * len + (width + 1) * lanes).write_bytes(0, len - (width + 1) * lanes);
        }
    }
}

/// Floats of a plane of `size`: a cache line more, so that planes of a power of two do not share cache sets.
fn padded(size: usize) -> usize {
    size + 16
}

/// Floats of a plane of weights, or of sums of their gradients.
fn weights_plane(inputs: usize, outputs: usize, lanes: usize) -> usize {
    padded(inputs * outputs.next_multiple_of(lanes))
}

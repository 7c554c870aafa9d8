//! Transform of the input.

use super::{PATCH, TILE, Tiling, transform};
use crate::fused::{Load, Source};
use crate::simd::{Kernel, Simd};

/// Transforms one tile row: first the columns of the whole row into a small buffer with zeros at both ends, then its rows.
/// So no tile is a border case.
pub(super) struct InputRow<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) tiling: &'a Tiling,
    pub(super) channels: usize,
    /// The tile row, counted through all images.
    pub(super) row: usize,
    /// The row's first tile in plane 0 of the result, `[plane][block][tile][LANES]`.
    pub(super) to: *mut f32,
    /// Floats from plane to plane.
    pub(super) plane: usize,
    /// Floats from block to block.
    pub(super) block: usize,
    /// `line_len` floats, the columns outside the map zero.
    pub(super) line: *mut f32,
}

/// Floats of [`InputRow::line`] for vectors of 16.
pub(super) fn line_len(tiling: &Tiling) -> usize {
    PATCH * (TILE * tiling.columns + 2) * 16
}

impl Kernel for InputRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes an `InputRow` gives it a row of the map and buffers of these sizes.
        unsafe {
            match *self.source {
                Source::Plain(load) => self.blocks(simd, load),
                Source::NormRelu(load) => self.blocks(simd, load),
                Source::NormGradient(load) => self.blocks(simd, load),
            }
        }
    }
}

impl InputRow<'_> {
    #[inline(always)]
    unsafe fn blocks<S: Simd, L: Load>(&self, simd: S, load: L) {
        let inner = {
            let first = self.row % self.tiling.rows * TILE;
            first > 0 && first + TILE < self.tiling.height
        };
        for (b, channel) in (0..self.channels).step_by(S::LANES).enumerate() {
            let left = self.channels - channel;
            // SAFETY: the block is one of the map's.
            unsafe {
                match (left < S::LANES, inner) {
                    (false, true) => self.columns::<S, L, false, true>(simd, load, channel, S::LANES),
                    (false, false) => self.columns::<S, L, false, false>(simd, load, channel, S::LANES),
                    (true, _) => self.columns::<S, L, true, false>(simd, load, channel, left),
                }
                self.rows(simd, self.to.add(b * self.block));
            }
        }
    }

    /// `INNER`: all six pixel rows are in the map.
    #[inline(always)]
    unsafe fn columns<S: Simd, L: Load, const PART: bool, const INNER: bool>(
        &self,
        simd: S,
        load: L,
        channel: usize,
        lanes: usize,
    ) {
        let Tiling { height, width, rows, columns, .. } = *self.tiling;
        let (image, first) = (self.row / rows, self.row % rows * TILE);
        // Pixel row i of the patch is row first + i - 1 of the map.
        let lowest = usize::from(first == 0);
        let end = (height + 1 - first).min(PATCH);
        let pixel_row = width * self.channels;
        let base = ((image * height + first) * pixel_row + channel).wrapping_sub(pixel_row);
        let coefficients = load.block::<S, PART>(simd, channel, lanes);
        let step = (TILE * columns + 2) * S::LANES;
        for x in 0..width {
            let at = base.wrapping_add(x * self.channels);
            // SAFETY: the rows from `lowest` to `end` are in the map, and the line has room for its width.
            unsafe {
                let mut d = [simd.zero(); PATCH];
                for (i, d) in d.iter_mut().enumerate() {
                    if INNER || (lowest <= i && i < end) {
                        *d = load.load::<S, PART>(simd, &coefficients, at.wrapping_add(i * pixel_row), lanes);
                    }
                }
                for (i, v) in transform::input(simd, d).into_iter().enumerate() {
                    simd.store(self.line.add(i * step + (x + 1) * S::LANES), v);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<S: Simd>(&self, simd: S, to: *mut f32) {
        let step = (TILE * self.tiling.columns + 2) * S::LANES;
        for i in 0..PATCH {
            for tile in 0..self.tiling.columns {
                // SAFETY: the line holds all columns of the row, the planes all its tiles.
                unsafe {
                    let from = self.line.add(i * step + tile * TILE * S::LANES);
                    let mut d = [simd.zero(); PATCH];
                    for (j, d) in d.iter_mut().enumerate() {
                        *d = simd.load(from.add(j * S::LANES));
                    }
                    let to = to.add(i * PATCH * self.plane + tile * S::LANES);
                    for (j, v) in transform::input(simd, d).into_iter().enumerate() {
                        simd.store(to.add(j * self.plane), v);
                    }
                }
            }
        }
    }
}

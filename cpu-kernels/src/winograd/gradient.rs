//! Transform of the output's gradient for the weight gradient: the adjoint of the output's transform.

use super::{PATCH, TILE, Tiling, transform};
use crate::fused::{Load, Source};
use crate::simd::{Kernel, Simd};

/// Transforms one tile row.
pub(super) struct GradientRow<'a> {
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
}

impl Kernel for GradientRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes a `GradientRow` gives it a row of the map and planes of these sizes.
        unsafe {
            match *self.source {
                Source::Plain(load) => self.blocks(simd, load),
                Source::NormRelu(load) => self.blocks(simd, load),
                Source::NormGradient(load) => self.blocks(simd, load),
            }
        }
    }
}

impl GradientRow<'_> {
    #[inline(always)]
    unsafe fn blocks<S: Simd, L: Load>(&self, simd: S, load: L) {
        for (b, channel) in (0..self.channels).step_by(S::LANES).enumerate() {
            let left = self.channels - channel;
            // SAFETY: the block is one of the map's.
            unsafe {
                let to = self.to.add(b * self.block);
                if left < S::LANES {
                    self.one_block::<S, L, true>(simd, load, channel, left, to);
                } else {
                    self.one_block::<S, L, false>(simd, load, channel, S::LANES, to);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn one_block<S: Simd, L: Load, const PART: bool>(
        &self,
        simd: S,
        load: L,
        channel: usize,
        lanes: usize,
        to: *mut f32,
    ) {
        let Tiling { height, width, rows, columns, .. } = *self.tiling;
        let (image, y) = (self.row / rows, self.row % rows * TILE);
        let base = (image * height + y) * width * self.channels + channel;
        let coefficients = load.block::<S, PART>(simd, channel, lanes);
        let whole = if height - y >= TILE { width / TILE } else { 0 };
        for tile in 0..columns {
            let at = base + tile * TILE * self.channels;
            // Pixels of the tile that are in the map.
            let inside = if tile < whole { (TILE, TILE) } else { (height - y, width - tile * TILE) };
            // SAFETY: `at` is the tile's first pixel.
            unsafe {
                let to = to.add(tile * S::LANES);
                if tile < whole {
                    self.tile::<S, L, PART, true>(simd, load, &coefficients, at, inside, lanes, to);
                } else {
                    self.tile::<S, L, PART, false>(simd, load, &coefficients, at, inside, lanes, to);
                }
            }
        }
    }

    /// `WHOLE`: all 4 x 4 pixels are in the map.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn tile<S: Simd, L: Load, const PART: bool, const WHOLE: bool>(
        &self,
        simd: S,
        load: L,
        coefficients: &L::Block<S>,
        at: usize,
        inside: (usize, usize),
        lanes: usize,
        to: *mut f32,
    ) {
        let mut halves = [[simd.zero(); TILE]; PATCH];
        for j in 0..TILE {
            let mut g = [simd.zero(); TILE];
            for (i, g) in g.iter_mut().enumerate() {
                if WHOLE || (i < inside.0 && j < inside.1) {
                    let at = at + (i * self.tiling.width + j) * self.channels;
                    // SAFETY: the pixel is in the map.
                    *g = unsafe { load.load::<S, PART>(simd, coefficients, at, lanes) };
                }
            }
            for (half, v) in halves.iter_mut().zip(transform::gradient(simd, g)) {
                half[j] = v;
            }
        }
        for (i, half) in halves.into_iter().enumerate() {
            for (j, v) in transform::gradient(simd, half).into_iter().enumerate() {
                // SAFETY: the planes hold the row's tiles.
                unsafe { simd.store(to.add((i * PATCH + j) * self.plane), v) };
            }
        }
    }
}

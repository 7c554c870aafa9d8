//! Transform of the input.

use super::{PATCH, TILE, transform};
use crate::fused::{Load, Source};
use crate::shape::Map;
use crate::simd::{Kernel, Simd};
use crate::transformed::{InputRow, PatchTransform};

/// Transforms one tile row: first the columns of the whole row into a small buffer with zeros at both ends, then its rows.
/// So no tile is a border case.
pub(super) struct Input<'a>(pub(super) InputRow<'a>);

impl Kernel for Input<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let transform = transform::Input::new(simd);
        // SAFETY: whoever makes an `InputRow` gives it a row of the map and buffers of these sizes.
        unsafe {
            match *self.0.source {
                Source::Plain(load) => self.blocks(simd, transform, load),
                Source::NormRelu(load) => self.blocks(simd, transform, load),
                Source::NormGradient(load) => self.blocks(simd, transform, load),
            }
        }
    }
}

impl Input<'_> {
    #[inline(always)]
    unsafe fn blocks<S: Simd, L: Load>(&self, simd: S, transform: transform::Input<S>, load: L) {
        let channels = self.0.map.channels;
        let inner = {
            let first = self.0.row % self.0.rows * TILE;
            first > 0 && first + TILE < self.0.map.height
        };
        for (b, channel) in (0..channels).step_by(S::LANES).enumerate() {
            let left = channels - channel;
            // SAFETY: the block is one of the map's.
            unsafe {
                match (left < S::LANES, inner) {
                    (false, true) => {
                        self.columns::<S, L, false, true>(simd, transform, load, channel, S::LANES)
                    }
                    (false, false) => {
                        self.columns::<S, L, false, false>(simd, transform, load, channel, S::LANES)
                    }
                    (true, _) => self.columns::<S, L, true, false>(simd, transform, load, channel, left),
                }
                self.rows(simd, transform, self.0.to.add(b * self.0.block));
            }
        }
    }

    /// `INNER`: all six pixel rows are in the map.
    #[inline(always)]
    unsafe fn columns<S: Simd, L: Load, const PART: bool, const INNER: bool>(
        &self,
        simd: S,
        transform: transform::Input<S>,
        load: L,
        channel: usize,
        lanes: usize,
    ) {
        let Map { height, width, channels, .. } = *self.0.map;
        let (image, first) = (self.0.row / self.0.rows, self.0.row % self.0.rows * TILE);
        // Pixel row i of the patch is row first + i - 1 of the map.
        let lowest = usize::from(first == 0);
        let end = (height + 1 - first).min(PATCH);
        let pixel_row = width * channels;
        let base = ((image * height + first) * pixel_row + channel).wrapping_sub(pixel_row);
        let coefficients = load.block::<S, PART>(simd, channel, lanes);
        let step = (TILE * self.0.columns + 2) * S::LANES;
        for x in 0..width {
            let at = base.wrapping_add(x * channels);
            // SAFETY: the rows from `lowest` to `end` are in the map, and the line has room for its width.
            unsafe {
                let mut d = [simd.zero(); PATCH];
                for (i, d) in d.iter_mut().enumerate() {
                    if INNER || (lowest <= i && i < end) {
                        *d = load.load::<S, PART>(simd, &coefficients, at.wrapping_add(i * pixel_row), lanes);
                    }
                }
                for (i, v) in transform.apply(d).into_iter().enumerate() {
                    simd.store(self.0.line.add(i * step + (x + 1) * S::LANES), v);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<S: Simd>(&self, simd: S, transform: transform::Input<S>, to: *mut f32) {
        let step = (TILE * self.0.columns + 2) * S::LANES;
        for i in 0..PATCH {
            for tile in 0..self.0.columns {
                // SAFETY: the line holds all columns of the row, the planes all its tiles.
                unsafe {
                    let from = self.0.line.add(i * step + tile * TILE * S::LANES);
                    let mut d = [simd.zero(); PATCH];
                    for (j, d) in d.iter_mut().enumerate() {
                        *d = simd.load(from.add(j * S::LANES));
                    }
                    let to = to.add(i * PATCH * self.0.plane + tile * S::LANES);
                    for (j, v) in transform.apply(d).into_iter().enumerate() {
                        simd.store(to.add(j * self.0.plane), v);
                    }
                }
            }
        }
    }
}

//! Transform back to the output.

use super::{PATCH, TILE, Tiling, transform};
use crate::fused::{Pixel, Sink, Store, add_sums};
use crate::simd::{Kernel, Simd};

/// Transforms one tile row back and stores it.
pub(super) struct OutputRow<'a> {
    pub(super) sink: &'a Sink<'a>,
    pub(super) tiling: &'a Tiling,
    pub(super) channels: usize,
    /// The blocks of channels that `from` holds are `first_block..first_block + blocks`.
    pub(super) first_block: usize,
    pub(super) blocks: usize,
    /// The tile row, counted through all images.
    pub(super) row: usize,
    /// The row's first tile in plane 0 of the products, `[plane][block][tile][LANES]`.
    pub(super) from: *const f32,
    /// Floats from plane to plane.
    pub(super) plane: usize,
    /// Floats from block to block.
    pub(super) block: usize,
    /// Where the sums of each channel go, if the sink keeps any.
    pub(super) sums: &'a mut [f64],
}

impl Kernel for OutputRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        // SAFETY: whoever makes an `OutputRow` gives it a row of the map that is this thread's alone, and products of
        // these sizes.
        unsafe {
            match *self.sink {
                Sink::Plain(store) => self.all_blocks(simd, store),
                Sink::Statistics(store) => self.all_blocks(simd, store),
                Sink::Inference(store) => self.all_blocks(simd, store),
                Sink::MaskNormRelu(store) => self.all_blocks(simd, store),
                Sink::MaskJoin(store) => self.all_blocks(simd, store),
            }
        }
    }
}

impl OutputRow<'_> {
    #[inline(always)]
    unsafe fn all_blocks<S: Simd, T: Store>(&mut self, simd: S, store: T) {
        for b in 0..self.blocks {
            let channel = (self.first_block + b) * S::LANES;
            let left = self.channels - channel;
            // SAFETY: the block is one of the map's and of the products.
            unsafe {
                let from = self.from.add(b * self.block);
                if left < S::LANES {
                    self.one_block::<S, T, true>(simd, store, from, channel, left);
                } else {
                    self.one_block::<S, T, false>(simd, store, from, channel, S::LANES);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn one_block<S: Simd, T: Store, const PART: bool>(
        &mut self,
        simd: S,
        store: T,
        from: *const f32,
        channel: usize,
        lanes: usize,
    ) {
        let Tiling { height, width, rows, columns, .. } = *self.tiling;
        let mut block = store.block::<S, PART>(simd, channel, lanes);
        let (image, y) = (self.row / rows, self.row % rows * TILE);
        let base = (image * height + y) * width * self.channels + channel;
        let whole = if height - y >= TILE { width / TILE } else { 0 };
        for tile in 0..columns {
            let x = tile * TILE;
            let at = base + x * self.channels;
            let pixel = Pixel { image, y, x };
            // SAFETY: `at` is the tile's first pixel; `whole` tiles lie in the map entirely.
            unsafe {
                let from = from.add(tile * S::LANES);
                if tile < whole {
                    self.tile::<S, T, PART, true>(simd, store, &mut block, from, at, pixel, lanes);
                } else {
                    self.tile::<S, T, PART, false>(simd, store, &mut block, from, at, pixel, lanes);
                }
            }
        }
        if let Some(sums) = T::sums(&block) {
            add_sums(simd, sums, channel, self.sums);
        }
    }

    /// `WHOLE`: all 4 x 4 pixels are in the map.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn tile<S: Simd, T: Store, const PART: bool, const WHOLE: bool>(
        &self,
        simd: S,
        store: T,
        block: &mut T::Block<S>,
        from: *const f32,
        at: usize,
        pixel: Pixel,
        lanes: usize,
    ) {
        let Tiling { height, width, .. } = *self.tiling;
        // By output row, so that a row is read as it lies.
        let mut halves = [[simd.zero(); PATCH]; TILE];
        for j in 0..PATCH {
            let mut m = [simd.zero(); PATCH];
            for (i, m) in m.iter_mut().enumerate() {
                // SAFETY: the products hold all planes.
                *m = unsafe { simd.load(from.add((i * PATCH + j) * self.plane)) };
            }
            for (half, v) in halves.iter_mut().zip(transform::output(simd, m)) {
                half[j] = v;
            }
        }
        for (i, half) in halves.into_iter().enumerate() {
            if !WHOLE && pixel.y + i >= height {
                break;
            }
            for (j, v) in transform::output(simd, half).into_iter().enumerate() {
                if !WHOLE && pixel.x + j >= width {
                    break;
                }
                let at = at + (i * width + j) * self.channels;
                let pixel = Pixel { y: pixel.y + i, x: pixel.x + j, ..pixel };
                // SAFETY: the pixel is in the map, and its row is this thread's.
                unsafe { store.store::<S, PART>(simd, block, v, at, pixel, lanes) };
            }
        }
    }
}

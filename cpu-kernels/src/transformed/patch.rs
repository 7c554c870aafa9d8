//! From a map to the transformed domain.

use super::{InputRow, PatchTransform};
use crate::fused::{Load, Source};
use crate::shape::Map;
use crate::simd::Simd;
use std::mem::MaybeUninit;

/// Transforms the `IN` x `IN` patches of one tile row to `OUT` x `OUT` planes. The patch of tile (y, x) starts at pixel
/// (`step * y - before`, `step * x - before`); pixels outside the map count as zero.
///
/// # Safety
/// The row must be one of its map, its planes of the sizes that it states.
#[inline(always)]
pub(crate) unsafe fn each_patch<S: Simd, T: PatchTransform<S, IN, OUT>, const IN: usize, const OUT: usize>(
    simd: S,
    row: &InputRow,
    step: usize,
    before: usize,
) {
    let transform = T::new(simd);
    // SAFETY: the caller's.
    unsafe {
        match *row.source {
            Source::Plain(load) => blocks(simd, transform, load, row, step, before),
            Source::NormRelu(load) => blocks(simd, transform, load, row, step, before),
            Source::NormGradient(load) => blocks(simd, transform, load, row, step, before),
        }
    }
}

#[inline(always)]
unsafe fn blocks<S: Simd, T: PatchTransform<S, IN, OUT>, L: Load, const IN: usize, const OUT: usize>(
    simd: S,
    transform: T,
    load: L,
    row: &InputRow,
    step: usize,
    before: usize,
) {
    let channels = row.map.channels;
    for (b, channel) in (0..channels).step_by(S::LANES).enumerate() {
        let left = channels - channel;
        let to = row.to.wrapping_add(b * row.block);
        // SAFETY: the block is one of the map's.
        unsafe {
            if left < S::LANES {
                block::<S, T, L, true, IN, OUT>(simd, transform, load, row, step, before, channel, left, to);
            } else {
                block::<S, T, L, false, IN, OUT>(
                    simd,
                    transform,
                    load,
                    row,
                    step,
                    before,
                    channel,
                    S::LANES,
                    to,
                );
            }
        }
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "what does not change from row to row stays in registers")]
unsafe fn block<
    S: Simd,
    T: PatchTransform<S, IN, OUT>,
    L: Load,
    const PART: bool,
    const IN: usize,
    const OUT: usize,
>(
    simd: S,
    transform: T,
    load: L,
    row: &InputRow,
    step: usize,
    before: usize,
    channel: usize,
    lanes: usize,
    to: *mut f32,
) {
    let Map { height, width, channels, .. } = *row.map;
    let coefficients = load.block::<S, PART>(simd, channel, lanes);
    // Both of the patch's first pixel, wrapped where they are above or left of the map.
    let y = (row.row % row.rows * step).wrapping_sub(before);
    let rows_inside = y.wrapping_add(IN - 1) < height && y < height;
    let first = (row.row / row.rows * height).wrapping_add(y).wrapping_mul(width);
    for tile in 0..row.columns {
        let x = (tile * step).wrapping_sub(before);
        let at = first.wrapping_add(x).wrapping_mul(channels).wrapping_add(channel);
        let patch = Patch { at, y, x };
        let to = to.wrapping_add(tile * S::LANES);
        // SAFETY: the patch is of this map.
        unsafe {
            if rows_inside && x.wrapping_add(IN - 1) < width && x < width {
                one::<S, T, L, PART, true, IN, OUT>(
                    simd,
                    transform,
                    load,
                    &coefficients,
                    row,
                    patch,
                    lanes,
                    to,
                );
            } else {
                one::<S, T, L, PART, false, IN, OUT>(
                    simd,
                    transform,
                    load,
                    &coefficients,
                    row,
                    patch,
                    lanes,
                    to,
                );
            }
        }
    }
}

/// Where a patch starts: the element and the pixel, wrapped where they are outside the map.
#[derive(Clone, Copy)]
struct Patch {
    at: usize,
    y: usize,
    x: usize,
}

/// `WHOLE`: the whole patch is in the map.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "what does not change from tile to tile stays in registers")]
unsafe fn one<
    S: Simd,
    T: PatchTransform<S, IN, OUT>,
    L: Load,
    const PART: bool,
    const WHOLE: bool,
    const IN: usize,
    const OUT: usize,
>(
    simd: S,
    transform: T,
    load: L,
    coefficients: &L::Block<S>,
    row: &InputRow,
    patch: Patch,
    lanes: usize,
    to: *mut f32,
) {
    let Map { height, width, channels, .. } = *row.map;
    let mut halves = [[MaybeUninit::<S::V>::uninit(); IN]; OUT];
    for j in 0..simd.rolled(IN) {
        let mut d = [simd.zero(); IN];
        for (i, d) in d.iter_mut().enumerate() {
            if WHOLE || (patch.y.wrapping_add(i) < height && patch.x.wrapping_add(j) < width) {
                let at = patch.at.wrapping_add((i * width + j) * channels);
                // SAFETY: the pixel is in the map.
                *d = unsafe { load.load::<S, PART>(simd, coefficients, at, lanes) };
            }
        }
        for (half, v) in halves.iter_mut().zip(transform.apply(d)) {
            // SAFETY: `j` counts to `IN`.
            unsafe { half.as_mut_ptr().add(j).write(MaybeUninit::new(v)) };
        }
    }
    for (i, half) in halves.iter().enumerate() {
        // SAFETY: every `j` was written.
        let half = half.map(|v| unsafe { v.assume_init() });
        for (j, v) in transform.apply(half).into_iter().enumerate() {
            // SAFETY: the planes hold the row's tiles.
            unsafe { simd.store(to.add((i * OUT + j) * row.plane), v) };
        }
    }
}

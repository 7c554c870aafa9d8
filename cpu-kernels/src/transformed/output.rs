//! From the transformed domain to the output.

use super::{OutputRow, PatchTransform};
use crate::fused::{Pixel, Sink, Store, add_sums};
use crate::shape::Map;
use crate::simd::Simd;
use std::mem::MaybeUninit;

/// Transforms the `IN` x `IN` planes of one tile row back to tiles of `OUT` x `OUT` pixels and stores what of them is in the
/// map.
///
/// # Safety
/// The row must be one of its map and this thread's alone, its planes of the sizes that it states.
#[inline(always)]
pub(crate) unsafe fn store_tiles<
    S: Simd,
    T: PatchTransform<S, IN, OUT>,
    const IN: usize,
    const OUT: usize,
>(
    simd: S,
    mut row: OutputRow,
) {
    let transform = T::new(simd);
    // SAFETY: the caller's.
    unsafe {
        match *row.sink {
            Sink::Plain(store) => blocks(simd, transform, store, &mut row),
            Sink::Statistics(store) => blocks(simd, transform, store, &mut row),
            Sink::Inference(store) => blocks(simd, transform, store, &mut row),
            Sink::Shortcut(store) => blocks(simd, transform, store, &mut row),
            Sink::MaskNormRelu(store) => blocks(simd, transform, store, &mut row),
            Sink::MaskJoin(store) => blocks(simd, transform, store, &mut row),
        }
    }
}

#[inline(always)]
unsafe fn blocks<S: Simd, T: PatchTransform<S, IN, OUT>, D: Store, const IN: usize, const OUT: usize>(
    simd: S,
    transform: T,
    store: D,
    row: &mut OutputRow,
) {
    for b in 0..row.blocks {
        let channel = (row.first_block + b) * S::LANES;
        let left = row.map.channels - channel;
        let from = row.from.wrapping_add(b * row.block);
        // SAFETY: the block is one of the map's and of the products.
        unsafe {
            if left < S::LANES {
                block::<S, T, D, true, IN, OUT>(simd, transform, store, row, from, channel, left);
            } else {
                block::<S, T, D, false, IN, OUT>(simd, transform, store, row, from, channel, S::LANES);
            }
        }
    }
}

#[inline(always)]
unsafe fn block<
    S: Simd,
    T: PatchTransform<S, IN, OUT>,
    D: Store,
    const PART: bool,
    const IN: usize,
    const OUT: usize,
>(
    simd: S,
    transform: T,
    store: D,
    row: &mut OutputRow,
    from: *const f32,
    channel: usize,
    lanes: usize,
) {
    let Map { height, width, channels, .. } = *row.map;
    let mut block = store.block::<S, PART>(simd, channel, lanes);
    let (image, y) = (row.row / row.rows, row.row % row.rows * OUT);
    let base = (image * height + y) * width * channels + channel;
    let whole = if height - y >= OUT { width / OUT } else { 0 };
    let (carried, carried_steps) = (store.carried(image, y, 0), store.carried_steps());
    for tile in 0..row.columns {
        let x = tile * OUT;
        let pixel = Pixel { image, y, x, carried: carried + x * carried_steps[1] };
        let place = Place { at: base + x * channels, pixel, carried_steps, lanes };
        // SAFETY: `place` is the tile's first pixel; `whole` tiles lie in the map entirely.
        unsafe {
            let from = from.add(tile * S::LANES);
            if tile < whole {
                one::<S, T, D, PART, true, IN, OUT>(simd, transform, store, &mut block, row, from, place);
            } else {
                one::<S, T, D, PART, false, IN, OUT>(simd, transform, store, &mut block, row, from, place);
            }
        }
    }
    if let Some(sums) = D::sums(&block) {
        add_sums(simd, sums, channel, row.sums);
    }
}

/// Where a tile goes: its first element and pixel, and how many lanes.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    pixel: Pixel,
    carried_steps: [usize; 2],
    lanes: usize,
}

/// `WHOLE`: the whole tile is in the map.
#[inline(always)]
unsafe fn one<
    S: Simd,
    T: PatchTransform<S, IN, OUT>,
    D: Store,
    const PART: bool,
    const WHOLE: bool,
    const IN: usize,
    const OUT: usize,
>(
    simd: S,
    transform: T,
    store: D,
    block: &mut D::Block<S>,
    row: &OutputRow,
    from: *const f32,
    place: Place,
) {
    let Map { height, width, channels, .. } = *row.map;
    let mut halves = [[MaybeUninit::<S::V>::uninit(); IN]; OUT];
    for j in 0..simd.rolled(IN) {
        let mut m = [simd.zero(); IN];
        for (i, m) in m.iter_mut().enumerate() {
            // SAFETY: the products hold all planes.
            *m = unsafe { simd.load(from.add((i * IN + j) * row.plane)) };
        }
        for (half, v) in halves.iter_mut().zip(transform.apply(m)) {
            // SAFETY: `j` counts to `IN`.
            unsafe { half.as_mut_ptr().add(j).write(MaybeUninit::new(v)) };
        }
    }
    for (i, half) in halves.iter().enumerate() {
        // SAFETY: every `j` was written.
        let half = half.map(|v| unsafe { v.assume_init() });
        let y = place.pixel.y + i;
        if !WHOLE && y >= height {
            break;
        }
        for (j, v) in transform.apply(half).into_iter().enumerate() {
            let x = place.pixel.x + j;
            if !WHOLE && x >= width {
                break;
            }
            let at = place.at + (i * width + j) * channels;
            let [down, across] = place.carried_steps;
            let carried = place.pixel.carried + i * down + j * across;
            let pixel = Pixel { y, x, carried, ..place.pixel };
            // SAFETY: the pixel is in the map, and its row is this thread's.
            unsafe { store.store::<S, PART>(simd, block, v, at, pixel, place.lanes) };
        }
    }
}

//! The matrix products of the transformed domain, one plane (one position of the transform) at a time.
//!
//! Transformed activations lie as `[block of LANES channels][tile][LANES]`. Transformed weights, and sums of weight
//! gradients, lie in panels of one to four blocks of output channels: `[panel][input channel][blocks * LANES]`.

use crate::prefetch::{Prefetch, Steps};
use crate::simd::{Kernel, Simd};
use std::ops::Range;

/// Blocks of a full panel, which all but the last are; that may have fewer, or three for two.
pub(crate) const fn full_panel<S: Simd>() -> usize {
    if S::PRODUCT_ROWS[3] > 0 { 4 } else { 2 }
}

/// The panels that `blocks` blocks of channels are cut into: (first block, blocks).
#[inline(always)]
pub(crate) fn panels<S: Simd>(blocks: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let width = match blocks - first {
            0 => return None,
            3 if S::PRODUCT_ROWS[2] > 0 => 3,
            left => left.min(full_panel::<S>()),
        };
        first += width;
        Some((first - width, width))
    })
}

/// For each plane of the products: `out[block][tile] = sum over terms and channels of inputs[channel][tile] *
/// weights[channel][block]`
pub(crate) struct Products<'a> {
    /// For each plane, the planes of transformed inputs and weights that meet.
    pub(crate) terms: &'a [&'a [(usize, usize)]],
    /// Those of the products to make.
    pub(crate) planes: Range<usize>,
    /// The first plane of transformed weights that is there.
    pub(crate) weights_from: usize,
    /// Plane 0 of the transformed inputs.
    pub(crate) inputs: *const f32,
    /// Floats from plane to plane of them.
    pub(crate) in_plane: usize,
    /// That plane.
    pub(crate) weights: *const f32,
    /// Floats from plane to plane of them.
    pub(crate) weights_plane: usize,
    /// Floats from panel to panel of them.
    pub(crate) weights_panel: usize,
    /// Channels that are summed over.
    pub(crate) channels: usize,
    /// Tiles in the planes.
    pub(crate) tiles: usize,
    /// Blocks of output channels.
    pub(crate) blocks: usize,
    /// Plane 0 of the result.
    pub(crate) out: *mut f32,
    /// Floats from plane to plane of it.
    pub(crate) out_plane: usize,
    /// Whether it is added to what is there.
    pub(crate) more: bool,
    /// What is brought into the cache meanwhile.
    pub(crate) ahead: Prefetch,
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let shares = self.shares::<S>();
        self.ahead.cut::<S>(shares);
        for plane in self.planes.clone() {
            for (first, width) in panels::<S>(self.blocks) {
                // SAFETY: whoever makes `Products` gives them planes of these sizes.
                unsafe {
                    match width {
                        1 => self.panel::<S, 1>(simd, plane, first),
                        2 => self.panel::<S, 2>(simd, plane, first),
                        3 if S::PRODUCT_ROWS[2] > 0 => self.panel::<S, 3>(simd, plane, first),
                        _ if S::PRODUCT_ROWS[3] > 0 => self.panel::<S, 4>(simd, plane, first),
                        _ => unreachable!("no panel is {width} blocks wide"),
                    }
                }
            }
        }
    }
}

impl Products<'_> {
    /// Micro-kernels to run, times the terms of each.
    #[inline(always)]
    fn shares<S: Simd>(&self) -> usize {
        let terms: usize = self.terms[self.planes.clone()].iter().map(|t| t.len()).sum();
        let groups: usize =
            panels::<S>(self.blocks).map(|(_, width)| self.tiles.div_ceil(S::PRODUCT_ROWS[width - 1])).sum();
        terms * groups
    }

    #[inline(always)]
    unsafe fn panel<S: Simd, const WIDTH: usize>(&mut self, simd: S, plane: usize, first: usize) {
        let mut tile = 0;
        while tile < self.tiles {
            let left = self.tiles - tile;
            // SAFETY: as many tiles are left.
            unsafe {
                tile += match S::PRODUCT_ROWS[WIDTH - 1] {
                    16 if left >= 16 => self.rows::<S, 16, WIDTH>(simd, plane, first, tile),
                    8 | 16 if left >= 8 => self.rows::<S, 8, WIDTH>(simd, plane, first, tile),
                    // Eight are better cut into four and four than into six and two.
                    6 if left >= 6 && left != 8 => self.rows::<S, 6, WIDTH>(simd, plane, first, tile),
                    _ if left >= 4 => self.rows::<S, 4, WIDTH>(simd, plane, first, tile),
                    _ if left >= 2 => self.rows::<S, 2, WIDTH>(simd, plane, first, tile),
                    _ => self.rows::<S, 1, WIDTH>(simd, plane, first, tile),
                };
            }
        }
    }

    /// The micro-kernel: `ROWS` tiles by `WIDTH` vectors of output channels, all in registers.
    #[inline(always)]
    unsafe fn rows<S: Simd, const ROWS: usize, const WIDTH: usize>(
        &mut self,
        simd: S,
        plane: usize,
        first: usize,
        tile: usize,
    ) -> usize {
        let block = self.tiles * S::LANES;
        let mut acc = [[simd.zero(); WIDTH]; ROWS];
        for &(inputs, weights) in self.terms[plane] {
            // SAFETY: the planes hold `channels` channels of `tiles` tiles and of the panel's blocks.
            unsafe {
                let mut a = self.inputs.add(inputs * self.in_plane + tile * S::LANES);
                // All panels before this one are full.
                let panel = first / full_panel::<S>() * self.weights_panel;
                let mut b = self.weights.add((weights - self.weights_from) * self.weights_plane + panel);
                let mut left = self.channels;
                let mut ahead = self.ahead.next_in_steps(simd, self.channels);
                let mut next = next_panel::<S, WIDTH>(self.terms[plane].len(), b, self.channels, tile);
                while left > 0 {
                    // One channel a step: the processor's scheduler needs no unrolling, V8 does its own, and spills where it is done.
                    let n = left.min(S::LANES);
                    for c in 0..n {
                        ahead.next(simd);
                        if WIDTH == 4 {
                            next.next(simd);
                        }
                        step(simd, &mut acc, a.add(c), b);
                        b = b.wrapping_add(WIDTH * S::LANES);
                    }
                    a = a.wrapping_add(block);
                    left -= n;
                }
            }
        }
        let more = self.more;
        let to = self.out.wrapping_add(plane * self.out_plane + first * block + tile * S::LANES);
        for (r, acc) in acc.iter().enumerate() {
            for (q, v) in acc.iter().enumerate() {
                // SAFETY: the result's plane holds `tiles` tiles of the panel's blocks.
                unsafe {
                    let p = to.add(q * block + r * S::LANES);
                    simd.store(p, if more { simd.add(simd.load(p), *v) } else { *v });
                }
            }
        }
        ROWS
    }
}

/// The weights of the panel after that at `weights`, as far as the rows from `tile` on bring them into the cache: they may well come
/// from the third level, which alone is too slow. The first rows bring one line of each channel, the next rows another.
#[inline(always)]
fn next_panel<S: Simd, const WIDTH: usize>(
    terms: usize,
    weights: *const f32,
    channels: usize,
    tile: usize,
) -> Steps {
    match (WIDTH, terms, (tile + 2) / 6) {
        // Processors may fetch lines in pairs: even ones first.
        (4, 1, rows @ 0..4) => {
            let line = [0, 2, 1, 3][rows];
            Steps::every(weights.wrapping_add((WIDTH * channels + line) * S::LANES), WIDTH * S::LANES)
        }
        _ => Steps::every(weights, 0),
    }
}

/// Adds one channel's products of `ROWS` tiles, from `a` on, and `WIDTH` vectors of output channels, from `b` on.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn step<S: Simd, const ROWS: usize, const WIDTH: usize>(
    simd: S,
    acc: &mut [[S::V; WIDTH]; ROWS],
    a: *const f32,
    b: *const f32,
) {
    let mut w = [simd.zero(); WIDTH];
    for (q, w) in w.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *w = unsafe { simd.load(b.add(q * S::LANES)) };
    }
    for (r, acc) in acc.iter_mut().enumerate() {
        // SAFETY: the caller's.
        let x = simd.splat(unsafe { *a.add(r * S::LANES) });
        for q in 0..WIDTH {
            acc[q] = simd.fma(x, w[q], acc[q]);
        }
    }
}

/// `sums[channel][block] (+)= sum over tiles of inputs[channel][tile] * gradients[block][tile]`
pub(crate) struct OuterProduct<'a> {
    /// Plane of transformed inputs.
    pub(crate) inputs: *const f32,
    /// Plane of transformed gradients.
    pub(crate) gradients: *const f32,
    /// Input channels.
    pub(crate) channels: usize,
    /// Tiles in the planes.
    pub(crate) tiles: usize,
    /// Blocks of output channels.
    pub(crate) blocks: usize,
    /// Plane of the sums, in panels.
    pub(crate) sums: *mut f32,
    /// Whether `sums` holds nothing yet.
    pub(crate) first: bool,
    /// What is brought into the cache meanwhile, a share for every micro-kernel.
    pub(crate) ahead: &'a mut Prefetch,
}

impl Kernel for OuterProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for (first, width) in panels::<S>(self.blocks) {
            // SAFETY: whoever makes an `OuterProduct` gives it planes of these sizes.
            unsafe {
                match width {
                    1 => self.panel::<S, 1>(simd, first),
                    2 => self.panel::<S, 2>(simd, first),
                    3 if S::OUTER_ROWS[2] > 0 => self.panel::<S, 3>(simd, first),
                    _ if S::OUTER_ROWS[3] > 0 => self.panel::<S, 4>(simd, first),
                    _ => unreachable!("no panel is {width} blocks wide"),
                }
            }
        }
    }
}

impl OuterProduct<'_> {
    /// Micro-kernels of a plane.
    #[inline(always)]
    pub(crate) fn shares<S: Simd>(channels: usize, blocks: usize) -> usize {
        panels::<S>(blocks).map(|(_, width)| channels.div_ceil(S::OUTER_ROWS[width - 1])).sum()
    }

    #[inline(always)]
    unsafe fn panel<S: Simd, const WIDTH: usize>(&mut self, simd: S, first: usize) {
        let mut channel = 0;
        while channel < self.channels {
            // Rows never cross a block: both are powers of two, and what is left over is a multiple of 4.
            let left = self.channels - channel;
            // SAFETY: as many channels are left.
            unsafe {
                channel += match S::OUTER_ROWS[WIDTH - 1] {
                    16 if left >= 16 => self.rows::<S, 16, WIDTH>(simd, first, channel),
                    8 | 16 if left >= 8 && channel.is_multiple_of(8) => {
                        self.rows::<S, 8, WIDTH>(simd, first, channel)
                    }
                    _ => self.rows::<S, 4, WIDTH>(simd, first, channel),
                };
            }
        }
    }

    /// The micro-kernel: `ROWS` input channels by `WIDTH` vectors of output channels. The sum over these tiles starts at
    /// zero and is added to the others at its end: two short sums have a smaller error than a long one.
    #[inline(always)]
    unsafe fn rows<S: Simd, const ROWS: usize, const WIDTH: usize>(
        &mut self,
        simd: S,
        first: usize,
        channel: usize,
    ) -> usize {
        let block = self.tiles * S::LANES;
        let mut acc = [[simd.zero(); WIDTH]; ROWS];
        self.ahead.next(simd);
        // SAFETY: the planes hold `tiles` tiles of these channels; a multiple of 4 channels is left in the block.
        unsafe {
            let mut a = self.inputs.add(channel / S::LANES * block + channel % S::LANES);
            let mut b = self.gradients.add(first * block);
            let to = self.sums.add((first * self.channels + channel * WIDTH) * S::LANES);
            for line in (0..ROWS * WIDTH * S::LANES).step_by(16) {
                simd.prefetch(to.add(line));
            }
            for _ in 0..self.tiles {
                let mut g = [simd.zero(); WIDTH];
                for (q, g) in g.iter_mut().enumerate() {
                    *g = simd.load(b.add(q * block));
                }
                for (r, acc) in acc.iter_mut().enumerate() {
                    let x = simd.splat(*a.add(r));
                    for q in 0..WIDTH {
                        acc[q] = simd.fma(x, g[q], acc[q]);
                    }
                }
                a = a.wrapping_add(S::LANES);
                b = b.wrapping_add(S::LANES);
            }
            for (r, acc) in acc.iter().enumerate() {
                for (q, v) in acc.iter().enumerate() {
                    let p = to.add((r * WIDTH + q) * S::LANES);
                    simd.store(p, if self.first { *v } else { simd.add(simd.load(p), *v) });
                }
            }
        }
        ROWS
    }
}

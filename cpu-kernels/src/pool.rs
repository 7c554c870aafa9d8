//! Global average pooling and its gradient.

use crate::fused::{MaskJoinStore, Pixel, Store, Training, add_sums, load, store};
use crate::operands::Sums;
use crate::parallel::{self, Shared};
use crate::shape::{Map, check_len};
use crate::simd::{Kernel, Simd};
use crate::workspace::Workspace;
use std::ops::Range;

/// The mean over all pixels: `x` is `[images][height][width][channels]`, `pooled` `[images][channels]`.
///
/// # Panics
/// Where a slice does not fit `map`.
pub fn average_pool(ws: &mut Workspace, map: &Map, x: &[f32], pooled: &mut [f32]) {
    map.check();
    check_len("the pool's input", x.len(), map.len());
    check_len("the pool's output", pooled.len(), map.images * map.channels);
    let isa = ws.isa();
    let out = Shared(pooled.as_mut_ptr());
    ws.prepare();
    let n = parallel::jobs(map.images);
    parallel::share(&mut ws.parts, 0..n, |i, _| {
        isa.run(Mean { map, x, out, images: parallel::part(map.images, 1, n, i) });
    });
}

struct Mean<'a> {
    map: &'a Map,
    x: &'a [f32],
    out: Shared,
    images: Range<usize>,
}

impl Kernel for Mean<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for image in self.images.clone() {
            for channel in (0..self.map.channels).step_by(S::LANES) {
                let left = self.map.channels - channel;
                // SAFETY: the sizes were checked, and the images are this thread's alone.
                unsafe {
                    if left < S::LANES {
                        self.block::<S, true>(simd, image, channel, left);
                    } else {
                        self.block::<S, false>(simd, image, channel, S::LANES);
                    }
                }
            }
        }
    }
}

impl Mean<'_> {
    #[inline(always)]
    unsafe fn block<S: Simd, const PART: bool>(&self, simd: S, image: usize, channel: usize, lanes: usize) {
        let (pixels, channels) = (self.map.pixels(), self.map.channels);
        let mut sum = simd.zero();
        // SAFETY: the caller's.
        unsafe {
            for p in 0..pixels {
                let at = (image * pixels + p) * channels + channel;
                sum = simd.add(sum, load::<S, PART>(simd, self.x.as_ptr().add(at), lanes));
            }
            let mean = simd.mul(sum, simd.splat(1.0 / pixels as f32));
            store::<S, PART>(simd, self.out.0.add(image * channels + channel), mean, lanes);
        }
    }
}

/// The gradient at the end `x` of the last block from that of its pooled features: `dx = pooled / pixels` where `x > 0`,
/// else 0. `sums` get the sums of `dx` and of `dx * y`, with `y` what the [`join`](crate::join()) that made `x` read.
///
/// # Panics
/// Where a slice does not fit `map`.
pub fn average_pool_gradient(
    ws: &mut Workspace,
    map: &Map,
    pooled: &[f32],
    x: &[f32],
    y: &[f32],
    dx: &mut [f32],
    sums: &mut Sums,
) {
    map.check();
    check_len("the pooled gradient", pooled.len(), map.images * map.channels);
    check_len("the mask's x", x.len(), map.len());
    check_len("the mask's y", y.len(), map.len());
    check_len("the input's gradient", dx.len(), map.len());
    let isa = ws.isa();
    let padded = map.channels.next_multiple_of(isa.lanes());
    let store = MaskJoinStore {
        _training: Training::here(),
        out: Shared(dx.as_mut_ptr()),
        x,
        y,
        accumulate: false,
        shortcut: None,
    };
    ws.prepare();
    ws.sums.clear(padded);
    let rows = map.images * map.height;
    let n = parallel::jobs(rows);
    parallel::share(&mut ws.parts, ws.sums.start(n), |(i, sums), _| {
        isa.run(Spread { map, pooled, store, rows: parallel::part(rows, 1, n, i), sums });
    });
    ws.sums.collect(map.channels, sums);
}

struct Spread<'a> {
    map: &'a Map,
    pooled: &'a [f32],
    store: MaskJoinStore<'a>,
    rows: Range<usize>,
    sums: &'a mut [f64],
}

impl Kernel for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for row in self.rows.clone() {
            for channel in (0..self.map.channels).step_by(S::LANES) {
                let left = self.map.channels - channel;
                // SAFETY: the sizes were checked, and the rows are this thread's alone.
                unsafe {
                    if left < S::LANES {
                        self.block::<S, true>(simd, row, channel, left);
                    } else {
                        self.block::<S, false>(simd, row, channel, S::LANES);
                    }
                }
            }
        }
    }
}

impl Spread<'_> {
    #[inline(always)]
    unsafe fn block<S: Simd, const PART: bool>(&mut self, simd: S, row: usize, channel: usize, lanes: usize) {
        let Map { height, width, channels, .. } = *self.map;
        let mut block = self.store.block::<S, PART>(simd, channel, lanes);
        let (image, y) = (row / height, row % height);
        // SAFETY: the caller's.
        unsafe {
            let pooled = self.pooled.as_ptr().add(image * channels + channel);
            let g = load::<S, PART>(simd, pooled, lanes);
            let g = simd.mul(g, simd.splat(1.0 / self.map.pixels() as f32));
            for x in 0..width {
                let at = (row * width + x) * channels + channel;
                let pixel = Pixel { image, y, x, carried: 0 };
                self.store.store::<S, PART>(simd, &mut block, g, at, pixel, lanes);
            }
        }
        if let Some(sums) = MaskJoinStore::sums(&block) {
            add_sums(simd, sums, channel, self.sums);
        }
    }
}

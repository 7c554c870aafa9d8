//! The forward pass and the input gradient: both sum runs of values against rows of weights.

use super::lines::Lines;
use crate::fused::{Pixel, Sink, Source, Store, add_sums, load};
use crate::parallel;
use crate::shape::{Map, Shape};
use crate::simd::{Isa, Kernel, Simd};
use crate::workspace::{ChannelSums, Part};
use std::ops::Range;

/// The convolution.
pub(crate) fn forward(
    isa: Isa,
    parts: &mut [Part],
    sums: &mut ChannelSums,
    shape: &Shape,
    source: Source,
    weights: &[f32],
    sink: Sink,
) {
    let rows = shape.images * shape.out_height();
    let n = parallel::jobs(rows);
    parallel::share(parts, sums.start(n), |(i, sums), part| {
        let rows = parallel::part(rows, 1, n, i);
        isa.run(Forward { shape, source: &source, weights, sink: &sink, rows, part, sums });
    });
}

/// The input gradient. `weights` are turned: `[3][3][outputs][inputs]`, both axes of the kernel reversed.
pub(crate) fn input_gradient(
    isa: Isa,
    parts: &mut [Part],
    sums: &mut ChannelSums,
    shape: &Shape,
    source: Source,
    weights: &[f32],
    sink: Sink,
) {
    let rows = shape.images * shape.height;
    let n = parallel::jobs(rows);
    parallel::share(parts, sums.start(n), |(i, sums), part| {
        let rows = parallel::part(rows, 1, n, i);
        isa.run(InputGradient { shape, source: &source, weights, sink: &sink, rows, part, sums });
    });
}

/// One job's rows of the output.
struct Forward<'a> {
    shape: &'a Shape,
    source: &'a Source<'a>,
    weights: &'a [f32],
    sink: &'a Sink<'a>,
    rows: Range<usize>,
    part: &'a mut Part,
    sums: &'a mut [f64],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let shape = self.shape;
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        let mut lines = Lines::new(self.source, shape.input(), inputs, &mut self.part.line);
        for row in self.rows {
            let (image, y) = (row / shape.out_height(), row % shape.out_height());
            let mut runs = [(std::ptr::null(), std::ptr::null()); 3];
            let mut n = 0;
            for r in 0..3 {
                if let Some(line) = lines.row(simd, image, (y * shape.stride + r).wrapping_sub(1)) {
                    runs[n] = (line, self.weights[r * 3 * inputs * outputs..].as_ptr());
                    n += 1;
                }
            }
            simd.call(Row {
                sink: self.sink,
                map: shape.output(),
                first: Pixel { image, y, x: 0, carried: 0 },
                x_step: 1,
                pixels: shape.out_width(),
                runs: &runs[..n],
                len: 3 * inputs,
                step: shape.stride * inputs,
                sums: self.sums,
            });
        }
    }
}

/// One job's rows of the input.
struct InputGradient<'a> {
    shape: &'a Shape,
    source: &'a Source<'a>,
    weights: &'a [f32],
    sink: &'a Sink<'a>,
    rows: Range<usize>,
    part: &'a mut Part,
    sums: &'a mut [f64],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let shape = self.shape;
        let (inputs, outputs, stride) = (shape.inputs, shape.outputs, shape.stride);
        let mut lines = Lines::new(self.source, shape.output(), outputs, &mut self.part.line);
        for row in self.rows {
            let (image, y) = (row / shape.height, row % shape.height);
            // Pixels of one phase are reached through the same taps.
            for phase in 0..stride.min(shape.width) {
                let mut runs = [(std::ptr::null(), std::ptr::null()); 9];
                let mut n = 0;
                for tap in 0..9 {
                    let (r, s) = (tap / 3, tap % 3);
                    if (y + 1).wrapping_sub(r) % stride != 0
                        || y + 1 < r
                        || (phase + 1 + stride - s) % stride != 0
                    {
                        continue;
                    }
                    if let Some(line) = lines.row(simd, image, (y + 1 - r) / stride) {
                        // The line starts a pixel early: output column (phase + 1 - s) / stride is one further on.
                        let column = (phase + 1 + stride - s) / stride;
                        runs[n] = (
                            line.wrapping_add(column * outputs),
                            self.weights[(8 - tap) * inputs * outputs..].as_ptr(),
                        );
                        n += 1;
                    }
                }
                simd.call(Row {
                    sink: self.sink,
                    map: shape.input(),
                    first: Pixel { image, y, x: phase, carried: 0 },
                    x_step: stride,
                    pixels: (shape.width - phase).div_ceil(stride),
                    runs: &runs[..n],
                    len: outputs,
                    step: outputs,
                    sums: self.sums,
                });
            }
        }
    }
}

/// Pixels of a row of the result: each the sum over runs of `len` adjacent values, one after the other times a row of
/// weights.
struct Row<'a> {
    sink: &'a Sink<'a>,
    /// The result's map.
    map: Map,
    first: Pixel,
    /// From pixel to pixel of the result.
    x_step: usize,
    pixels: usize,
    /// The first pixel's values, and the weights `[len][channels of the result]`.
    runs: &'a [(*const f32, *const f32)],
    len: usize,
    /// Floats from one pixel's values to the next one's.
    step: usize,
    sums: &'a mut [f64],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        // SAFETY: whoever makes a `Row` gives it a row of the result that is this thread's alone, and runs of these sizes.
        unsafe {
            match *self.sink {
                Sink::Plain(store) => self.panels(simd, store),
                Sink::Statistics(store) => self.panels(simd, store),
                Sink::Inference(store) => self.panels(simd, store),
                Sink::Shortcut(store) => self.panels(simd, store),
                Sink::MaskNormRelu(store) => self.panels(simd, store),
                Sink::MaskJoin(store) => self.panels(simd, store),
            }
        }
    }
}

impl Row<'_> {
    #[inline(always)]
    unsafe fn panels<S: Simd, T: Store>(&mut self, simd: S, store: T) {
        let channels = self.map.channels;
        let mut channel = 0;
        while channel < channels {
            let left = channels - channel;
            // SAFETY: the caller's; so many channels are left.
            unsafe {
                channel += if left >= 2 * S::LANES {
                    self.panel::<S, T, 2, false>(simd, store, channel, S::LANES)
                } else if left >= S::LANES {
                    self.panel::<S, T, 1, false>(simd, store, channel, S::LANES)
                } else {
                    self.panel::<S, T, 1, true>(simd, store, channel, left)
                };
            }
        }
    }

    #[inline(always)]
    unsafe fn panel<S: Simd, T: Store, const WIDTH: usize, const PART: bool>(
        &mut self,
        simd: S,
        store: T,
        channel: usize,
        lanes: usize,
    ) -> usize {
        let mut blocks = [const { None }; WIDTH];
        for (q, block) in blocks.iter_mut().enumerate() {
            *block = Some(store.block::<S, PART>(simd, channel + q * S::LANES, lanes));
        }
        let mut blocks = blocks.map(|b| b.expect("just made"));
        let mut pixel = 0;
        while pixel < self.pixels {
            let left = self.pixels - pixel;
            // SAFETY: the caller's; so many pixels are left.
            unsafe {
                pixel += match S::PRODUCT_ROWS[WIDTH - 1] {
                    8 | 16 if left >= 8 => {
                        self.rows::<S, T, 8, WIDTH, PART>(simd, store, &mut blocks, channel, pixel, lanes)
                    }
                    _ if left >= 4 => {
                        self.rows::<S, T, 4, WIDTH, PART>(simd, store, &mut blocks, channel, pixel, lanes)
                    }
                    _ => self.rows::<S, T, 1, WIDTH, PART>(simd, store, &mut blocks, channel, pixel, lanes),
                };
            }
        }
        for (q, block) in blocks.iter().enumerate() {
            if let Some(sums) = T::sums(block) {
                add_sums(simd, sums, channel + q * S::LANES, self.sums);
            }
        }
        WIDTH * S::LANES
    }

    /// The micro-kernel: `ROWS` pixels by `WIDTH` vectors of channels.
    #[inline(always)]
    unsafe fn rows<S: Simd, T: Store, const ROWS: usize, const WIDTH: usize, const PART: bool>(
        &self,
        simd: S,
        store: T,
        blocks: &mut [T::Block<S>; WIDTH],
        channel: usize,
        pixel: usize,
        lanes: usize,
    ) -> usize {
        let channels = self.map.channels;
        let mut acc = [[simd.zero(); WIDTH]; ROWS];
        for &(values, weights) in self.runs {
            // SAFETY: the caller's.
            unsafe {
                let mut a = values.add(pixel * self.step);
                let mut b = weights.add(channel);
                for _ in 0..self.len {
                    let mut w = [simd.zero(); WIDTH];
                    for (q, w) in w.iter_mut().enumerate() {
                        *w = load::<S, PART>(simd, b.add(q * S::LANES), lanes);
                    }
                    for (r, acc) in acc.iter_mut().enumerate() {
                        let x = simd.splat(*a.add(r * self.step));
                        for q in 0..WIDTH {
                            acc[q] = simd.fma(x, w[q], acc[q]);
                        }
                    }
                    a = a.wrapping_add(1);
                    b = b.wrapping_add(channels);
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            let x = self.first.x + (pixel + r) * self.x_step;
            let row = (self.first.image * self.map.height + self.first.y) * self.map.width;
            let at = (row + x) * channels + channel;
            for (q, v) in acc.iter().enumerate() {
                // SAFETY: the pixel is in the result's map, and its row is this thread's.
                unsafe {
                    let Pixel { image, y, .. } = self.first;
                    let pixel = Pixel { image, y, x, carried: store.carried(image, y, x) };
                    store.store::<S, PART>(simd, &mut blocks[q], *v, at + q * S::LANES, pixel, lanes);
                }
            }
        }
        ROWS
    }
}

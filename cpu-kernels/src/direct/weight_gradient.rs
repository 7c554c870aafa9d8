//! The weight gradient.

use super::lines::Lines;
use crate::fused::Source;
use crate::parallel;
use crate::shape::Shape;
use crate::simd::{Isa, Kernel, Simd};
use crate::workspace::{Buffer, Part};
use std::ops::Range;

/// Overwrites `dw` (`[3][3][inputs][outputs]`).
pub(crate) fn weight_gradient(
    isa: Isa,
    parts: &mut [Part],
    sums: &mut Vec<Buffer>,
    shape: &Shape,
    input: Source,
    gradient: Source,
    dw: &mut [f32],
) {
    let rows = shape.images * shape.out_height();
    let step = shape.outputs.next_multiple_of(isa.lanes());
    let len = 9 * shape.inputs * step;
    let n = parallel::jobs_with_sums(rows, len);
    let sums = Buffer::several(sums, n);
    parallel::share(parts, sums.iter_mut().enumerate(), |(i, sums), part| {
        let rows = parallel::part(rows, 1, n, i);
        isa.run(Rows { shape, input: &input, gradient: &gradient, rows, part, sums });
    });
    for (i, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the job has left as many sums.
        let sums = unsafe { std::slice::from_raw_parts(sums.get(len), len) };
        for (dw, sums) in dw.chunks_exact_mut(shape.outputs).zip(sums.chunks_exact(step)) {
            if i == 0 {
                dw.copy_from_slice(&sums[..shape.outputs]);
            } else {
                dw.iter_mut().zip(sums).for_each(|(d, s)| *d += s);
            }
        }
    }
}

/// One job's rows of the output.
struct Rows<'a> {
    shape: &'a Shape,
    input: &'a Source<'a>,
    gradient: &'a Source<'a>,
    rows: Range<usize>,
    part: &'a mut Part,
    sums: &'a mut Buffer,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let shape = self.shape;
        let inputs = shape.inputs;
        let channels = shape.outputs.next_multiple_of(S::LANES);
        let sums = self.sums.get(9 * inputs * channels);
        // SAFETY: the buffer is that long.
        unsafe { sums.write_bytes(0, 9 * inputs * channels) };
        let mut lines = Lines::new(self.input, shape.input(), inputs, &mut self.part.line);
        let mut gradients = Lines::new(self.gradient, shape.output(), channels, &mut self.part.outputs);
        for row in self.rows {
            let (image, y) = (row / shape.out_height(), row % shape.out_height());
            let gradient = gradients.row(simd, image, y).expect("a row of the output");
            for r in 0..3 {
                if let Some(line) = lines.row(simd, image, (y * shape.stride + r).wrapping_sub(1)) {
                    simd.call(OuterRow {
                        values: line,
                        step: shape.stride * inputs,
                        // The line starts a pixel early.
                        gradients: gradient.wrapping_add(channels),
                        pixels: shape.out_width(),
                        len: 3 * inputs,
                        channels,
                        sums: sums.wrapping_add(3 * r * inputs * channels),
                    });
                }
            }
        }
    }
}

/// `sums[i][channel] += sum over pixels of values[pixel][i] * gradients[pixel][channel]`
struct OuterRow {
    values: *const f32,
    /// Floats from one pixel's values to the next one's.
    step: usize,
    gradients: *const f32,
    pixels: usize,
    /// Values of a pixel, a multiple of 9 or 12.
    len: usize,
    /// A multiple of LANES.
    channels: usize,
    sums: *mut f32,
}

impl Kernel for OuterRow {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut channel = 0;
        while channel < self.channels {
            // Nine or twelve rows of two vectors fit only 32 registers.
            let two = S::LANES == 16 && self.channels - channel >= 2 * S::LANES;
            // SAFETY: whoever makes an `OuterRow` gives it values, gradients and sums of these sizes.
            unsafe {
                channel += match (self.len.is_multiple_of(12), two) {
                    (true, true) => self.panel::<S, 12, 2>(simd, channel),
                    (true, false) => self.panel::<S, 12, 1>(simd, channel),
                    (false, true) => self.panel::<S, 9, 2>(simd, channel),
                    (false, false) => self.panel::<S, 9, 1>(simd, channel),
                };
            }
        }
    }
}

impl OuterRow {
    #[inline(always)]
    unsafe fn panel<S: Simd, const ROWS: usize, const WIDTH: usize>(&self, simd: S, channel: usize) -> usize {
        for first in (0..self.len).step_by(ROWS) {
            let mut acc = [[simd.zero(); WIDTH]; ROWS];
            // SAFETY: the caller's; `len` is a multiple of `ROWS`.
            unsafe {
                let mut a = self.values.add(first);
                let mut b = self.gradients.add(channel);
                for _ in 0..self.pixels {
                    let mut g = [simd.zero(); WIDTH];
                    for (q, g) in g.iter_mut().enumerate() {
                        *g = simd.load(b.add(q * S::LANES));
                    }
                    for (r, acc) in acc.iter_mut().enumerate() {
                        let x = simd.splat(*a.add(r));
                        for q in 0..WIDTH {
                            acc[q] = simd.fma(x, g[q], acc[q]);
                        }
                    }
                    a = a.wrapping_add(self.step);
                    b = b.wrapping_add(self.channels);
                }
                for (r, acc) in acc.iter().enumerate() {
                    let to = self.sums.add((first + r) * self.channels + channel);
                    for (q, v) in acc.iter().enumerate() {
                        let p = to.add(q * S::LANES);
                        simd.store(p, simd.add(simd.load(p), *v));
                    }
                }
            }
        }
        WIDTH * S::LANES
    }
}

//! The weight gradient.

use super::{
    GradientScheme, InputRow, LARGE, Tiling, WeightSums, clear_ends, line_len, padded, weights_plane,
};
use crate::fused::Source;
use crate::parallel::{self, Shared};
use crate::prefetch::Prefetch;
use crate::product::OuterProduct;
use crate::shape::Map;
use crate::simd::{Isa, Kernel, Simd};
use crate::workspace::{Buffer, Part};
use std::marker::PhantomData;
use std::ops::Range;

/// Tiles that a thread transforms at a time. Every time all the sums pass once: where they are too large for the second
/// level cache, more tiles share a pass; where not, tiles and sums together should fit it.
fn tiles_at_once<C: GradientScheme>(inputs: usize, outputs: usize) -> usize {
    let most = inputs.max(outputs);
    if C::SUMS * inputs * outputs > LARGE { (8192 / most).clamp(32, 64) } else { (512 / most).clamp(16, 64) }
}

/// Overwrites `dw` (`[3][3][inputs][outputs]`).
pub(crate) fn weight_gradient<C: GradientScheme>(
    isa: Isa,
    parts: &mut [Part],
    sums: &mut Vec<Buffer>,
    maps: [Map; 2],
    input: Source,
    gradient: Source,
    dw: &mut [f32],
) {
    let tiling = Tiling::new(maps[0], maps[1], C::OUTPUT_STEP);
    let (inputs, outputs) = (maps[0].channels, maps[1].channels);
    let plane = weights_plane(inputs, outputs, isa.lanes());
    let rows_at_once = (tiles_at_once::<C>(inputs, outputs) / tiling.columns).max(1);
    let len = C::SUMS * plane;
    let n = parallel::jobs_with_sums(tiling.all_rows().div_ceil(rows_at_once), len);
    let sums = Buffer::several(sums, n);
    parallel::share(parts, sums.iter_mut().enumerate(), |(i, sums), part| {
        isa.run(Rows::<C> {
            tiling: &tiling,
            input: &input,
            gradient: &gradient,
            rows: parallel::part(tiling.all_rows(), 1, n, i),
            rows_at_once,
            sums: sums.get(len),
            sums_plane: plane,
            part,
            scheme: PhantomData,
        });
    });
    let sums: Vec<Shared> = sums.iter_mut().map(|s| Shared(s.get(len))).collect();
    let to = Shared(dw.as_mut_ptr());
    let n = parallel::jobs(inputs.div_ceil(4));
    parallel::share(parts, 0..n, |i, _| {
        isa.run(Back::<C>(
            WeightSums {
                sums: &sums,
                inputs,
                outputs,
                channels: parallel::part(inputs, 4, n, i),
                to: { to }.0,
                plane,
            },
            PhantomData,
        ));
    });
}

struct Back<'a, C>(WeightSums<'a>, PhantomData<C>);

impl<C: GradientScheme> Kernel for Back<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        C::weights(simd, self.0);
    }
}

/// One job's tile rows.
struct Rows<'a, C> {
    tiling: &'a Tiling,
    input: &'a Source<'a>,
    gradient: &'a Source<'a>,
    rows: Range<usize>,
    rows_at_once: usize,
    sums: *mut f32,
    sums_plane: usize,
    part: &'a mut Part,
    scheme: PhantomData<C>,
}

impl<C: GradientScheme> Kernel for Rows<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let tiling = self.tiling;
        let Tiling { input, output, columns, .. } = tiling;
        let blocks = output.channels.div_ceil(S::LANES);
        let most = self.rows_at_once * columns * S::LANES;
        let in_plane = padded(input.channels.div_ceil(S::LANES) * most);
        let out_plane = padded(blocks * most);
        let inputs = self.part.inputs.get(C::INPUTS * in_plane);
        let gradients = self.part.outputs.get(C::GRADIENTS * out_plane);
        let line = self.part.line.get(line_len(*columns, C::INPUT_STEP, S::LANES));
        // SAFETY: the line is that long.
        unsafe { clear_ends(line, input.width, *columns, C::INPUT_STEP, S::LANES) };

        let mut row = self.rows.start;
        while row < self.rows.end {
            let rows = row..(row + self.rows_at_once).min(self.rows.end);
            let next = rows.end..(rows.end + self.rows_at_once).min(self.rows.end);
            let tiles = rows.len() * columns;
            for (i, row) in rows.clone().enumerate() {
                let tile = i * columns * S::LANES;
                let (block, rows, columns) = (tiles * S::LANES, tiling.rows, *columns);
                // SAFETY: the planes hold `rows_at_once` rows.
                let (to, gradient_to) = unsafe { (inputs.add(tile), gradients.add(tile)) };
                let source = self.input;
                let from =
                    InputRow { source, map: input, rows, columns, row, to, plane: in_plane, block, line };
                C::input(simd, from);
                let (source, to) = (self.gradient, gradient_to);
                let from =
                    InputRow { source, map: output, rows, columns, row, to, plane: out_plane, block, line };
                C::gradient(simd, from);
            }
            let mut ahead = Prefetch::none()
                .and(
                    self.input.tensors(),
                    tiling.pixel_rows(input, C::INPUT_STEP, next.clone()),
                    input.width * input.channels,
                )
                .and(
                    self.gradient.tensors(),
                    tiling.pixel_rows(output, C::OUTPUT_STEP, next),
                    output.width * output.channels,
                );
            ahead.cut::<S>(C::TERMS.len() * OuterProduct::shares::<S>(input.channels, blocks));
            // Bit i: sums' plane i holds something.
            let mut begun: u64 = if row == self.rows.start { 0 } else { u64::MAX };
            for &(input_plane, gradient_plane, sums_plane) in C::TERMS {
                // SAFETY: all buffers hold the scheme's planes.
                unsafe {
                    simd.call(OuterProduct {
                        inputs: inputs.add(input_plane * in_plane),
                        gradients: gradients.add(gradient_plane * out_plane),
                        channels: input.channels,
                        tiles,
                        blocks,
                        sums: self.sums.add(sums_plane * self.sums_plane),
                        first: begun >> sums_plane & 1 == 0,
                        ahead: &mut ahead,
                    });
                }
                begun |= 1 << sums_plane;
            }
            row = rows.end;
        }
    }
}

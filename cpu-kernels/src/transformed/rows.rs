//! Convolution of many tiles: the weights are transformed once, and jobs are tile rows.

use super::{
    Convolution, InputRow, OutputRow, Scheme, Tiling, Weights, clear_ends, line_len, padded, weights_plane,
};
use crate::fused::{JoinRows, join_all};
use crate::parallel::{self, Shared};
use crate::prefetch::Prefetch;
use crate::product::{Products, full_panel};
use crate::simd::{Isa, Kernel, Simd};
use crate::workspace::{Buffer, ChannelSums, Part};
use std::marker::PhantomData;
use std::ops::Range;

/// Transforms the weights for all threads, then lets each do tile rows, some at a time.
pub(super) fn by_rows<C: Scheme>(
    isa: Isa,
    shared: &mut Buffer,
    parts: &mut [Part],
    sums: &mut ChannelSums,
    convolution: &Convolution,
    tiling: &Tiling,
) {
    let (inputs, outputs) = (convolution.input.channels, convolution.output.channels);
    let plane = weights_plane(inputs, outputs, isa.lanes());
    let transformed = Shared(shared.get(C::WEIGHTS * plane));
    let n = parallel::jobs(inputs.div_ceil(4));
    parallel::share(parts, 0..n, |i, _| {
        isa.run(TransformWeights::<C>(
            Weights {
                filters: &convolution.filters,
                inputs,
                outputs,
                channels: parallel::part(inputs, 4, n, i),
                blocks: 0..outputs.div_ceil(isa.lanes()),
                to: { transformed }.0,
                to_channels: 0..inputs,
                plane,
            },
            PhantomData,
        ));
    });
    let rows_at_once = (C::tiles_at_once(tiling, inputs, outputs) / tiling.columns).max(1);
    // A join is made just ahead of its use where no other job needs the rows: in whole images.
    let images = convolution.input.images;
    let by_images = images >= parallel::threads() && images >= 2;
    let grain = if by_images { tiling.rows } else { 1 };
    let n = parallel::jobs(tiling.all_rows().div_ceil(grain));
    let mut join = convolution.join.as_ref();
    if n > 1
        && !by_images
        && let Some(rows) = join.take()
    {
        join_all(isa, parts, rows);
    }
    parallel::share(parts, sums.start(n), |(i, sums), part| {
        isa.run(Rows::<C> {
            convolution,
            tiling,
            join,
            rows: parallel::part(tiling.all_rows(), grain, n, i),
            rows_at_once,
            weights: { transformed }.0,
            weights_plane: plane,
            part,
            sums,
            scheme: PhantomData,
        });
    });
}

struct TransformWeights<'a, C>(Weights<'a>, PhantomData<C>);

impl<C: Scheme> Kernel for TransformWeights<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        C::weights(simd, self.0);
    }
}

/// One job's tile rows.
struct Rows<'a, C> {
    convolution: &'a Convolution<'a>,
    tiling: &'a Tiling,
    join: Option<&'a JoinRows<'a>>,
    rows: Range<usize>,
    rows_at_once: usize,
    weights: *const f32,
    weights_plane: usize,
    part: &'a mut Part,
    sums: &'a mut [f64],
    scheme: PhantomData<C>,
}

impl<C: Scheme> Kernel for Rows<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Convolution { input, output, source, sink, .. } = self.convolution;
        let tiling = self.tiling;
        let columns = tiling.columns;
        let blocks = output.channels.div_ceil(S::LANES);
        let most = self.rows_at_once * columns * S::LANES;
        let in_plane = padded(input.channels.div_ceil(S::LANES) * most);
        let out_plane = padded(blocks * most);
        // In place, both take half of the second level cache's room, and the products' lines are in the first when they are stored.
        let (inputs, products, in_plane, out_plane) = if C::IN_PLACE {
            let plane = in_plane.max(out_plane);
            let products = self.part.inputs.get((C::INPUTS + 1) * plane);
            // SAFETY: there is a plane more than the inputs need.
            (unsafe { products.add(plane) }, products, plane, plane)
        } else {
            let inputs = self.part.inputs.get(C::INPUTS * in_plane);
            (inputs, self.part.outputs.get(C::TERMS.len() * out_plane), in_plane, out_plane)
        };
        let line = self.part.line.get(line_len(columns, C::INPUT_STEP, S::LANES));
        // SAFETY: the line is that long.
        unsafe { clear_ends(line, input.width, columns, C::INPUT_STEP, S::LANES) };

        let mut joined = tiling.pixel_rows(input, C::INPUT_STEP, 0..self.rows.start).end;
        let mut row = self.rows.start;
        while row < self.rows.end {
            let rows = row..(row + self.rows_at_once).min(self.rows.end);
            let next = rows.end..(rows.end + self.rows_at_once).min(self.rows.end);
            let tiles = rows.len() * columns;
            if let Some(join) = self.join {
                let last = rows.end - 1;
                let end = last / tiling.rows * input.height
                    + ((last % tiling.rows + 1) * C::INPUT_STEP + C::REACH).min(input.height);
                // SAFETY: the join's rows are cut as this job's tile rows are, at whole images or not at all.
                unsafe { join.make(simd, joined..end) };
                joined = end;
            }
            for (i, row) in rows.clone().enumerate() {
                let row = InputRow {
                    source,
                    map: input,
                    rows: tiling.rows,
                    columns,
                    row,
                    // SAFETY: the planes hold `rows_at_once` rows.
                    to: unsafe { inputs.add(i * columns * S::LANES) },
                    plane: in_plane,
                    block: tiles * S::LANES,
                    line,
                };
                C::input(simd, row);
            }
            let read = source.tensors();
            let ahead = Prefetch::none()
                .and(
                    sink.tensors(),
                    tiling.pixel_rows(output, C::OUTPUT_STEP, rows.clone()),
                    output.width * output.channels,
                )
                .and(
                    self.join.map_or([read[0], read[1], std::ptr::null()], JoinRows::tensors),
                    tiling.pixel_rows(input, C::INPUT_STEP, next),
                    input.width * input.channels,
                );
            simd.call(Products {
                terms: C::TERMS,
                planes: 0..C::TERMS.len(),
                weights_from: 0,
                inputs,
                in_plane,
                weights: self.weights,
                weights_plane: self.weights_plane,
                weights_panel: full_panel::<S>() * S::LANES * input.channels,
                channels: input.channels,
                tiles,
                blocks,
                out: products,
                out_plane,
                more: false,
                ahead,
            });
            for (i, row) in rows.clone().enumerate() {
                let row = OutputRow {
                    sink,
                    map: output,
                    rows: tiling.rows,
                    columns,
                    first_block: 0,
                    blocks,
                    row,
                    // SAFETY: the planes hold `rows_at_once` rows.
                    from: unsafe { products.add(i * columns * S::LANES) },
                    plane: out_plane,
                    block: tiles * S::LANES,
                    sums: self.sums,
                };
                C::output(simd, row);
            }
            row = rows.end;
        }
    }
}

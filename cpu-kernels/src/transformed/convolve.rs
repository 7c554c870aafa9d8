//! The convolution itself, which serves as input gradient too: with turned weights.

use super::{
    InputRow, OutputRow, Prefetch, Scheme, Tiling, Weights, clear_ends, line_len, padded, weights_plane,
};
use crate::fused::{JoinRows, Sink, Source, join_all};
use crate::parallel::{self, Shared};
use crate::product::{Product, panels};
use crate::shape::Map;
use crate::simd::{Isa, Kernel, Simd};
use crate::workspace::{Buffer, ChannelSums, Part};
use std::marker::PhantomData;
use std::ops::Range;

/// What is convolved.
pub(crate) struct Convolution<'a> {
    /// The input's map.
    pub(crate) input: Map,
    /// The output's map.
    pub(crate) output: Map,
    /// The input.
    pub(crate) source: Source<'a>,
    /// What makes the input first, if anything does.
    pub(crate) join: Option<JoinRows<'a>>,
    /// `[3][3][inputs][outputs]`
    pub(crate) weights: &'a [f32],
    /// Where the output goes.
    pub(crate) sink: Sink<'a>,
}

/// Convolves.
pub(crate) fn convolve<C: Scheme>(
    isa: Isa,
    shared: &mut Buffer,
    parts: &mut [Part],
    sums: &mut ChannelSums,
    convolution: &Convolution,
) {
    let tiling = Tiling::new(convolution.input, convolution.output, C::OUTPUT_STEP);
    let outputs = convolution.output.channels;
    // With fewer tiles than output channels most of the work is in transforming the weights: do it for some channels after
    // the others, each thread its own, in little memory.
    let groups = isa.run(Groups { outputs });
    if tiling.tiles() <= 32 && tiling.tiles() < outputs && groups >= parts.len() {
        by_channels::<C>(isa, shared, parts, sums, convolution, &tiling, groups);
    } else {
        by_rows::<C>(isa, shared, parts, sums, convolution, &tiling);
    }
}

/// Transforms the weights for all threads, then lets each do tile rows, some at a time.
fn by_rows<C: Scheme>(
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
                weights: convolution.weights,
                inputs,
                outputs,
                channels: parallel::part(inputs, 4, n, i),
                blocks: 0..outputs.div_ceil(isa.lanes()),
                to: { transformed }.0,
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
        let inputs = self.part.inputs.get(C::INPUTS * in_plane);
        let products = self.part.outputs.get(C::TERMS.len() * out_plane);
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
            let here = Prefetch::new(
                sink.tensors(),
                tiling.pixel_rows(output, C::OUTPUT_STEP, rows.clone()),
                output.width * output.channels,
            );
            let read = source.tensors();
            let ahead = Prefetch::new(
                self.join.map_or([read[0], read[1], std::ptr::null()], JoinRows::tensors),
                tiling.pixel_rows(input, C::INPUT_STEP, next),
                input.width * input.channels,
            );
            for (plane, terms) in C::TERMS.iter().enumerate() {
                here.some(simd, plane, C::TERMS.len());
                ahead.some(simd, plane, C::TERMS.len());
                // SAFETY: all buffers hold the scheme's planes.
                unsafe {
                    simd.call(Product {
                        pairs: terms,
                        inputs,
                        in_plane,
                        weights: self.weights,
                        weights_plane: self.weights_plane,
                        channels: input.channels,
                        tiles,
                        blocks,
                        out: products.add(plane * out_plane),
                    });
                }
            }
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

/// Transforms the inputs of all tiles, then lets each thread do groups of output channels.
fn by_channels<C: Scheme>(
    isa: Isa,
    shared: &mut Buffer,
    parts: &mut [Part],
    sums: &mut ChannelSums,
    convolution: &Convolution,
    tiling: &Tiling,
    groups: usize,
) {
    if let Some(join) = &convolution.join {
        join_all(isa, parts, join);
    }
    let plane = padded(convolution.input.channels.next_multiple_of(isa.lanes()) * tiling.tiles());
    let inputs = Shared(shared.get(C::INPUTS * plane));
    let n = parallel::jobs(tiling.all_rows());
    parallel::share(parts, 0..n, |i, part| {
        isa.run(TransformInputs::<C> {
            convolution,
            tiling,
            rows: parallel::part(tiling.all_rows(), 1, n, i),
            to: { inputs }.0,
            plane,
            part,
            scheme: PhantomData,
        });
    });
    let n = parallel::jobs(groups);
    parallel::share(parts, sums.start(n), |(i, sums), part| {
        isa.run(GroupRange::<C> {
            convolution,
            tiling,
            groups: parallel::part(groups, 1, n, i),
            inputs: { inputs }.0,
            in_plane: plane,
            part,
            sums,
            scheme: PhantomData,
        });
    });
}

/// The most blocks of a group.
const GROUP: usize = 4;

/// Groups of panels, (first block, blocks): a cache line of weights or more, so that none is read for the sake of a part.
#[inline(always)]
fn groups<S: Simd>(outputs: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut panels = panels::<S>(outputs.div_ceil(S::LANES));
    std::iter::from_fn(move || {
        let (first, mut blocks) = panels.next()?;
        while blocks * S::LANES < 16
            && let Some((_, more)) = panels.next()
        {
            blocks += more;
        }
        Some((first, blocks))
    })
}

/// Counts the groups.
struct Groups {
    outputs: usize,
}

impl Kernel for Groups {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        groups::<S>(self.outputs).count()
    }
}

/// One job's share of transforming all the inputs.
struct TransformInputs<'a, C> {
    convolution: &'a Convolution<'a>,
    tiling: &'a Tiling,
    rows: Range<usize>,
    to: *mut f32,
    plane: usize,
    part: &'a mut Part,
    scheme: PhantomData<C>,
}

impl<C: Scheme> Kernel for TransformInputs<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Convolution { input, source, .. } = self.convolution;
        let columns = self.tiling.columns;
        let line = self.part.line.get(line_len(columns, C::INPUT_STEP, S::LANES));
        // SAFETY: the line is that long.
        unsafe { clear_ends(line, input.width, columns, C::INPUT_STEP, S::LANES) };
        for row in self.rows {
            let row = InputRow {
                source,
                map: input,
                rows: self.tiling.rows,
                columns,
                row,
                // SAFETY: the planes hold all rows.
                to: unsafe { self.to.add(row * columns * S::LANES) },
                plane: self.plane,
                block: self.tiling.tiles() * S::LANES,
                line,
            };
            C::input(simd, row);
        }
    }
}

/// One job's groups of output channels, for all tiles.
struct GroupRange<'a, C> {
    convolution: &'a Convolution<'a>,
    tiling: &'a Tiling,
    groups: Range<usize>,
    inputs: *const f32,
    in_plane: usize,
    part: &'a mut Part,
    sums: &'a mut [f64],
    scheme: PhantomData<C>,
}

impl<C: Scheme> Kernel for GroupRange<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Convolution { input, output, sink, weights, .. } = self.convolution;
        let tiling = self.tiling;
        let weights_plane = padded(input.channels * GROUP * S::LANES);
        let out_plane = padded(GROUP * tiling.tiles() * S::LANES);
        let transformed = self.part.weights.get(C::WEIGHTS * weights_plane);
        let products = self.part.outputs.get(C::TERMS.len() * out_plane);
        for (first, width) in groups::<S>(output.channels).skip(self.groups.start).take(self.groups.len()) {
            let group = Weights {
                weights,
                inputs: input.channels,
                outputs: output.channels,
                channels: 0..input.channels,
                blocks: first..first + width,
                to: transformed,
                plane: weights_plane,
            };
            C::weights(simd, group);
            for (plane, terms) in C::TERMS.iter().enumerate() {
                // SAFETY: all buffers hold the scheme's planes.
                unsafe {
                    simd.call(Product {
                        pairs: terms,
                        inputs: self.inputs,
                        in_plane: self.in_plane,
                        weights: transformed,
                        weights_plane,
                        channels: input.channels,
                        tiles: tiling.tiles(),
                        blocks: width,
                        out: products.add(plane * out_plane),
                    });
                }
            }
            for row in 0..tiling.all_rows() {
                let row = OutputRow {
                    sink,
                    map: output,
                    rows: tiling.rows,
                    columns: tiling.columns,
                    first_block: first,
                    blocks: width,
                    row,
                    // SAFETY: the planes hold all rows.
                    from: unsafe { products.add(row * tiling.columns * S::LANES) },
                    plane: out_plane,
                    block: tiling.tiles() * S::LANES,
                    sums: self.sums,
                };
                C::output(simd, row);
            }
        }
    }
}

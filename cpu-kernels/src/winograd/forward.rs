//! The convolution itself, which serves as input gradient too: with turned weights.

use super::input::{InputRow, line_len};
use super::output::OutputRow;
use super::weights::{WeightTransform, planes};
use super::{PATCH, PLANES, TILE, Tiling, padded};
use crate::fused::{JoinRows, Sink, Source, join_all};
use crate::parallel::{self, Shared};
use crate::product::{Product, panels};
use crate::shape::Map;
use crate::simd::{Isa, Kernel, Simd};
use crate::workspace::{Buffer, Part};
use std::ops::Range;

/// A convolution of stride 1.
pub(crate) struct Convolution<'a> {
    /// The input's map.
    pub(crate) map: Map,
    /// Output channels.
    pub(crate) outputs: usize,
    /// The input.
    pub(crate) source: Source<'a>,
    /// What makes the input first, if anything does.
    pub(crate) join: Option<JoinRows<'a>>,
    /// `[3][3][inputs][outputs]`
    pub(crate) weights: &'a [f32],
    /// Where the output goes.
    pub(crate) sink: Sink<'a>,
}

/// Tiles that a thread transforms at a time: as many as keep their planes in its cache.
fn tiles_at_once(tiling: &Tiling, channels: usize) -> usize {
    if tiling.height <= 8 { 32 } else { (512 / channels).clamp(8, 64) }
}

/// Runs it. The parts' sums, which the sink adds to, must be zero; they are `2 * blocks * LANES` long.
pub(crate) fn convolve(isa: Isa, shared: &mut Buffer, parts: &mut [Part], convolution: &Convolution) {
    let tiling = Tiling::new(&convolution.map);
    let (inputs, outputs) = (convolution.map.channels, convolution.outputs);
    let tiles = tiling.all_rows() * tiling.columns;
    // With fewer tiles than output channels most of the work is in transforming the weights: do it panel by panel, each
    // thread its own panels, in little memory.
    let panels = isa.run(Panels { outputs });
    if tiles <= 32 && tiles < outputs && panels >= parts.len() {
        by_panels(isa, shared, parts, convolution, &tiling);
    } else {
        by_rows(isa, shared, parts, convolution, &tiling, inputs.max(outputs));
    }
}

struct Panels {
    outputs: usize,
}

impl Kernel for Panels {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        panels::<S>(self.outputs.div_ceil(S::LANES)).count()
    }
}

fn by_rows(
    isa: Isa,
    shared: &mut Buffer,
    parts: &mut [Part],
    convolution: &Convolution,
    tiling: &Tiling,
    channels: usize,
) {
    let Convolution { map, outputs, weights, .. } = *convolution;
    let (len, plane) = planes(map.channels, outputs, isa.lanes());
    let transformed = Shared(shared.get(len));
    let n = parts.len();
    parallel::each(parts, |i, _| {
        isa.run(WeightTransform {
            weights,
            inputs: map.channels,
            outputs,
            channels: parallel::part(map.channels, 4, n, i),
            blocks: 0..outputs.div_ceil(isa.lanes()),
            to: { transformed }.0,
            plane,
        });
    });
    // A join is made just ahead of its use where no other thread needs the rows: in whole images.
    let grain = if map.images >= 4 * n || map.images.is_multiple_of(n) { tiling.rows } else { 1 };
    let mut join = convolution.join.as_ref();
    if n > 1
        && grain == 1
        && let Some(rows) = join.take()
    {
        join_all(isa, parts, rows);
    }
    let rows_at_once = (tiles_at_once(tiling, channels) / tiling.columns).max(1);
    parallel::each(parts, |i, part| {
        isa.run(Rows {
            convolution,
            tiling,
            join,
            rows: parallel::part(tiling.all_rows(), grain, n, i),
            rows_at_once,
            weights: { transformed }.0,
            weights_plane: plane,
            part,
        });
    });
}

/// One thread's tile rows.
struct Rows<'a> {
    convolution: &'a Convolution<'a>,
    tiling: &'a Tiling,
    join: Option<&'a JoinRows<'a>>,
    rows: Range<usize>,
    rows_at_once: usize,
    weights: *const f32,
    weights_plane: usize,
    part: &'a mut Part,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Convolution { map, outputs, source, sink, .. } = self.convolution;
        let tiling = self.tiling;
        let (in_blocks, out_blocks) = (map.channels.div_ceil(S::LANES), outputs.div_ceil(S::LANES));
        let most = self.rows_at_once * tiling.columns * S::LANES;
        let (in_plane, out_plane) = (padded(in_blocks * most), padded(out_blocks * most));
        let inputs = self.part.inputs.get(PLANES * in_plane);
        let products = self.part.outputs.get(PLANES * out_plane);
        let line = self.part.line.get(line_len(tiling));
        // SAFETY: the line is that long.
        unsafe { clear_ends(simd, line, tiling) };

        let mut joined = tiling.pixel_rows(0..self.rows.start).end;
        let mut row = self.rows.start;
        while row < self.rows.end {
            let rows = row..(row + self.rows_at_once).min(self.rows.end);
            let next = rows.end..(rows.end + self.rows_at_once).min(self.rows.end);
            let tiles = rows.len() * tiling.columns;
            if let Some(join) = self.join {
                let end = tiling.needed(rows.end - 1);
                // SAFETY: the join's rows are cut as this thread's tile rows are, at whole images or not at all.
                unsafe { join.make(simd, joined..end) };
                joined = end;
            }
            for (i, row) in rows.clone().enumerate() {
                simd.call(InputRow {
                    source,
                    tiling,
                    channels: map.channels,
                    row,
                    // SAFETY: the planes hold `rows_at_once` rows.
                    to: unsafe { inputs.add(i * tiling.columns * S::LANES) },
                    plane: in_plane,
                    block: tiles * S::LANES,
                    line,
                });
            }
            let here = Prefetch::new(sink.tensors(), tiling.pixel_rows(rows.clone()), tiling.width * outputs);
            let ahead = Prefetch::new(
                self.join
                    .map_or([source.tensors()[0], source.tensors()[1], std::ptr::null()], JoinRows::tensors),
                tiling.pixel_rows(next.clone()),
                tiling.width * map.channels,
            );
            for plane in 0..PLANES {
                here.some(simd, plane);
                ahead.some(simd, plane);
                // SAFETY: all buffers hold `PLANES` planes.
                unsafe {
                    simd.call(Product {
                        pairs: &[(
                            inputs.add(plane * in_plane),
                            self.weights.add(plane * self.weights_plane),
                        )],
                        channels: map.channels,
                        tiles,
                        blocks: out_blocks,
                        out: products.add(plane * out_plane),
                    });
                }
            }
            for (i, row) in rows.clone().enumerate() {
                simd.call(OutputRow {
                    sink,
                    tiling,
                    channels: *outputs,
                    first_block: 0,
                    blocks: out_blocks,
                    row,
                    // SAFETY: the planes hold `rows_at_once` rows.
                    from: unsafe { products.add(i * tiling.columns * S::LANES) },
                    plane: out_plane,
                    block: tiles * S::LANES,
                    sums: &mut self.part.sums,
                });
            }
            row = rows.end;
        }
    }
}

/// Zeros the columns of a line that lie outside the map.
///
/// # Safety
/// `line` must be [`line_len`] long.
#[inline(always)]
pub(super) unsafe fn clear_ends<S: Simd>(simd: S, line: *mut f32, tiling: &Tiling) {
    let step = TILE * tiling.columns + 2;
    for i in 0..PATCH {
        for x in std::iter::once(0).chain(tiling.width + 1..step) {
            // SAFETY: `step` columns in each of the line's rows.
            unsafe { simd.store(line.add((i * step + x) * S::LANES), simd.zero()) };
        }
    }
}

fn by_panels(isa: Isa, shared: &mut Buffer, parts: &mut [Part], convolution: &Convolution, tiling: &Tiling) {
    if let Some(join) = &convolution.join {
        join_all(isa, parts, join);
    }
    let channels = convolution.map.channels;
    let tiles = tiling.all_rows() * tiling.columns;
    let plane = padded(channels.next_multiple_of(isa.lanes()) * tiles);
    let inputs = Shared(shared.get(PLANES * plane));
    let n = parts.len();
    parallel::each(parts, |i, part| {
        isa.run(Transform {
            convolution,
            tiling,
            rows: parallel::part(tiling.all_rows(), 1, n, i),
            to: { inputs }.0,
            plane,
            part,
        });
    });
    parallel::each(parts, |i, part| {
        isa.run(PanelRange {
            convolution,
            tiling,
            index: i,
            of: n,
            inputs: { inputs }.0,
            in_plane: plane,
            part,
        });
    });
}

/// One thread's share of transforming all the inputs.
struct Transform<'a> {
    convolution: &'a Convolution<'a>,
    tiling: &'a Tiling,
    rows: Range<usize>,
    to: *mut f32,
    plane: usize,
    part: &'a mut Part,
}

impl Kernel for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let tiling = self.tiling;
        let line = self.part.line.get(line_len(tiling));
        // SAFETY: the line is that long.
        unsafe { clear_ends(simd, line, tiling) };
        for row in self.rows {
            simd.call(InputRow {
                source: &self.convolution.source,
                tiling,
                channels: self.convolution.map.channels,
                row,
                // SAFETY: the planes hold all rows.
                to: unsafe { self.to.add(row * tiling.columns * S::LANES) },
                plane: self.plane,
                block: tiling.all_rows() * tiling.columns * S::LANES,
                line,
            });
        }
    }
}

/// One thread's panels of output channels, for all tiles.
struct PanelRange<'a> {
    convolution: &'a Convolution<'a>,
    tiling: &'a Tiling,
    index: usize,
    of: usize,
    inputs: *const f32,
    in_plane: usize,
    part: &'a mut Part,
}

impl Kernel for PanelRange<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Convolution { map, outputs, sink, weights, .. } = self.convolution;
        let tiling = self.tiling;
        let tiles = tiling.all_rows() * tiling.columns;
        let blocks = outputs.div_ceil(S::LANES);
        let mine = parallel::part(panels::<S>(blocks).count(), 1, self.of, self.index);
        let weights_plane = padded(map.channels * 3 * S::LANES);
        let out_plane = padded(3 * tiles * S::LANES);
        let transformed = self.part.weights.get(PLANES * weights_plane);
        let products = self.part.outputs.get(PLANES * out_plane);
        for (first, width) in panels::<S>(blocks).skip(mine.start).take(mine.len()) {
            simd.call(WeightTransform {
                weights,
                inputs: map.channels,
                outputs: *outputs,
                channels: 0..map.channels,
                blocks: first..first + width,
                to: transformed,
                plane: weights_plane,
            });
            for plane in 0..PLANES {
                // SAFETY: all buffers hold `PLANES` planes.
                unsafe {
                    simd.call(Product {
                        pairs: &[(
                            self.inputs.add(plane * self.in_plane),
                            transformed.add(plane * weights_plane),
                        )],
                        channels: map.channels,
                        tiles,
                        blocks: width,
                        out: products.add(plane * out_plane),
                    });
                }
            }
            for row in 0..tiling.all_rows() {
                simd.call(OutputRow {
                    sink,
                    tiling,
                    channels: *outputs,
                    first_block: first,
                    blocks: width,
                    row,
                    // SAFETY: the planes hold all rows.
                    from: unsafe { products.add(row * tiling.columns * S::LANES) },
                    plane: out_plane,
                    block: tiles * S::LANES,
                    sums: &mut self.part.sums,
                });
            }
        }
    }
}

/// Brings rows of pixels into the cache, a share at each plane's product.
pub(super) struct Prefetch<const N: usize> {
    tensors: [*const f32; N],
    at: usize,
    lines: usize,
}

impl<const N: usize> Prefetch<N> {
    pub(super) fn new(tensors: [*const f32; N], rows: Range<usize>, row: usize) -> Prefetch<N> {
        Prefetch { tensors, at: rows.start * row, lines: (rows.len() * row).div_ceil(16) }
    }

    #[inline(always)]
    pub(super) fn some<S: Simd>(&self, simd: S, plane: usize) {
        for line in self.lines * plane / PLANES..self.lines * (plane + 1) / PLANES {
            for p in self.tensors {
                if !p.is_null() {
                    simd.prefetch(p.wrapping_add(self.at + 16 * line));
                }
            }
        }
    }
}

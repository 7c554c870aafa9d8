//! Convolution of few tiles: all of them are transformed once, and jobs are output channels.

use super::{Convolution, InputRow, OutputRow, Scheme, Tiling, Weights, clear_ends, line_len, padded};
use crate::fused::join_all;
use crate::parallel::{self, Shared};
use crate::prefetch::Prefetch;
use crate::product::{Products, full_panel, panels};
use crate::simd::{Isa, Kernel, Simd};
use crate::workspace::{Buffer, ChannelSums, Part};
use std::marker::PhantomData;
use std::ops::Range;

/// Transforms the inputs of all tiles, then lets each thread do groups of output channels.
pub(super) fn by_channels<C: Scheme>(
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

/// The least channels of a group: with threads, a cache line of dense weights, so that none is read for the sake of a part.
/// Without, what the transformed inputs of so many tiles are read once for.
fn group(tiles: usize) -> usize {
    match tiles {
        _ if cfg!(feature = "threads") => 16,
        0..=32 => 8,
        _ => 32,
    }
}
/// The most blocks of a panel.
const PANEL: usize = if cfg!(target_arch = "wasm32") { 2 } else { 4 };
/// Input channels whose weights are transformed at a time, so that the planes of weights are of a size that is known when
/// compiling, and stay in the second level cache until their product. A multiple of any set's LANES.
const SLICE: usize = if cfg!(target_arch = "wasm32") { 256 } else { 64 };

/// Groups of panels: (first block, blocks).
#[inline(always)]
fn groups<S: Simd>(outputs: usize, tiles: usize) -> impl Iterator<Item = (usize, usize)> {
    let least = group(tiles);
    let mut panels = panels::<S>(outputs.div_ceil(S::LANES));
    std::iter::from_fn(move || {
        let (first, mut blocks) = panels.next()?;
        while blocks * S::LANES < least
            && let Some((_, more)) = panels.next()
        {
            blocks += more;
        }
        Some((first, blocks))
    })
}

/// Counts the groups.
pub(super) struct Groups {
    pub(super) outputs: usize,
    pub(super) tiles: usize,
}

impl Kernel for Groups {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        groups::<S>(self.outputs, self.tiles).count()
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
        let Convolution { input, output, sink, filters, .. } = self.convolution;
        let tiling = self.tiling;
        let tile_block = tiling.tiles() * S::LANES;
        let weights_plane = padded(SLICE * PANEL * S::LANES);
        let (weights_of_stage, products_of_stage) = (C::WEIGHTS / C::STAGES, C::TERMS.len() / C::STAGES);
        let weights_panel = weights_of_stage * weights_plane;
        let most =
            output.channels.div_ceil(S::LANES).min(group(tiling.tiles()).div_ceil(S::LANES) + PANEL - 1);
        let out_plane = padded(most * tile_block);
        let transformed = self.part.weights.get(most.div_ceil(full_panel::<S>()) * weights_panel);
        let products = self.part.outputs.get(C::TERMS.len() * out_plane);
        for (first, width) in
            groups::<S>(output.channels, tiling.tiles()).skip(self.groups.start).take(self.groups.len())
        {
            let slices = (0..input.channels).step_by(SLICE);
            for (slice, stage) in slices.flat_map(|slice| (0..C::STAGES).map(move |stage| (slice, stage))) {
                let channels = slice..(slice + SLICE).min(input.channels);
                for (panel, panel_width) in panels::<S>(width) {
                    let panel_weights = Weights {
                        filters,
                        inputs: input.channels,
                        outputs: output.channels,
                        channels: channels.clone(),
                        blocks: first + panel..first + panel + panel_width,
                        to: transformed.wrapping_add(panel / full_panel::<S>() * weights_panel),
                        to_channels: channels.clone(),
                        plane: weights_plane,
                    };
                    C::weights_of_stage(simd, panel_weights, stage);
                }
                simd.call(Products {
                    terms: C::TERMS,
                    planes: products_of_stage * stage..products_of_stage * (stage + 1),
                    weights_from: weights_of_stage * stage,
                    // SAFETY: the planes hold all channels; slices start at blocks.
                    inputs: unsafe { self.inputs.add(slice / S::LANES * tile_block) },
                    in_plane: self.in_plane,
                    weights: transformed,
                    weights_plane,
                    weights_panel,
                    channels: channels.len(),
                    tiles: tiling.tiles(),
                    blocks: width,
                    out: products,
                    out_plane,
                    more: slice > 0,
                    ahead: Prefetch::none(),
                });
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
                    block: tile_block,
                    sums: self.sums,
                };
                C::output(simd, row);
            }
        }
    }
}

//! The weight gradient.

use super::forward::{Prefetch, clear_ends};
use super::gradient::GradientRow;
use super::input::{InputRow, line_len};
use super::weights::{WeightGradientTransform, planes};
use super::{PLANES, Tiling, padded};
use crate::fused::Source;
use crate::parallel::{self, Shared};
use crate::product::OuterProduct;
use crate::shape::Map;
use crate::simd::{Isa, Kernel, Simd};
use crate::workspace::Part;
use std::ops::Range;

/// Tiles that a thread transforms at a time. Every time all the sums pass once: where they are too large for the second
/// level cache, more tiles share a pass; where not, tiles and sums together should fit it.
fn tiles_at_once(inputs: usize, outputs: usize) -> usize {
    if PLANES * inputs * outputs > 1 << 18 { 32 } else { (512 / inputs.max(outputs)).clamp(8, 64) }
}

/// Overwrites `dw` (`[3][3][inputs][outputs]`).
pub(crate) fn weight_gradient(
    isa: Isa,
    parts: &mut [Part],
    map: &Map,
    outputs: usize,
    input: Source,
    gradient: Source,
    dw: &mut [f32],
) {
    let tiling = Tiling::new(map);
    let inputs = map.channels;
    let (len, plane) = planes(inputs, outputs, isa.lanes());
    let rows_at_once = (tiles_at_once(inputs, outputs) / tiling.columns).max(1);
    // No more threads than blocks of rows, so that every thread leaves sums.
    let n = parts.len().min(tiling.all_rows().div_ceil(rows_at_once)).max(1);
    let parts = &mut parts[..n];
    parallel::each(parts, |i, part| {
        isa.run(Rows {
            map,
            tiling: &tiling,
            outputs,
            input: &input,
            gradient: &gradient,
            rows: parallel::part(tiling.all_rows(), 1, n, i),
            rows_at_once,
            sums_len: len,
            sums_plane: plane,
            part,
        });
    });
    let sums: Vec<Shared> = parts.iter_mut().map(|p| Shared(p.weights.get(len))).collect();
    let to = Shared(dw.as_mut_ptr());
    parallel::each(parts, |i, _| {
        let sums: Vec<*const f32> = sums.iter().map(|s| s.0.cast_const()).collect();
        isa.run(WeightGradientTransform {
            sums: &sums,
            inputs,
            outputs,
            channels: parallel::part(inputs, 4, n, i),
            to: { to }.0,
            plane,
        });
    });
}

/// One thread's tile rows.
struct Rows<'a> {
    map: &'a Map,
    tiling: &'a Tiling,
    outputs: usize,
    input: &'a Source<'a>,
    gradient: &'a Source<'a>,
    rows: Range<usize>,
    rows_at_once: usize,
    sums_len: usize,
    sums_plane: usize,
    part: &'a mut Part,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Rows { map, tiling, outputs, .. } = self;
        let (in_blocks, out_blocks) = (map.channels.div_ceil(S::LANES), outputs.div_ceil(S::LANES));
        let most = self.rows_at_once * tiling.columns * S::LANES;
        let (in_plane, out_plane) = (padded(in_blocks * most), padded(out_blocks * most));
        let inputs = self.part.inputs.get(PLANES * in_plane);
        let gradients = self.part.outputs.get(PLANES * out_plane);
        let sums = self.part.weights.get(self.sums_len);
        let line = self.part.line.get(line_len(tiling));
        // SAFETY: the line is that long.
        unsafe { clear_ends(simd, line, tiling) };

        let mut row = self.rows.start;
        while row < self.rows.end {
            let rows = row..(row + self.rows_at_once).min(self.rows.end);
            let next = rows.end..(rows.end + self.rows_at_once).min(self.rows.end);
            let tiles = rows.len() * tiling.columns;
            for (i, row) in rows.clone().enumerate() {
                let tile = i * tiling.columns * S::LANES;
                // SAFETY: the planes hold `rows_at_once` rows.
                unsafe {
                    simd.call(InputRow {
                        source: self.input,
                        tiling,
                        channels: map.channels,
                        row,
                        to: inputs.add(tile),
                        plane: in_plane,
                        block: tiles * S::LANES,
                        line,
                    });
                    simd.call(GradientRow {
                        source: self.gradient,
                        tiling,
                        channels: outputs,
                        row,
                        to: gradients.add(tile),
                        plane: out_plane,
                        block: tiles * S::LANES,
                    });
                }
            }
            let next = tiling.pixel_rows(next);
            let ahead = [
                Prefetch::new(self.input.tensors(), next.clone(), tiling.width * map.channels),
                Prefetch::new(self.gradient.tensors(), next, tiling.width * outputs),
            ];
            for plane in 0..PLANES {
                ahead[0].some(simd, plane);
                ahead[1].some(simd, plane);
                // SAFETY: all buffers hold `PLANES` planes.
                unsafe {
                    simd.call(OuterProduct {
                        inputs: inputs.add(plane * in_plane),
                        gradients: gradients.add(plane * out_plane),
                        channels: map.channels,
                        tiles,
                        blocks: out_blocks,
                        sums: sums.add(plane * self.sums_plane),
                        first: row == self.rows.start,
                    });
                }
            }
            row = rows.end;
        }
    }
}

//! A convolution as the shaders see it, and the dispatches that carry it out.

use super::kernels::{Kernels, Pipe, SIZES, Variant};
use super::memory::Memory;
use super::program::Draft;
use crate::error::EngineError;

/// No shortcut, in a convolution's table.
const NO_SHORTCUT: u32 = u32::MAX;
/// Pixels of a tile's side.
const TILE: u32 = 8;
/// Groups of four outputs of a tile; half as many where the inputs are shared out inside a workgroup.
const TILE_C4: u32 = 8;
/// With this many workgroups over all parts, dividing the inputs further gains nothing.
const GROUPS_ENOUGH: u64 = 256;
/// From so many tiles on a layer counts as large: a batch of 8 has them in every stage of a wrn-32-4.
const MANY_TILES: u64 = 64;

/// Sizes of one image's map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) height: u32,
    pub(super) width: u32,
    /// Groups of four channels.
    pub(super) c4: u32,
}

/// Four outputs of a layer.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The shortcut's group of four channels that is added to them.
    pub(super) skip_c4: Option<u32>,
    /// For each span of inputs where the weights from it begin, in elements of four inputs by four outputs.
    pub(super) blocks: Vec<u32>,
}

/// A convolution.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) images: u32,
    pub(super) input: Map,
    pub(super) output: Map,
    pub(super) stride: u32,
    /// Where its scales begin in the level's own parameters, in groups of four; the shifts follow.
    pub(super) norm: u32,
    /// The shortcut's input and stride.
    pub(super) skip: Option<(Map, u32)>,
    /// Groups of four inputs of each span.
    pub(super) spans: Vec<u32>,
    /// For each four outputs.
    pub(super) rows: Vec<Row>,
}

/// What a layer reads and writes.
#[derive(Clone, Copy)]
pub(super) struct Buffers<'a> {
    pub(super) x: &'a Memory,
    pub(super) weights: &'a Memory,
    pub(super) norms: &'a Memory,
    pub(super) skip: &'a Memory,
    pub(super) y: &'a Memory,
    /// Room for [`Layer::sum_bytes`], where that is not 0.
    pub(super) sums: Option<&'a Memory>,
}

impl Layer {
    /// Tiles of 8 x 8 pixels by 32 outputs.
    fn tiles(&self) -> u64 {
        let across = u64::from(self.output.width.div_ceil(TILE) * self.output.height.div_ceil(TILE));
        u64::from(self.images) * across * u64::from(self.output.c4.div_ceil(TILE_C4))
    }

    /// Whether it has tiles enough to fill a GPU without dividing the inputs.
    pub(super) fn many_tiles(&self) -> bool {
        self.tiles() >= MANY_TILES
    }

    /// Parts into which the inputs are divided across workgroups.
    pub(super) fn parts(&self) -> u32 {
        let enough = |parts: &u32| self.tiles() * u64::from(*parts) >= GROUPS_ENOUGH;
        let most = self.input.c4.clamp(1, 8);
        [2, 4, 8].into_iter().filter(|&p| p <= most).find(enough).unwrap_or(most)
    }

    /// Bytes of the partial sums that a variant leaves between its dispatches.
    pub(super) fn sum_bytes(&self, variant: Variant) -> u64 {
        match variant {
            Variant::SplitAcross => 16 * u64::from(self.parts()) * self.elements(),
            _ => 0,
        }
    }

    /// Elements of four channels of the output, all images.
    fn elements(&self) -> u64 {
        u64::from(self.images) * u64::from(self.output.c4) * u64::from(self.output.height * self.output.width)
    }

    fn table(&self) -> Vec<u32> {
        let skip = self.skip.unwrap_or((Map { height: 0, width: 0, c4: 0 }, 0));
        let mut table = vec![
            self.images,
            self.input.height,
            self.input.width,
            self.input.c4,
            self.output.height,
            self.output.width,
            self.output.c4,
            self.stride,
            self.norm,
            skip.0.height,
            skip.0.width,
            skip.0.c4,
            skip.1,
            self.spans.len() as u32,
            self.parts(),
        ];
        table.resize(SIZES, 0);
        for (span, &count) in (0..).zip(&self.spans) {
            table.extend(std::iter::repeat_n(span, count as usize));
        }
        for row in &self.rows {
            table.push(row.skip_c4.unwrap_or(NO_SHORTCUT));
            let mut first = 0;
            for (block, count) in row.blocks.iter().zip(&self.spans) {
                // The shaders add the input's number; the sum is right again though this one may wrap.
                table.push(block.wrapping_sub(9 * first));
                first += count;
            }
        }
        table
    }

    /// What its speed depends on, in words.
    pub(super) fn shape(&self) -> String {
        let Map { height, width, c4 } = self.input;
        let (inputs, outputs, stride) = (4 * c4, 4 * self.output.c4, self.stride);
        let tiles = if self.many_tiles() { "many" } else { "few" };
        format!("{height} x {width} x {inputs} to {outputs}, stride {stride}, {tiles} tiles")
    }

    /// Its dispatches.
    ///
    /// # Errors
    /// If `kernels` lack the variant: a fault of who chose it.
    pub(super) fn drafts<'a>(
        &self,
        kernels: &'a Kernels,
        variant: Variant,
        buffers: &Buffers<'a>,
    ) -> Result<Vec<Draft<'a>>, EngineError> {
        let Buffers { x, weights, norms, skip, y, sums } = *buffers;
        let draft = |&pipe: &Pipe| {
            let (x, y) = match (pipe, sums) {
                (Pipe::SplitAcross, Some(sums)) => (x, sums),
                (Pipe::Fold, Some(sums)) => (sums, y),
                _ => (x, y),
            };
            Ok(Draft {
                kernel: kernels.get(pipe)?,
                table: self.table(),
                bindings: [x, weights, norms, skip, y].map(Memory::binding).into(),
                workgroups: self.workgroups(pipe),
            })
        };
        variant.pipes(self.stride).iter().map(draft).collect()
    }

    fn workgroups(&self, pipe: Pipe) -> u64 {
        let windows = u64::from(self.output.height.div_ceil(2)) * u64::from(self.output.width.div_ceil(2));
        let items = u64::from(self.images) * u64::from(self.output.c4) * windows;
        match pipe {
            Pipe::RegistersSplit => (4 * items).div_ceil(pipe.threads()),
            Pipe::SplitInside => {
                let halves = u64::from(self.output.c4.div_ceil(TILE_C4 / 2));
                self.tiles() / u64::from(self.output.c4.div_ceil(TILE_C4)) * halves
            }
            Pipe::SplitAcross => self.tiles() * u64::from(self.parts()),
            Pipe::Tiles | Pipe::Winograd => self.tiles(),
            Pipe::Fold => self.elements().div_ceil(pipe.threads()),
            _ => items.div_ceil(pipe.threads()),
        }
    }
}

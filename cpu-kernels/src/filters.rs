//! A convolution's weights as they lie in memory.

use crate::shape::{Shape, check_len};

/// Output channels that lie together in a packed block: what a panel of the product takes from it at a time.
const PANEL: usize = if cfg!(target_arch = "wasm32") { 8 } else { 16 };

/// A convolution's weights.
#[derive(Clone, Copy, Debug)]
pub enum Filters<'a> {
    /// `[3][3][inputs][outputs]`
    Dense(&'a [f32]),
    /// Blocks that together reach from every input to every output; for what is transformed: strides 1 and 2, 4 input
    /// channels or more. They are read once and in the order in which they lie.
    Blocks(FilterBlocks<'a>),
}

/// Weights in a block for each run of input channels and each run of output channels.
#[derive(Clone, Copy, Debug)]
pub struct FilterBlocks<'a> {
    /// The runs of input channels, in their order.
    pub inputs: &'a [Run],
    /// The runs of output channels, in their order.
    pub outputs: &'a [Run],
    /// A table of blocks as [`pack_filters`] makes them: a row for each run of outputs, a column for each run of inputs.
    pub table: &'a [Vec<f32>],
    /// Columns of the table.
    pub columns: usize,
}

/// A run of adjacent channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The channel after its last, a multiple of 4. It starts where the run before it ends.
    pub end: usize,
    /// Its row or column of the table.
    pub index: usize,
}

impl<'a> From<&'a [f32]> for Filters<'a> {
    fn from(dense: &'a [f32]) -> Filters<'a> {
        Filters::Dense(dense)
    }
}

impl<'a> From<&'a Vec<f32>> for Filters<'a> {
    fn from(dense: &'a Vec<f32>) -> Filters<'a> {
        Filters::Dense(dense)
    }
}

impl<'a> From<FilterBlocks<'a>> for Filters<'a> {
    fn from(blocks: FilterBlocks<'a>) -> Filters<'a> {
        Filters::Blocks(blocks)
    }
}

/// Packs a block's weights `[outputs][inputs][3][3]` for [`FilterBlocks`]: in as many numbers, `[panel of output
/// channels][input][3][3][output of the panel]`.
///
/// # Panics
/// Where their number is no multiple of `9 * inputs`.
pub fn pack_filters(weights: &[f32], inputs: usize) -> Vec<f32> {
    let one = 9 * inputs;
    assert!(one > 0 && weights.len().is_multiple_of(one), "{} weights for {inputs} inputs", weights.len());
    let mut packed = vec![0.0; weights.len()];
    for (to, from) in packed.chunks_mut(PANEL * one).zip(weights.chunks(PANEL * one)) {
        let width = from.len() / one;
        for (o, filter) in from.chunks_exact(one).enumerate() {
            to[o..].iter_mut().step_by(width).zip(filter).for_each(|(to, from)| *to = *from);
        }
    }
    packed
}

/// Where weights of adjacent output channels lie, for a channel and those after it in its run of input channels.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The first tap of the channel.
    pub(crate) first: *const f32,
    /// Floats from input channel to input channel.
    pub(crate) channel: usize,
    /// Floats from tap to tap.
    pub(crate) tap: usize,
}

impl<'a> Filters<'a> {
    /// # Panics
    /// Where they do not fit `shape`.
    pub(crate) fn check(&self, shape: &Shape) {
        match self {
            Filters::Dense(weights) => check_len("the weights", weights.len(), shape.weights()),
            Filters::Blocks(blocks) => {
                check_runs("input", blocks.inputs, shape.inputs);
                check_runs("output", blocks.outputs, shape.outputs);
                for (start, outputs) in runs(blocks.outputs) {
                    for (first, inputs) in runs(blocks.inputs) {
                        let len = 9 * (outputs.end - start) * (inputs.end - first);
                        check_len("a block of weights", blocks.block(outputs, inputs).len(), len);
                    }
                }
            }
        }
    }

    /// The weights as one dense tensor.
    ///
    /// # Panics
    /// Where they are blocks.
    pub(crate) fn dense(&self) -> &'a [f32] {
        match self {
            Filters::Dense(weights) => weights,
            Filters::Blocks(_) => panic!("a direct convolution takes dense weights"),
        }
    }

    /// Where the run of input channels ends that `channel` of so many `inputs` is in.
    pub(crate) fn run_end(&self, inputs: usize, channel: usize) -> usize {
        match self {
            Filters::Dense(_) => inputs,
            Filters::Blocks(blocks) => run(blocks.inputs, channel).1.end,
        }
    }

    /// Where the weights from `channel` to `len` outputs from `out` on lie, if they lie together.
    pub(crate) fn place(
        &self,
        inputs: usize,
        outputs: usize,
        channel: usize,
        out: usize,
        len: usize,
    ) -> Option<Place> {
        match self {
            Filters::Dense(weights) => Some(Place {
                first: weights[channel * outputs + out..].as_ptr(),
                channel: outputs,
                tap: inputs * outputs,
            }),
            Filters::Blocks(blocks) => {
                let (start, row) = run(blocks.outputs, out);
                let panel = (out - start) / PANEL * PANEL;
                let width = (row.end - start - panel).min(PANEL);
                let within = out - start - panel;
                (within + len <= width).then(|| {
                    let (first, column) = run(blocks.inputs, channel);
                    let at = 9 * (panel * (column.end - first) + (channel - first) * width) + within;
                    let block = blocks.block(row, column);
                    Place { first: block[at..].as_ptr(), channel: 9 * width, tap: width }
                })
            }
        }
    }
}

impl<'a> FilterBlocks<'a> {
    fn block(&self, outputs: &Run, inputs: &Run) -> &'a [f32] {
        assert!(inputs.index < self.columns, "no column {} of {}", inputs.index, self.columns);
        &self.table[outputs.index * self.columns + inputs.index]
    }
}

/// Every run after its first channel.
fn runs(runs: &[Run]) -> impl Iterator<Item = (usize, &Run)> {
    std::iter::once(0).chain(runs.iter().map(|r| r.end)).zip(runs)
}

/// The run that `channel` is in, after its first channel.
fn run(all: &[Run], channel: usize) -> (usize, &Run) {
    runs(all).find(|(_, run)| channel < run.end).expect("the runs were checked to reach all channels")
}

fn check_runs(what: &str, all: &[Run], channels: usize) {
    assert!(
        all.last().is_some_and(|run| run.end == channels)
            && runs(all).all(|(start, run)| start < run.end && run.end.is_multiple_of(4)),
        "the {what} channels' runs are {all:?}, expected ends that ascend in multiples of 4 to {channels}"
    );
}

//! The convolution itself, which serves as input gradient too: with turned weights.

use super::channels::{Groups, by_channels};
use super::rows::by_rows;
use super::{Scheme, Tiling};
use crate::filters::Filters;
use crate::fused::{JoinRows, Sink, Source};
use crate::shape::Map;
use crate::simd::Isa;
use crate::workspace::{Buffer, ChannelSums, Part};

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
    /// The weights.
    pub(crate) filters: Filters<'a>,
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
    let groups = isa.run(Groups { outputs, tiles: tiling.tiles() });
    if tiling.tiles() <= 32 && tiling.tiles() < outputs && groups >= parts.len() {
        by_channels::<C>(isa, shared, parts, sums, convolution, &tiling, groups);
    } else {
        by_rows::<C>(isa, shared, parts, sums, convolution, &tiling);
    }
}

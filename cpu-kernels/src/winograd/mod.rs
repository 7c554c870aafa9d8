//! Winograd's F(4x4, 3x3): stride 1, any size. A tile is 4 x 4 pixels of the output and reads 6 x 6 of the input; tiles at
//! the right and lower edge may stand out, where the input counts as zero and the output is not stored.

mod input;
mod transform;

use crate::simd::{Kernel, Simd};
use crate::transformed::{
    GradientScheme, InputRow, LARGE, OutputRow, Scheme, Tiling, WeightSums, Weights, each_patch, store_tiles,
    sums_to_weights, weights_to_planes,
};

/// Pixels of a tile's edge.
const TILE: usize = 4;
/// Pixels of a tile's input, and points of the transform.
const PATCH: usize = TILE + 2;
/// Positions of the transformed domain.
const PLANES: usize = PATCH * PATCH;

/// The scheme: as many planes of products as of inputs and weights, each with its like.
pub(crate) struct Winograd;

const TERMS: [[(usize, usize); 1]; PLANES] = {
    let mut terms = [[(0, 0)]; PLANES];
    let mut i = 0;
    while i < PLANES {
        terms[i] = [(i, i)];
        i += 1;
    }
    terms
};

impl Scheme for Winograd {
    const INPUT_STEP: usize = TILE;
    const OUTPUT_STEP: usize = TILE;
    const REACH: usize = 1;
    const INPUTS: usize = PLANES;
    const WEIGHTS: usize = PLANES;
    const STAGES: usize = PLANES / transform::STAGE;
    const TERMS: &'static [&'static [(usize, usize)]] = &{
        let mut terms: [&[(usize, usize)]; PLANES] = [&[]; PLANES];
        let mut i = 0;
        while i < PLANES {
            terms[i] = &TERMS[i];
            i += 1;
        }
        terms
    };

    fn tiles_at_once(tiling: &Tiling, inputs: usize, outputs: usize) -> usize {
        if tiling.input.height <= 8 || PLANES * inputs * outputs > LARGE {
            32
        } else {
            (512 / inputs.max(outputs)).clamp(8, 64)
        }
    }

    #[inline(always)]
    fn input<S: Simd>(simd: S, row: InputRow) {
        simd.call(input::Input(row));
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, weights: Weights) {
        // SAFETY: whoever makes `Weights` gives them weights and planes of these sizes.
        unsafe { weights_to_planes::<S, transform::Kernel<S>>(simd, &weights) };
    }

    #[inline(always)]
    fn weights_of_stage<S: Simd>(simd: S, weights: Weights, stage: usize) {
        // SAFETY: as above.
        unsafe {
            match stage {
                0 => weights_to_planes::<S, transform::KernelStage<S, 0>>(simd, &weights),
                1 => weights_to_planes::<S, transform::KernelStage<S, 1>>(simd, &weights),
                _ => weights_to_planes::<S, transform::KernelStage<S, 2>>(simd, &weights),
            }
        }
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, row: OutputRow) {
        simd.call(Output(row));
    }
}

impl GradientScheme for Winograd {
    const INPUT_STEP: usize = TILE;
    const OUTPUT_STEP: usize = TILE;
    const INPUTS: usize = PLANES;
    const GRADIENTS: usize = PLANES;
    const SUMS: usize = PLANES;
    const TERMS: &'static [(usize, usize, usize)] = &{
        let mut terms = [(0, 0, 0); PLANES];
        let mut i = 0;
        while i < PLANES {
            terms[i] = (i, i, i);
            i += 1;
        }
        terms
    };

    #[inline(always)]
    fn input<S: Simd>(simd: S, row: InputRow) {
        simd.call(input::Input(row));
    }

    #[inline(always)]
    fn gradient<S: Simd>(simd: S, row: InputRow) {
        simd.call(Gradient(row));
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, sums: WeightSums) {
        simd.call(Back(sums));
    }
}

/// Transforms one tile row back and stores it.
struct Output<'a>(OutputRow<'a>);

impl Kernel for Output<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes an `OutputRow` gives it a row of the map that is this thread's alone, and products of
        // these sizes.
        unsafe { store_tiles::<S, transform::Output<S>, PATCH, TILE>(simd, self.0) };
    }
}

/// Transforms one tile row of the output's gradient.
struct Gradient<'a>(InputRow<'a>);

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes an `InputRow` gives it a row of the map and planes of these sizes.
        unsafe { each_patch::<S, transform::Gradient<S>, TILE, PATCH>(simd, &self.0, TILE, 0) };
    }
}

/// Transforms sums of weight gradients back.
struct Back<'a>(WeightSums<'a>);

impl Kernel for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes `WeightSums` gives them sums and a gradient of these sizes, and channels that are this
        // thread's alone.
        unsafe { sums_to_weights::<S, transform::KernelGradient<S>, PATCH>(simd, &self.0) };
    }
}

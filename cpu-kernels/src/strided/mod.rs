//! Stride 2, by the parity of the samples. In one dimension two outputs read five inputs:
//!
//! ```text
//! y0 = w0 x0 + w1 x1 + w2 x2
//! y1 = w0 x2 + w1 x3 + w2 x4
//! ```
//!
//! The outer weights meet every other sample, which is F(2, 2): three products `(x0 - x2) w0`, `x2 (w0 + w2)`,
//! `(x4 - x2) w2` where there were four; the middle weight's products are done as they are and added into the first and
//! last of these, which reach one output each. In two dimensions that makes 25 products for 2 x 2 outputs instead of 36,
//! by additions alone. The gradients are the adjoints: the same planes in other roles.

mod gradient;
mod input;
mod output;
mod weights;

use crate::simd::Simd;
use crate::transformed::{GradientScheme, InputRow, OutputRow, Scheme, Tiling, WeightSums, Weights};

/// Planes along one dimension: input samples, weights, output products; their squares are those of two.
const SAMPLES: usize = 5;
const KERNEL: usize = 4;
const PRODUCTS: usize = 3;

/// One dimension of the forward pass: the (input plane, weight plane) pairs of each product.
const FORWARD: [&[(usize, usize)]; PRODUCTS] = [&[(0, 0), (1, 1)], &[(2, 2)], &[(3, 3), (4, 1)]];
/// One dimension of the input gradient: the (gradient plane, turned weight plane) pair of each product.
const BACKWARD: [(usize, usize); SAMPLES] = [(0, 0), (1, 2), (2, 3), (3, 1), (1, 1)];

/// All pairs of the forward pass, product by product.
const FORWARD_PAIRS: [(usize, usize); SAMPLES * SAMPLES] = {
    let mut pairs = [(0, 0); SAMPLES * SAMPLES];
    let mut n = 0;
    let mut product = 0;
    while product < PRODUCTS * PRODUCTS {
        let (rows, columns) = (FORWARD[product / PRODUCTS], FORWARD[product % PRODUCTS]);
        let mut i = 0;
        while i < rows.len() * columns.len() {
            let (r, c) = (rows[i / columns.len()], columns[i % columns.len()]);
            pairs[n] = (r.0 * SAMPLES + c.0, r.1 * KERNEL + c.1);
            n += 1;
            i += 1;
        }
        product += 1;
    }
    pairs
};

const BACKWARD_PAIRS: [[(usize, usize); 1]; SAMPLES * SAMPLES] = {
    let mut pairs = [[(0, 0)]; SAMPLES * SAMPLES];
    let mut i = 0;
    while i < SAMPLES * SAMPLES {
        let (r, c) = (BACKWARD[i / SAMPLES], BACKWARD[i % SAMPLES]);
        pairs[i] = [(r.0 * KERNEL + c.0, r.1 * KERNEL + c.1)];
        i += 1;
    }
    pairs
};

/// Tiles at a time: inputs and products together a few hundred kilobytes.
fn tiles_at_once(inputs: usize, outputs: usize) -> usize {
    (8192 / (inputs + outputs)).clamp(16, 64)
}

/// The forward pass: a tile is 2 x 2 pixels of the output.
pub(crate) struct Strided;

impl Scheme for Strided {
    const INPUT_STEP: usize = 4;
    const OUTPUT_STEP: usize = 2;
    const REACH: usize = 0;
    const INPUTS: usize = SAMPLES * SAMPLES;
    const WEIGHTS: usize = KERNEL * KERNEL;
    const TERMS: &'static [&'static [(usize, usize)]] = &{
        let mut terms: [&[(usize, usize)]; PRODUCTS * PRODUCTS] = [&[]; PRODUCTS * PRODUCTS];
        let (mut i, mut rest): (usize, &[(usize, usize)]) = (0, &FORWARD_PAIRS);
        while i < terms.len() {
            let n = FORWARD[i / PRODUCTS].len() * FORWARD[i % PRODUCTS].len();
            (terms[i], rest) = rest.split_at(n);
            i += 1;
        }
        terms
    };

    fn tiles_at_once(_: &Tiling, inputs: usize, outputs: usize) -> usize {
        tiles_at_once(inputs, outputs)
    }

    #[inline(always)]
    fn input<S: Simd>(simd: S, row: InputRow) {
        simd.call(input::Input(row));
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, weights: Weights) {
        weights::forth(simd, &weights);
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, row: OutputRow) {
        simd.call(output::Output(row));
    }
}

/// The input gradient, from turned weights: a tile is 4 x 4 pixels of the input.
pub(crate) struct StridedBack;

impl Scheme for StridedBack {
    const INPUT_STEP: usize = 2;
    const OUTPUT_STEP: usize = 4;
    const REACH: usize = 1;
    const INPUTS: usize = KERNEL * KERNEL;
    const WEIGHTS: usize = KERNEL * KERNEL;
    const TERMS: &'static [&'static [(usize, usize)]] = &{
        let mut terms: [&[(usize, usize)]; SAMPLES * SAMPLES] = [&[]; SAMPLES * SAMPLES];
        let mut i = 0;
        while i < terms.len() {
            terms[i] = &BACKWARD_PAIRS[i];
            i += 1;
        }
        terms
    };

    fn tiles_at_once(_: &Tiling, inputs: usize, outputs: usize) -> usize {
        tiles_at_once(inputs, outputs)
    }

    #[inline(always)]
    fn input<S: Simd>(simd: S, row: InputRow) {
        simd.call(input::InputBack(row));
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, weights: Weights) {
        weights::forth(simd, &weights);
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, row: OutputRow) {
        simd.call(output::OutputBack(row));
    }
}

impl GradientScheme for Strided {
    const INPUT_STEP: usize = 4;
    const OUTPUT_STEP: usize = 2;
    const INPUTS: usize = SAMPLES * SAMPLES;
    const GRADIENTS: usize = PRODUCTS * PRODUCTS;
    const SUMS: usize = KERNEL * KERNEL;
    const TERMS: &'static [(usize, usize, usize)] = &{
        let mut terms = [(0, 0, 0); SAMPLES * SAMPLES];
        let (mut product, mut n) = (0, 0);
        while product < PRODUCTS * PRODUCTS {
            let end = n + FORWARD[product / PRODUCTS].len() * FORWARD[product % PRODUCTS].len();
            while n < end {
                terms[n] = (FORWARD_PAIRS[n].0, product, FORWARD_PAIRS[n].1);
                n += 1;
            }
            product += 1;
        }
        terms
    };

    #[inline(always)]
    fn input<S: Simd>(simd: S, row: InputRow) {
        simd.call(input::Input(row));
    }

    #[inline(always)]
    fn gradient<S: Simd>(simd: S, row: InputRow) {
        simd.call(gradient::Gradient(row));
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, sums: WeightSums) {
        simd.call(weights::Back(sums));
    }
}

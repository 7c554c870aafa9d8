//! The one-dimensional transforms of Winograd's F(4, 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks").
//!
//! The points are 0, ±5/8, ±3/2 and infinity: they cost what the usual ±1, ±2 cost and halve the rounding error. The rows
//! of the kernel's transform are left without their factors, which the output's transform carries at the price of one
//! multiplication; the adjoint pair has them in the kernel's, which is used once where the other is used for each tile.

use crate::simd::Simd;
use crate::transformed::{PatchTransform, Planes, WeightTransform};

const A: f64 = 0.625;
const B: f64 = 1.5;
/// Lagrange factors of the points 0, ±A and ±B.
const N0: f64 = 1.0 / (A * A * B * B);
const NA: f64 = 1.0 / (2.0 * A * A * (A * A - B * B));
const NB: f64 = 1.0 / (2.0 * B * B * (B * B - A * A));

#[inline(always)]
fn constant<S: Simd>(s: S, v: f64) -> S::V {
    s.splat(v as f32)
}

/// Six input values to the six points.
pub(super) struct Input;

impl PatchTransform<6, 6> for Input {
    #[inline(always)]
    fn apply<S: Simd>(s: S, d: [S::V; 6]) -> [S::V; 6] {
        let (a, b, a2, b2) = (constant(s, A), constant(s, B), constant(s, A * A), constant(s, B * B));
        let (sum, product) = (constant(s, A * A + B * B), constant(s, A * A * B * B));
        let even_a = s.fnma(b2, d[2], d[4]);
        let odd_a = s.fnma(b2, d[1], d[3]);
        let even_b = s.fnma(a2, d[2], d[4]);
        let odd_b = s.fnma(a2, d[1], d[3]);
        [
            s.fma(product, d[0], s.fnma(sum, d[2], d[4])),
            s.fma(a, odd_a, even_a),
            s.fnma(a, odd_a, even_a),
            s.fma(b, odd_b, even_b),
            s.fnma(b, odd_b, even_b),
            s.fma(product, d[1], s.fnma(sum, d[3], d[5])),
        ]
    }
}

/// Three kernel values to the six points in both dimensions, without the Lagrange factors.
pub(super) struct Kernel;

impl WeightTransform for Kernel {
    #[inline(always)]
    unsafe fn apply<S: Simd>(s: S, w: [[S::V; 3]; 3], to: Planes) {
        // SAFETY: the caller's.
        unsafe {
            kernel_row(s, w[0], 0, to);
            kernel_row(s, w[2], 5, to);
            for (point, first) in [(A, 1), (B, 3)] {
                let (p, p2) = (constant(s, point), constant(s, point * point));
                let even =
                    [s.fma(p2, w[2][0], w[0][0]), s.fma(p2, w[2][1], w[0][1]), s.fma(p2, w[2][2], w[0][2])];
                let sum =
                    [s.fma(p, w[1][0], even[0]), s.fma(p, w[1][1], even[1]), s.fma(p, w[1][2], even[2])];
                kernel_row(s, sum, first, to);
                let difference =
                    [s.fnma(p, w[1][0], even[0]), s.fnma(p, w[1][1], even[1]), s.fnma(p, w[1][2], even[2])];
                kernel_row(s, difference, first + 1, to);
            }
        }
    }
}

/// A row of three to the six points, which are row `row` of the planes.
///
/// # Safety
/// The planes must have room for a vector.
#[inline(always)]
unsafe fn kernel_row<S: Simd>(s: S, w: [S::V; 3], row: usize, to: Planes) {
    // SAFETY: the caller's.
    unsafe {
        to.put(s, 6 * row, w[0]);
        to.put(s, 6 * row + 5, w[2]);
        for (point, first) in [(A, 1), (B, 3)] {
            let even = s.fma(constant(s, point * point), w[2], w[0]);
            to.put(s, 6 * row + first, s.fma(constant(s, point), w[1], even));
            to.put(s, 6 * row + first + 1, s.fnma(constant(s, point), w[1], even));
        }
    }
}

/// The six points to four output values, with the Lagrange factors.
pub(super) struct Output;

impl PatchTransform<6, 4> for Output {
    #[inline(always)]
    fn apply<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 4] {
        let (sum_a, difference_a) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (sum_b, difference_b) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        [
            s.fma(constant(s, NB), sum_b, s.fma(constant(s, NA), sum_a, s.mul(constant(s, N0), m[0]))),
            s.fma(constant(s, B * NB), difference_b, s.mul(constant(s, A * NA), difference_a)),
            s.fma(constant(s, B * B * NB), sum_b, s.mul(constant(s, A * A * NA), sum_a)),
            s.fma(
                constant(s, B * B * B * NB),
                difference_b,
                s.fma(constant(s, A * A * A * NA), difference_a, m[5]),
            ),
        ]
    }
}

/// Four output gradients to the six points, without the Lagrange factors: the adjoint of [`Output`].
pub(super) struct Gradient;

impl PatchTransform<4, 6> for Gradient {
    #[inline(always)]
    fn apply<S: Simd>(s: S, y: [S::V; 4]) -> [S::V; 6] {
        let (a, b, a2, b2) = (constant(s, A), constant(s, B), constant(s, A * A), constant(s, B * B));
        let even_a = s.fma(a2, y[2], y[0]);
        let odd_a = s.fma(a2, y[3], y[1]);
        let even_b = s.fma(b2, y[2], y[0]);
        let odd_b = s.fma(b2, y[3], y[1]);
        [
            y[0],
            s.fma(a, odd_a, even_a),
            s.fnma(a, odd_a, even_a),
            s.fma(b, odd_b, even_b),
            s.fnma(b, odd_b, even_b),
            y[3],
        ]
    }
}

/// The six points to three kernel gradients, with the Lagrange factors: the adjoint of [`Kernel`].
pub(super) struct KernelGradient;

impl PatchTransform<6, 3> for KernelGradient {
    #[inline(always)]
    fn apply<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 3] {
        let (sum_a, difference_a) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (sum_b, difference_b) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        [
            s.fma(constant(s, NB), sum_b, s.fma(constant(s, NA), sum_a, s.mul(constant(s, N0), m[0]))),
            s.fma(constant(s, B * NB), difference_b, s.mul(constant(s, A * NA), difference_a)),
            s.fma(constant(s, B * B * NB), sum_b, s.fma(constant(s, A * A * NA), sum_a, m[5])),
        ]
    }
}

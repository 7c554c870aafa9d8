//! The one-dimensional transforms of Winograd's F(4, 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks").
//!
//! The points are 0, infinity, ±5/8 and ±3/2, in this order: they cost what the usual ±1, ±2 cost and halve the rounding error. The rows
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

/// The points and what else the transforms multiply with.
#[derive(Clone, Copy)]
struct Points<S: Simd> {
    s: S,
    a: S::V,
    b: S::V,
    a2: S::V,
    b2: S::V,
}

impl<S: Simd> Points<S> {
    #[inline(always)]
    fn new(s: S) -> Points<S> {
        let [a, b, a2, b2] = [A, B, A * A, B * B].map(|v| s.constant(v as f32));
        Points { s, a, b, a2, b2 }
    }

    /// `even + x odd` and `even - x odd`
    #[inline(always)]
    fn both(self, x: S::V, odd: S::V, even: S::V) -> [S::V; 2] {
        [self.s.fma(x, odd, even), self.s.fnma(x, odd, even)]
    }
}

/// Six input values to the six points.
#[derive(Clone, Copy)]
pub(super) struct Input<S: Simd> {
    points: Points<S>,
    sum: S::V,
    product: S::V,
}

impl<S: Simd> PatchTransform<S, 6, 6> for Input<S> {
    #[inline(always)]
    fn new(s: S) -> Input<S> {
        let [sum, product] = [A * A + B * B, A * A * B * B].map(|v| s.constant(v as f32));
        Input { points: Points::new(s), sum, product }
    }

    #[inline(always)]
    fn apply(self, d: [S::V; 6]) -> [S::V; 6] {
        let Input { points, sum, product } = self;
        let Points { s, a, b, a2, b2 } = points;
        let [plus_a, minus_a] = points.both(a, s.fnma(b2, d[1], d[3]), s.fnma(b2, d[2], d[4]));
        let [plus_b, minus_b] = points.both(b, s.fnma(a2, d[1], d[3]), s.fnma(a2, d[2], d[4]));
        [
            s.fma(product, d[0], s.fnma(sum, d[2], d[4])),
            s.fma(product, d[1], s.fnma(sum, d[3], d[5])),
            plus_a,
            minus_a,
            plus_b,
            minus_b,
        ]
    }
}

/// Planes of a stage of the kernel's transform: two of the six rows of points, which need the same sums.
pub(super) const STAGE: usize = 12;

/// Three kernel values to the six points in both dimensions, without the Lagrange factors.
#[derive(Clone, Copy)]
pub(super) struct Kernel<S: Simd>(Points<S>);

/// A stage of it: the points 0 and infinity, ±A or ±B of the first dimension.
#[derive(Clone, Copy)]
pub(super) struct KernelStage<S: Simd, const N: usize>(Points<S>);

impl<S: Simd> WeightTransform<S> for Kernel<S> {
    #[inline(always)]
    fn new(s: S) -> Kernel<S> {
        Kernel(Points::new(s))
    }

    #[inline(always)]
    unsafe fn apply(self, w: [[S::V; 3]; 3], to: Planes) {
        // SAFETY: the caller's.
        unsafe {
            KernelStage::<S, 0>(self.0).apply(w, to);
            KernelStage::<S, 1>(self.0).apply(w, to.plane(STAGE));
            KernelStage::<S, 2>(self.0).apply(w, to.plane(2 * STAGE));
        }
    }
}

impl<S: Simd, const N: usize> WeightTransform<S> for KernelStage<S, N> {
    #[inline(always)]
    fn new(s: S) -> KernelStage<S, N> {
        KernelStage(Points::new(s))
    }

    #[inline(always)]
    unsafe fn apply(self, w: [[S::V; 3]; 3], to: Planes) {
        let Points { s, a, b, a2, b2 } = self.0;
        let [first, second] = if N == 0 {
            [w[0], w[2]]
        } else {
            let (p, p2) = if N == 1 { (a, a2) } else { (b, b2) };
            let even =
                [s.fma(p2, w[2][0], w[0][0]), s.fma(p2, w[2][1], w[0][1]), s.fma(p2, w[2][2], w[0][2])];
            [
                [s.fma(p, w[1][0], even[0]), s.fma(p, w[1][1], even[1]), s.fma(p, w[1][2], even[2])],
                [s.fnma(p, w[1][0], even[0]), s.fnma(p, w[1][1], even[1]), s.fnma(p, w[1][2], even[2])],
            ]
        };
        // SAFETY: the caller's.
        unsafe {
            kernel_row(self.0, first, to);
            kernel_row(self.0, second, to.plane(6));
        }
    }
}

/// A row of three to the six points.
///
/// # Safety
/// The planes must have room for a vector.
#[inline(always)]
unsafe fn kernel_row<S: Simd>(points: Points<S>, w: [S::V; 3], to: Planes) {
    let Points { s, a, b, a2, b2 } = points;
    // SAFETY: the caller's.
    unsafe {
        to.put(s, 0, w[0]);
        to.put(s, 1, w[2]);
        let [plus, minus] = points.both(a, w[1], s.fma(a2, w[2], w[0]));
        to.put(s, 2, plus);
        to.put(s, 3, minus);
        let [plus, minus] = points.both(b, w[1], s.fma(b2, w[2], w[0]));
        to.put(s, 4, plus);
        to.put(s, 5, minus);
    }
}

/// The Lagrange factors times powers of the points, from 0 on.
#[derive(Clone, Copy)]
struct Factors<S: Simd> {
    s: S,
    zero: S::V,
    a: [S::V; 4],
    b: [S::V; 4],
}

impl<S: Simd> Factors<S> {
    #[inline(always)]
    fn new(s: S) -> Factors<S> {
        let powers = |n: f64, x: f64| [n, n * x, n * x * x, n * x * x * x].map(|v| s.constant(v as f32));
        Factors { s, zero: s.constant(N0 as f32), a: powers(NA, A), b: powers(NB, B) }
    }
}

/// The six points to four output values, with the Lagrange factors.
#[derive(Clone, Copy)]
pub(super) struct Output<S: Simd>(Factors<S>);

impl<S: Simd> PatchTransform<S, 6, 4> for Output<S> {
    #[inline(always)]
    fn new(s: S) -> Output<S> {
        Output(Factors::new(s))
    }

    #[inline(always)]
    fn apply(self, m: [S::V; 6]) -> [S::V; 4] {
        let Factors { s, zero, a, b } = self.0;
        let (sum_a, difference_a) = (s.add(m[2], m[3]), s.sub(m[2], m[3]));
        let (sum_b, difference_b) = (s.add(m[4], m[5]), s.sub(m[4], m[5]));
        [
            s.fma(b[0], sum_b, s.fma(a[0], sum_a, s.mul(zero, m[0]))),
            s.fma(b[1], difference_b, s.mul(a[1], difference_a)),
            s.fma(b[2], sum_b, s.mul(a[2], sum_a)),
            s.fma(b[3], difference_b, s.fma(a[3], difference_a, m[1])),
        ]
    }
}

/// Four output gradients to the six points, without the Lagrange factors: the adjoint of [`Output`].
#[derive(Clone, Copy)]
pub(super) struct Gradient<S: Simd>(Points<S>);

impl<S: Simd> PatchTransform<S, 4, 6> for Gradient<S> {
    #[inline(always)]
    fn new(s: S) -> Gradient<S> {
        Gradient(Points::new(s))
    }

    #[inline(always)]
    fn apply(self, y: [S::V; 4]) -> [S::V; 6] {
        let Points { s, a, b, a2, b2 } = self.0;
        let [plus_a, minus_a] = self.0.both(a, s.fma(a2, y[3], y[1]), s.fma(a2, y[2], y[0]));
        let [plus_b, minus_b] = self.0.both(b, s.fma(b2, y[3], y[1]), s.fma(b2, y[2], y[0]));
        [y[0], y[3], plus_a, minus_a, plus_b, minus_b]
    }
}

/// The six points to three kernel gradients, with the Lagrange factors: the adjoint of [`Kernel`].
#[derive(Clone, Copy)]
pub(super) struct KernelGradient<S: Simd>(Factors<S>);

impl<S: Simd> PatchTransform<S, 6, 3> for KernelGradient<S> {
    #[inline(always)]
    fn new(s: S) -> KernelGradient<S> {
        KernelGradient(Factors::new(s))
    }

    #[inline(always)]
    fn apply(self, m: [S::V; 6]) -> [S::V; 3] {
        let Factors { s, zero, a, b } = self.0;
        let (sum_a, difference_a) = (s.add(m[2], m[3]), s.sub(m[2], m[3]));
        let (sum_b, difference_b) = (s.add(m[4], m[5]), s.sub(m[4], m[5]));
        [
            s.fma(b[0], sum_b, s.fma(a[0], sum_a, s.mul(zero, m[0]))),
            s.fma(b[1], difference_b, s.mul(a[1], difference_a)),
            s.fma(b[2], sum_b, s.fma(a[2], sum_a, m[1])),
        ]
    }
}

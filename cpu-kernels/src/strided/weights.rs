//! Transform of the weights, and back from the transformed domain to their gradient.

use super::KERNEL;
use crate::simd::{Kernel, Simd};
use crate::transformed::{
    PatchTransform, Planes, WeightSums, WeightTransform, Weights, sums_to_weights, weights_to_planes,
};

/// Three weights to their planes, in both dimensions.
#[derive(Clone, Copy)]
struct Kernels<S>(S);

impl<S: Simd> WeightTransform<S> for Kernels<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Kernels(s)
    }

    #[inline(always)]
    unsafe fn apply(self, w: [[S::V; 3]; 3], to: Planes) {
        let s = self.0;
        let sum = [s.add(w[0][0], w[2][0]), s.add(w[0][1], w[2][1]), s.add(w[0][2], w[2][2])];
        for (i, row) in [w[0], w[1], sum, w[2]].into_iter().enumerate() {
            // SAFETY: the caller's.
            unsafe {
                to.put(s, KERNEL * i, row[0]);
                to.put(s, KERNEL * i + 1, row[1]);
                to.put(s, KERNEL * i + 2, s.add(row[0], row[2]));
                to.put(s, KERNEL * i + 3, row[2]);
            }
        }
    }
}

/// Transforms weights.
#[inline(always)]
pub(super) fn forth<S: Simd>(simd: S, weights: &Weights) {
    // SAFETY: whoever makes `Weights` gives them weights and planes of these sizes.
    unsafe { weights_to_planes::<S, Kernels<S>>(simd, weights) };
}

/// The adjoint of [`Kernels`] in one dimension.
#[derive(Clone, Copy)]
struct Adjoint<S>(S);

impl<S: Simd> PatchTransform<S, KERNEL, 3> for Adjoint<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Adjoint(s)
    }

    #[inline(always)]
    fn apply(self, m: [S::V; KERNEL]) -> [S::V; 3] {
        let s = self.0;
        [s.add(m[0], m[2]), m[1], s.add(m[3], m[2])]
    }
}

/// Transforms sums of weight gradients back.
pub(super) struct Back<'a>(pub(super) WeightSums<'a>);

impl Kernel for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes `WeightSums` gives them sums and a gradient of these sizes, and channels that are this
        // thread's alone.
        unsafe { sums_to_weights::<S, Adjoint<S>, KERNEL>(simd, &self.0) };
    }
}

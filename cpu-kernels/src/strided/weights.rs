//! Transform of the weights, and back from the transformed domain to their gradient.

use super::KERNEL;
use crate::simd::{Kernel, Simd};
use crate::transformed::{PatchTransform, WeightSums, Weights, sums_to_weights, weights_to_planes};

/// Three weights to their planes.
struct Planes;

impl PatchTransform<3, KERNEL> for Planes {
    #[inline(always)]
    fn apply<S: Simd>(s: S, w: [S::V; 3]) -> [S::V; KERNEL] {
        [w[0], w[1], s.add(w[0], w[2]), w[2]]
    }
}

/// Transforms weights.
pub(super) struct Forth<'a>(pub(super) Weights<'a>);

impl Kernel for Forth<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes `Weights` gives them weights and planes of these sizes.
        unsafe { weights_to_planes::<S, Planes, KERNEL>(simd, &self.0) };
    }
}

/// The adjoint of [`Planes`].
struct Adjoint;

impl PatchTransform<KERNEL, 3> for Adjoint {
    #[inline(always)]
    fn apply<S: Simd>(s: S, m: [S::V; KERNEL]) -> [S::V; 3] {
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
        unsafe { sums_to_weights::<S, Adjoint, KERNEL>(simd, &self.0) };
    }
}

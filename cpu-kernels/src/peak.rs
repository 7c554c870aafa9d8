//! A yardstick for the kernels.

use crate::simd::{Isa, Kernel, Simd};

/// Does nothing but independent fused multiply-adds in registers, and returns how many floating-point operations they were:
/// timed, it gives the processor's peak with `isa`.
///
/// # Panics
/// Where `isa` is not available.
pub fn multiply_adds(isa: Isa, steps: usize) -> u64 {
    assert!(isa.is_available(), "{isa:?} is not available here");
    isa.run(Burst { steps })
}

/// Chains that run at once: more than a multiply-add's latency times the units that do them, and few enough for 16 registers.
const CHAINS: usize = 12;

struct Burst {
    steps: usize,
}

impl Kernel for Burst {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> u64 {
        // Values that the compiler cannot know and that stay finite: x = x / 2 + 1 / 2.
        let half = simd.splat(std::hint::black_box(0.5));
        let mut chains = [simd.splat(std::hint::black_box(1.0)); CHAINS];
        for _ in 0..self.steps {
            for chain in &mut chains {
                *chain = simd.fma(*chain, half, half);
            }
        }
        let mut sum = simd.zero();
        for chain in chains {
            sum = simd.add(sum, chain);
        }
        let mut lanes = [0.0f32; 16];
        // SAFETY: a vector has at most 16 lanes.
        unsafe { simd.store(lanes.as_mut_ptr(), sum) };
        std::hint::black_box(lanes);
        (self.steps * CHAINS * S::LANES * 2) as u64
    }
}

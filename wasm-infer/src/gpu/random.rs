//! Numbers to try kernels on.

/// A linear congruential generator (Knuth's MMIX constants): any numbers do, the same ones everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Uniform in `-bound` to `bound`.
    pub(super) fn vec(&mut self, len: usize, bound: f32) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bound * ((self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..len).map(|_| next()).collect()
    }
}

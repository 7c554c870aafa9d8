//! Plain Rust, for processors without a variant of their own and as the tests' yardstick for the other sets.

use super::{Kernel, Simd};

/// Four values, no intrinsics.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn zip(a: [f32; 4], b: [f32; 4], f: impl Fn(f32, f32) -> f32) -> [f32; 4] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;
    const PRODUCT_ROWS: [usize; 4] = [4, 4, 0, 0];
    const OUTER_ROWS: [usize; 4] = [4, 4, 0, 0];
    const PREFETCHES: bool = false;

    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 4] {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> [f32; 4] {
        // SAFETY: the caller's; the type has a f32's alignment.
        unsafe { *p.cast() }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: [f32; 4]) {
        // SAFETY: the caller's; the type has a f32's alignment.
        unsafe { *p.cast() = v }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> [f32; 4] {
        let mut v = [0.0; 4];
        for (i, v) in v[..n].iter_mut().enumerate() {
            // SAFETY: the caller's for the `n` lanes.
            *v = unsafe { *p.add(i) };
        }
        v
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: [f32; 4], n: usize) {
        for (i, v) in v[..n].iter().enumerate() {
            // SAFETY: the caller's for the `n` lanes.
            unsafe { *p.add(i) = *v };
        }
    }

    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn fma(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        self.add(self.mul(a, b), c)
    }

    #[inline(always)]
    fn fnma(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        self.sub(c, self.mul(a, b))
    }

    #[inline(always)]
    fn relu(self, v: [f32; 4]) -> [f32; 4] {
        v.map(|v| if v > 0.0 { v } else { 0.0 })
    }

    #[inline(always)]
    fn where_positive(self, x: [f32; 4], v: [f32; 4]) -> [f32; 4] {
        zip(x, v, |x, v| if x > 0.0 { v } else { 0.0 })
    }

    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
}

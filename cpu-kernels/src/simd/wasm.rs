//! WebAssembly: simd128, with relaxed-simd's fused multiply-add where the module is built for it.

use super::{Kernel, Simd};
use std::arch::wasm32::*;

/// Four values. The module as a whole is built for the instructions, so that nothing is to be asked at run time.
#[derive(Clone, Copy)]
pub(crate) struct WebAssembly;

impl Simd for WebAssembly {
    type V = v128;
    const LANES: usize = 4;
    const PRODUCT_ROWS: [usize; 4] = [8, 4, 0, 0];
    const OUTER_ROWS: [usize; 4] = [4, 4, 0, 0];
    const PREFETCHES: bool = false;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        #[inline(never)]
        fn inner<K: Kernel>(simd: WebAssembly, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        inner(self, kernel)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> v128 {
        f32x4_splat(value)
    }

    #[inline(always)]
    fn constant(self, value: f32) -> v128 {
        // Of a value that the compiler knows it makes a v128.const at each use, and V8 of that several instructions each
        // time round a loop, which cost more than a load.
        f32x4_splat(std::hint::black_box(value))
    }

    #[inline(always)]
    fn rolled(self, trips: usize) -> usize {
        // Unrolled, LLVM puts all the loads first, which V8 then spills.
        std::hint::black_box(trips)
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> v128 {
        // SAFETY: the caller's.
        unsafe { v128_load(p.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: v128) {
        // SAFETY: the caller's.
        unsafe { v128_store(p.cast(), v) }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> v128 {
        let mut v = [0.0; 4];
        for (i, v) in v[..n].iter_mut().enumerate() {
            // SAFETY: the caller's for the `n` lanes.
            *v = unsafe { *p.add(i) };
        }
        f32x4(v[0], v[1], v[2], v[3])
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: v128, n: usize) {
        let mut lanes = [0.0; 4];
        // SAFETY: the array is a vector long, and the caller's for the `n` lanes.
        unsafe {
            v128_store(lanes.as_mut_ptr().cast(), v);
            lanes.as_ptr().copy_to_nonoverlapping(p, n);
        }
    }

    #[inline(always)]
    fn add(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }

    #[inline(always)]
    fn sub(self, a: v128, b: v128) -> v128 {
        f32x4_sub(a, b)
    }

    #[inline(always)]
    fn mul(self, a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    fn fma(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_relaxed_madd(a, b, c)
    }

    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    fn fma(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    fn fnma(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_relaxed_nmadd(a, b, c)
    }

    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    fn fnma(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_sub(c, f32x4_mul(a, b))
    }

    #[inline(always)]
    fn relu(self, v: v128) -> v128 {
        f32x4_pmax(f32x4_splat(0.0), v)
    }

    #[inline(always)]
    fn where_positive(self, x: v128, v: v128) -> v128 {
        v128_and(f32x4_gt(x, f32x4_splat(0.0)), v)
    }

    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
}

//! The vector operations that the kernels are written in, and the instruction sets that offer them.
//!
//! A value of a type that implements [`Simd`] is the proof that the processor has the instructions: [`Isa::run`] makes one
//! only after it has asked. Kernels are generic over it, inlined whole, and entered through a function compiled for that
//! instruction set ([`Simd::call`]). No closures in them: one is compiled without the instruction set until it is inlined, which
//! LLVM may decline.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
// A module with simd128 runs nowhere without it, and every visitor would fetch the kernels twice.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;

/// f32 vectors of one instruction set.
pub(crate) trait Simd: Copy + Send + Sync {
    /// A vector.
    type V: Copy;
    /// f32 values in a vector: 4, 8 or 16.
    const LANES: usize;
    /// Rows of the product's micro-kernel where it is 1 to 4 vectors wide; 0: no such kernel. What the registers hold.
    const PRODUCT_ROWS: [usize; 4];
    /// The same for the product over tiles (the weight gradient's).
    const OUTER_ROWS: [usize; 4];
    /// Whether [`Self::prefetch`] does anything.
    const PREFETCHES: bool;

    /// Runs `kernel` in a function compiled for this instruction set.
    fn call<K: Kernel>(self, kernel: K) -> K::Output;

    /// `value` in every lane.
    fn splat(self, value: f32) -> Self::V;

    /// A constant in every lane, for use in loops: made where it is asked for, and not anew wherever it is used.
    #[inline(always)]
    fn constant(self, value: f32) -> Self::V {
        self.splat(value)
    }

    /// The trips of a loop that is better not unrolled where little fits the registers: as many.
    #[inline(always)]
    fn rolled(self, trips: usize) -> usize {
        trips
    }

    /// Zero in every lane.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }

    /// Reads [`Self::LANES`] values.
    ///
    /// # Safety
    /// They must be readable; `p` needs no more than a f32's alignment.
    unsafe fn load(self, p: *const f32) -> Self::V;

    /// Writes [`Self::LANES`] values.
    ///
    /// # Safety
    /// They must be writable; `p` needs no more than a f32's alignment.
    unsafe fn store(self, p: *mut f32, v: Self::V);

    /// Reads the first `n` lanes, from 1 to [`Self::LANES`] - 1, and leaves zero in the others.
    ///
    /// # Safety
    /// `n` values must be readable.
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V;

    /// Writes the first `n` lanes, from 1 to [`Self::LANES`] - 1.
    ///
    /// # Safety
    /// `n` values must be writable.
    unsafe fn store_first(self, p: *mut f32, v: Self::V, n: usize);

    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a * b + c`, rounded once where the instruction set can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// `c - a * b`, rounded once where the instruction set can.
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// The larger of `v` and zero.
    fn relu(self, v: Self::V) -> Self::V;

    /// `v` in the lanes where `x > 0`, zero in the others.
    fn where_positive(self, x: Self::V, v: Self::V) -> Self::V;

    /// Hints that the cache line at `p` is wanted soon. Any address will do.
    fn prefetch(self, p: *const f32);
}

/// Code generic over the instruction set. Implementations mark `run` `#[inline(always)]`, so that it is compiled for the
/// set that calls it.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;
    /// Does the work.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust over four values at a time.
    Portable,
    /// x86-64 with AVX2 and FMA: eight values.
    Avx2,
    /// x86-64 with AVX-512F: sixteen values.
    Avx512,
    /// WebAssembly's 128-bit vectors, with relaxed fused multiply-add where the module was built for it.
    WebAssembly,
}

impl Isa {
    /// All that this processor has and this build knows, the fastest first.
    pub fn available() -> Vec<Isa> {
        [Isa::Avx512, Isa::Avx2, Isa::WebAssembly, Isa::Portable]
            .into_iter()
            .filter(Isa::is_available)
            .collect()
    }

    /// The fastest available.
    pub fn best() -> Isa {
        Isa::available()[0]
    }

    /// Whether this processor has it and this build knows it.
    pub fn is_available(&self) -> bool {
        match self {
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::Avx2::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::Avx512::new().is_some(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::WebAssembly => true,
            #[allow(unreachable_patterns, reason = "depends on the target")]
            _ => false,
        }
    }

    /// f32 values in a vector.
    pub(crate) fn lanes(self) -> usize {
        match self {
            Isa::Portable | Isa::WebAssembly => 4,
            Isa::Avx2 => 8,
            Isa::Avx512 => 16,
        }
    }

    /// Runs `kernel` with it.
    ///
    /// # Panics
    /// Where the set is not available.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        const MISSING: &str = "an Isa in use was checked to be available";
        match self {
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Isa::Portable => portable::Portable.call(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::Avx2::new().expect(MISSING).call(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::Avx512::new().expect(MISSING).call(kernel),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::WebAssembly => wasm::WebAssembly.call(kernel),
            #[allow(unreachable_patterns, reason = "depends on the target")]
            _ => panic!("{MISSING}"),
        }
    }
}

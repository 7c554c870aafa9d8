//! Scratch memory.

use crate::simd::Isa;

/// Scratch memory that calls reuse, and the instruction set they run on. It grows to what the largest call needs and is
/// then never allocated again. Keep one for each trainer or engine.
#[derive(Debug)]
pub struct Workspace {
    isa: Isa,
    fixed: bool,
    /// Transformed weights, or what else all threads read.
    pub(crate) shared: Buffer,
    /// Weights turned round for the input gradient.
    pub(crate) turned: Buffer,
    /// One for each thread.
    pub(crate) parts: Vec<Part>,
}

/// A thread's scratch.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Transformed inputs.
    pub(crate) inputs: Buffer,
    /// Transformed outputs, or transformed gradients.
    pub(crate) outputs: Buffer,
    /// One tile row between the two passes of a transform.
    pub(crate) line: Buffer,
    /// Weights or weight gradients in the transformed domain.
    pub(crate) weights: Buffer,
    /// Sums of each channel: `sum`, then `product`.
    pub(crate) sums: Vec<f64>,
}

impl Workspace {
    /// An empty one for the fastest instruction set of this processor.
    pub fn new() -> Workspace {
        Workspace { fixed: false, ..Workspace::with_isa(Isa::best()) }
    }

    /// An empty one for `isa`.
    ///
    /// # Panics
    /// Where `isa` is not available.
    pub fn with_isa(isa: Isa) -> Workspace {
        assert!(isa.is_available(), "{isa:?} is not available here");
        Workspace {
            isa,
            fixed: true,
            shared: Buffer::default(),
            turned: Buffer::default(),
            parts: Vec::new(),
        }
    }

    /// The instruction set it was made for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        let part = |p: &Part| {
            p.inputs.bytes() + p.outputs.bytes() + p.line.bytes() + p.weights.bytes() + 8 * p.sums.capacity()
        };
        self.shared.bytes() + self.turned.bytes() + self.parts.iter().map(part).sum::<usize>()
    }

    /// The instruction set for so many channels: shorter vectors where the longer ones would be filled badly.
    pub(crate) fn isa_for(&self, inputs: usize, outputs: usize) -> Isa {
        let wasted = |n: usize| n.next_multiple_of(16) - n;
        let short = !self.fixed
            && self.isa == Isa::Avx512
            && Isa::Avx2.is_available()
            && 3 * (wasted(inputs) + wasted(outputs)) > inputs + outputs;
        if short { Isa::Avx2 } else { self.isa }
    }

    /// The first `n` parts, their sums set to `sums` zeros.
    pub(crate) fn parts(parts: &mut Vec<Part>, n: usize, sums: usize) -> &mut [Part] {
        if parts.len() < n {
            parts.resize_with(n, Part::default);
        }
        let parts = &mut parts[..n];
        for p in parts.iter_mut() {
            p.sums.clear();
            p.sums.resize(sums, 0.0);
        }
        parts
    }
}

impl Default for Workspace {
    fn default() -> Workspace {
        Workspace::new()
    }
}

/// Memory aligned to cache lines, of unspecified content.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<Line>);

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; 16]);

impl Buffer {
    /// A pointer to at least `len` values, which stay valid until the next call.
    pub(crate) fn get(&mut self, len: usize) -> *mut f32 {
        let lines = len.div_ceil(16);
        if self.0.len() < lines {
            self.0.clear();
            self.0.resize(lines, Line([0.0; 16]));
        }
        self.0.as_mut_ptr().cast()
    }

    fn bytes(&self) -> usize {
        64 * self.0.capacity()
    }
}

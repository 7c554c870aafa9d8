//! Scratch memory.

use crate::operands::Sums;
use crate::parallel;
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
    /// Sums of each channel.
    pub(crate) sums: ChannelSums,
    /// Each job's sums of weight gradients.
    pub(crate) gradients: Vec<Buffer>,
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
    /// Transformed weights.
    pub(crate) weights: Buffer,
}

impl Part {
    const BUFFERS: [fn(&mut Part) -> &mut Buffer; 4] =
        [|p| &mut p.inputs, |p| &mut p.outputs, |p| &mut p.line, |p| &mut p.weights];
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
            sums: ChannelSums::default(),
            gradients: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// The instruction set it was made for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        let part = |p: &Part| p.inputs.bytes() + p.outputs.bytes() + p.line.bytes() + p.weights.bytes();
        self.shared.bytes()
            + self.turned.bytes()
            + 8 * self.sums.data.capacity()
            + self.gradients.iter().map(Buffer::bytes).sum::<usize>()
            + self.parts.iter().map(part).sum::<usize>()
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

    /// Makes a part for each thread at least, and each as large as the largest: which thread does which job is chance, and
    /// when memory is allocated shall not be.
    pub(crate) fn prepare(&mut self) {
        let n = parallel::threads();
        if self.parts.len() < n {
            self.parts.resize_with(n, Part::default);
        }
        for buffer in Part::BUFFERS {
            let most = self.parts.iter_mut().map(|p| buffer(p).0.len()).max().unwrap_or(0);
            self.parts.iter_mut().for_each(|p| _ = buffer(p).get(16 * most));
        }
    }
}

/// Every job's two sums of each channel, in f64.
#[derive(Debug, Default)]
pub(crate) struct ChannelSums {
    data: Vec<f64>,
    channels: usize,
}

impl ChannelSums {
    /// Forgets all jobs; those to come have sums of so many channels.
    pub(crate) fn clear(&mut self, channels: usize) {
        self.data.clear();
        self.channels = channels;
    }

    /// Starts `n` jobs: the number and the sums of each, `sum` then `product`, all zero.
    pub(crate) fn start(&mut self, n: usize) -> impl ExactSizeIterator<Item = (usize, &mut [f64])> + Send {
        self.data.clear();
        self.data.resize(n * 2 * self.channels, 0.0);
        self.data.chunks_exact_mut(2 * self.channels).enumerate()
    }

    /// Adds up the jobs' sums of the first `channels` channels, in their order.
    pub(crate) fn collect(&self, channels: usize, sums: &mut Sums) {
        for (i, to) in [&mut sums.sum, &mut sums.product].into_iter().enumerate() {
            to.clear();
            to.resize(channels, 0.0);
            for job in self.data.chunks_exact(2 * self.channels) {
                to.iter_mut().zip(&job[i * self.channels..]).for_each(|(t, s)| *t += s);
            }
        }
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

    /// The first `n` of `buffers`.
    pub(crate) fn several(buffers: &mut Vec<Buffer>, n: usize) -> &mut [Buffer] {
        if buffers.len() < n {
            buffers.resize_with(n, Buffer::default);
        }
        &mut buffers[..n]
    }

    fn bytes(&self) -> usize {
        64 * self.0.capacity()
    }
}

//! One convolution by one variant against `cpu-kernels`, on random numbers.

use super::device::Gpu;
use super::kernels::Variant;
use super::layer::{Buffers, Layer, Map, Row};
use super::memory::{Account, Memory};
use super::program::Program;
use super::random::Random;
use super::reading::{Reading, Staging};
use super::watch::Pending;
use super::weights::packed;
use crate::error::EngineError;
use cpu_kernels::{Input, Output, Shape, Shortcut, Span, Workspace, forward};
use wgpu::BufferUsages;

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) images: usize,
    /// Of the input.
    pub(super) height: usize,
    pub(super) width: usize,
    /// Channels of each unit: multiples of four.
    pub(super) inputs: &'static [usize],
    pub(super) outputs: &'static [usize],
    pub(super) stride: usize,
    /// Whether a shortcut is added, whose map is twice as large and carries the first unit's first four channels.
    pub(super) shortcut: bool,
}

/// Channels of the shortcut's input, and its stride.
const SKIP_CHANNELS: usize = 8;
const SKIP_STRIDE: usize = 2;

/// Numbers of a convolution, as the CPU wants them.
struct Numbers {
    x: Vec<f32>,
    /// O I H W, for each unit of outputs and in it for each unit of inputs.
    blocks: Vec<Vec<f32>>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    skip: Vec<f32>,
}

impl Sizes {
    fn shape(&self) -> Shape {
        Shape {
            images: self.images,
            height: self.height,
            width: self.width,
            inputs: self.inputs.iter().sum(),
            outputs: self.outputs.iter().sum(),
            stride: self.stride,
        }
    }

    /// Height and width of the output and of the shortcut's input.
    fn maps(&self) -> [(usize, usize); 2] {
        let (h, w) = (self.height.div_ceil(self.stride), self.width.div_ceil(self.stride));
        [(h, w), (SKIP_STRIDE * h - 1, SKIP_STRIDE * w - 1)]
    }

    fn numbers(&self) -> Numbers {
        let mut random = Random::new(17);
        let [_, (h, w)] = self.maps();
        let shape = self.shape();
        let pairs = self.outputs.iter().flat_map(|o| self.inputs.iter().map(move |i| 9 * o * i));
        Numbers {
            blocks: pairs.map(|n| random.vec(n, 0.3)).collect(),
            x: random.vec(self.images * self.height * self.width * shape.inputs, 1.0),
            scale: random.vec(shape.outputs, 1.0),
            shift: random.vec(shape.outputs, 1.0),
            skip: random.vec(self.images * h * w * SKIP_CHANNELS, 1.0),
        }
    }

    fn on_cpu(&self, numbers: &Numbers) -> Vec<f32> {
        let [(h, w), (height, width)] = self.maps();
        let shape = self.shape();
        let mut dense = vec![0.0; 9 * shape.inputs * shape.outputs];
        let mut blocks = numbers.blocks.iter();
        let mut to = 0;
        for outputs in self.outputs {
            let mut from = 0;
            for (inputs, block) in self.inputs.iter().zip(&mut blocks) {
                for (n, value) in block.iter().enumerate() {
                    let (o, i, tap) = (n / (9 * inputs), n / 9 % inputs, n % 9);
                    dense[(tap * shape.inputs + from + i) * shape.outputs + to + o] = *value;
                }
                from += inputs;
            }
            to += outputs;
        }
        let spans = [Span { from: 4, to: 0, len: 4 }];
        let shortcut = self.shortcut.then_some(Shortcut {
            x: &numbers.skip,
            height,
            width,
            channels: SKIP_CHANNELS,
            stride: SKIP_STRIDE,
            spans: &spans,
        });
        let output = Output::Inference { scale: &numbers.scale, shift: &numbers.shift, shortcut, relu: true };
        let mut y = vec![0.0; self.images * h * w * shape.outputs];
        forward(&mut Workspace::new(), &shape, Input::Plain(&numbers.x), &dense, &mut y, output);
        y
    }

    fn layer(&self) -> Layer {
        let [output, skip] = self.maps();
        let shape = self.shape();
        let map = |(height, width): (usize, usize), channels: usize| Map {
            height: height as u32,
            width: width as u32,
            c4: channels as u32 / 4,
        };
        let mut rows = Vec::new();
        let mut start = 0;
        for outputs in self.outputs {
            let starts: Vec<usize> = self
                .inputs
                .iter()
                .map(|inputs| {
                    let first = start;
                    start += 9 * outputs / 4 * inputs / 4;
                    first
                })
                .collect();
            for within in 0..outputs / 4 {
                let block = |(first, inputs): (&usize, &usize)| (first + 9 * within * inputs / 4) as u32;
                let blocks = starts.iter().zip(self.inputs).map(block).collect();
                let skip_c4 = (self.shortcut && rows.is_empty()).then_some(1);
                rows.push(Row { skip_c4, blocks });
            }
        }
        Layer {
            images: self.images as u32,
            input: map((self.height, self.width), shape.inputs),
            output: map(output, shape.outputs),
            stride: self.stride as u32,
            norm: 0,
            skip: self.shortcut.then(|| (map(skip, SKIP_CHANNELS), SKIP_STRIDE as u32)),
            spans: self.inputs.iter().map(|i| *i as u32 / 4).collect(),
            rows,
        }
    }
}

/// A convolution on its way through the GPU, and what the CPU makes of it.
pub(super) struct Trial {
    shape: Shape,
    expected: Vec<f32>,
    reading: Reading,
    outcome: Pending,
}

/// Sends a convolution to the GPU. Several can be on their way at once.
///
/// # Errors
/// If the GPU lacks the variant.
pub(super) fn begin(gpu: &Gpu, variant: Variant, sizes: &Sizes) -> Result<Trial, EngineError> {
    let numbers = sizes.numbers();
    let (reading, outcome) = gpu.watch(|| submit(gpu, variant, sizes, &numbers));
    let reading = reading?;
    // The GPU works in the meantime.
    let expected = sizes.on_cpu(&numbers);
    Ok(Trial { shape: sizes.shape(), expected, reading, outcome })
}

impl Trial {
    /// `||gpu - cpu|| / ||cpu||`; not a number where the GPU gives such.
    ///
    /// # Errors
    /// If the GPU fails.
    pub(super) async fn error(self, gpu: &Gpu) -> Result<f64, EngineError> {
        let Trial { shape, expected, reading, outcome } = self;
        let y = reading.numbers(gpu, outcome, "a trial of a kernel").await?;
        let map = shape.output();
        Ok(distance(&by_pixel(&y, map.height * map.width, map.channels), &expected))
    }
}

/// `||found - expected|| / ||expected||`, in f64.
pub(super) fn distance(found: &[f32], expected: &[f32]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let pairs = found.iter().zip(expected);
    norm(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)))
        / norm(&mut expected.iter().map(|b| f64::from(*b)))
}

/// Dispatches a variant once; its numbers come as `[images][channels / 4][pixels][4]`.
fn submit(gpu: &Gpu, variant: Variant, sizes: &Sizes, numbers: &Numbers) -> Result<Reading, EngineError> {
    let layer = sizes.layer();
    let shape = sizes.shape();
    let [(h, w), (skip_h, skip_w)] = sizes.maps();
    let account = Account::default();
    let filled = |data: &[f32]| {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let memory = Memory::new(gpu, &account, 4 * data.len() as u64, usage);
        gpu.queue.write_buffer(memory.buffer(), 0, bytemuck::cast_slice(data));
        memory
    };
    let inputs = sizes.outputs.iter().flat_map(|_| sizes.inputs);
    let weights: Vec<f32> = numbers.blocks.iter().zip(inputs).flat_map(|(b, i)| packed(b, *i)).collect();
    let norms: Vec<f32> = numbers.scale.iter().chain(&numbers.shift).copied().collect();
    let x = filled(&by_four(&numbers.x, sizes.height * sizes.width, shape.inputs));
    let skip = filled(&by_four(&numbers.skip, skip_h * skip_w, SKIP_CHANNELS));
    let (weights, norms) = (filled(&weights), filled(&norms));
    let elements = sizes.images * h * w * shape.outputs;
    let y = filled(&vec![f32::NAN; elements]);
    let sums = Some(layer.sum_bytes(variant)).filter(|&bytes| bytes > 0);
    let sums = sums.map(|bytes| Memory::new(gpu, &account, bytes, BufferUsages::STORAGE));
    let buffers =
        Buffers { x: &x, weights: &weights, norms: &norms, skip: &skip, y: &y, sums: sums.as_ref() };
    let drafts = layer.drafts(&gpu.kernels, variant, &buffers)?;
    let program = Program::new(gpu, &account, drafts)?;
    let staging = Staging::new(gpu, &account, 4 * elements as u64);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    program.record(&mut encoder, 1);
    encoder.copy_buffer_to_buffer(y.buffer(), 0, staging.buffer(), 0, 4 * elements as u64);
    gpu.queue.submit([encoder.finish()]);
    Ok(staging.read())
}

/// N H W C as `[images][channels / 4][pixels][4]`.
fn by_four(nhwc: &[f32], pixels: usize, channels: usize) -> Vec<f32> {
    let image = |image: &[f32]| -> Vec<f32> {
        let element = |n: usize| &image[n % pixels * channels + n / pixels * 4..][..4];
        (0..pixels * channels / 4).flat_map(element).copied().collect()
    };
    nhwc.chunks_exact(pixels * channels).flat_map(image).collect()
}

/// The reverse of [`by_four`].
fn by_pixel(maps: &[f32], pixels: usize, channels: usize) -> Vec<f32> {
    let image = |image: &[f32]| -> Vec<f32> {
        let number = |n: usize| {
            let (pixel, c) = (n / channels, n % channels);
            image[(c / 4 * pixels + pixel) * 4 + c % 4]
        };
        (0..pixels * channels).map(number).collect()
    };
    maps.chunks_exact(pixels * channels).flat_map(image).collect()
}

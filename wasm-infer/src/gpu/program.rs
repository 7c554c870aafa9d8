//! A level for one batch size, ready to be sent to the GPU: its dispatches with their pipelines and bindings.

use super::device::Gpu;
use super::kernels::{Kernel, Pipe, Variant};
use super::layer::{Buffers, Layer, Map, Row, SIZES};
use super::memory::{Account, Memory};
use super::weights::{Place, Weights};
use crate::error::EngineError;
use dvn::plan::{Conv, Slots, TensorId, Weights as Source};
use dvn::{Op, Plan, ShardId};
use wgpu::BufferUsages;

/// Dispatches that are sent together.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    /// Sizes and offsets that the kernels read.
    _table: Memory,
}

#[derive(Debug)]
struct Step {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    groups: [u32; 2],
}

/// What a step is made of.
pub(super) struct Draft<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) table: Vec<u32>,
    /// In the order of the kernel's bindings, after the table.
    pub(super) bindings: Vec<wgpu::BindingResource<'a>>,
    pub(super) workgroups: u64,
}

impl Program {
    /// Makes bindings and tables; to be called under an error scope.
    ///
    /// # Errors
    /// If a dispatch needs more workgroups than the GPU allows.
    pub(super) fn new(gpu: &Gpu, account: &Account, drafts: Vec<Draft>) -> Result<Program, EngineError> {
        let limits = &gpu.limits;
        let alignment = limits
            .min_storage_buffer_offset_alignment
            .max(limits.min_uniform_buffer_offset_alignment) as usize
            / 4;
        let mut words: Vec<u32> = Vec::new();
        let mut offsets = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            words.resize(words.len().next_multiple_of(alignment), 0);
            offsets.push(4 * words.len() as u64);
            words.extend_from_slice(&draft.table);
        }
        let usage = BufferUsages::STORAGE | BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let table = Memory::new(gpu, account, 4 * words.len() as u64, usage);
        gpu.queue.write_buffer(table.buffer(), 0, bytemuck::cast_slice(&words));
        let mut steps = Vec::with_capacity(drafts.len());
        for (draft, offset) in drafts.into_iter().zip(offsets) {
            steps.push(step(gpu, draft, &table, offset)?);
        }
        Ok(Program { steps, _table: table })
    }

    /// Records everything, `times` times, in one pass.
    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder, times: u32) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for step in (0..times).flat_map(|_| &self.steps) {
            pass.set_pipeline(&step.pipeline);
            pass.set_bind_group(0, &step.bindings, &[]);
            pass.dispatch_workgroups(step.groups[0], step.groups[1], 1);
        }
    }
}

fn step(gpu: &Gpu, draft: Draft, table: &Memory, offset: u64) -> Result<Step, EngineError> {
    let words = |count: usize| {
        let size = std::num::NonZeroU64::new(4 * count as u64);
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: table.buffer(), offset, size })
    };
    let buffers = std::iter::once(words(draft.table.len())).chain(draft.bindings);
    let sizes = draft.kernel.sizes.map(|binding| (words(SIZES), binding));
    let entry = |(resource, binding)| wgpu::BindGroupEntry { binding, resource };
    let entries: Vec<_> = buffers.zip(0..).chain(sizes).map(entry).collect();
    let bindings = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &draft.kernel.layout,
        entries: &entries,
    });
    let most = u64::from(gpu.limits.max_compute_workgroups_per_dimension);
    let rows = draft.workgroups.div_ceil(most).max(1);
    if rows > most {
        return Err(EngineError::Limits {
            adapter: gpu.name().to_owned(),
            what: "workgroups of a dispatch",
            found: most * most,
            needed: draft.workgroups,
        });
    }
    let groups = [draft.workgroups.div_ceil(rows) as u32, rows as u32];
    Ok(Step { pipeline: draft.kernel.pipeline.clone(), bindings, groups })
}

/// f32 elements of a tensor of one image on the GPU: maps are packed by four channels, the image's three filled up.
fn elements(plan: &Plan, id: TensorId) -> usize {
    let t = plan.tensor(id);
    if id.0 == 0 { t.height * t.width * 4 } else { t.elements() }
}

/// Bytes that each slot's buffer needs for one image.
pub(super) fn slot_bytes(plan: &Plan, slots: &Slots) -> Vec<u64> {
    let mut bytes = vec![0; slots.elements.len()];
    for (id, &slot) in slots.of.iter().enumerate() {
        bytes[slot] = bytes[slot].max(4 * elements(plan, TensorId(id)) as u64);
    }
    bytes
}

fn map(plan: &Plan, id: TensorId) -> Map {
    let t = plan.tensor(id);
    Map { height: t.height as u32, width: t.width as u32, c4: t.channels.div_ceil(4) as u32 }
}

/// A convolution of a plan for so many images; `offset` tells where a shard's weights begin in a place. The scales
/// are the level's `norm`-th and following numbers.
pub(super) fn layer(
    plan: &Plan,
    conv: &Conv,
    images: usize,
    norm: u32,
    offset: impl Fn(Place, ShardId) -> u32,
) -> Layer {
    let mut rows = Vec::with_capacity(plan.tensor(conv.output).channels / 4);
    for to in &conv.outputs {
        for (within, packed) in (to.packed.start..to.packed.end).step_by(4).enumerate() {
            let skip_c4 = conv.shortcut.as_ref().and_then(|s| {
                let span = s.spans.iter().find(|s| (s.to..s.to + s.len).contains(&packed))?;
                Some(((span.from + packed - span.to) / 4) as u32)
            });
            let blocks = match conv.weights {
                Source::Stem => {
                    let id = ShardId::Stem { task: plan.task };
                    vec![offset(Place::Own(id), id) + ((to.physical.start / 4 + within) * 9) as u32]
                }
                Source::Shared { layer } => {
                    let block = |from: &dvn::plan::Span| {
                        let id = ShardId::Block { to: to.unit, from: from.unit };
                        let row = within * from.packed.len() / 4 * 9;
                        offset(Place::Layer(layer), id) + row as u32
                    };
                    conv.inputs.iter().map(block).collect()
                }
            };
            rows.push(Row { skip_c4, blocks });
        }
    }
    let spans = match conv.weights {
        // The image is one span of one group of channels.
        Source::Stem => vec![1],
        Source::Shared { .. } => conv.inputs.iter().map(|s| s.packed.len() as u32 / 4).collect(),
    };
    Layer {
        images: images as u32,
        input: map(plan, conv.input),
        output: map(plan, conv.output),
        stride: conv.stride as u32,
        norm: norm / 4,
        skip: conv.shortcut.as_ref().map(|s| (map(plan, s.input), s.stride as u32)),
        spans,
        rows,
    }
}

/// The convolutions of a plan, each with the number of its first scale among the level's own parameters.
pub(super) fn convolutions(plan: &Plan) -> impl Iterator<Item = (&Conv, u32)> {
    plan.convs().scan(0, |norm, conv| {
        let first = *norm;
        *norm += 2 * plan.tensor(conv.output).channels as u32;
        Some((conv, first))
    })
}

/// What a program is made for.
pub(super) struct Job<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) plan: &'a Plan,
    pub(super) slots: &'a Slots,
    pub(super) images: usize,
    pub(super) weights: &'a Weights,
    pub(super) maps: &'a [Memory],
    pub(super) sums: Option<&'a Memory>,
}

impl<'a> Job<'a> {
    /// The drafts of a level, its convolutions carried out by the `variants` in their order. All of the level's shards
    /// are on the GPU.
    ///
    /// # Errors
    /// If the GPU lacks one of the kernels.
    pub(super) fn level(&self, variants: &[Variant]) -> Result<Vec<Draft<'a>>, EngineError> {
        let mut variants = variants.iter();
        let mut norm = 0;
        let mut drafts = Vec::with_capacity(self.plan.ops.len());
        for op in &self.plan.ops {
            match op {
                Op::Conv(conv) => {
                    let variant = variants.next().copied().unwrap_or(Variant::Registers);
                    drafts.extend(self.convolution(conv, norm, variant)?);
                    norm += 2 * self.plan.tensor(conv.output).channels as u32;
                }
                Op::Pool { input, output } => drafts.push(self.pool(*input, *output)?),
                Op::Classifier { input, output } => drafts.push(self.classifier(*input, *output, norm)?),
            }
        }
        Ok(drafts)
    }

    /// The drafts of one convolution, whose scales are the level's `norm`-th and following numbers.
    ///
    /// # Errors
    /// If the GPU lacks the variant.
    pub(super) fn convolution(
        &self,
        conv: &Conv,
        norm: u32,
        variant: Variant,
    ) -> Result<Vec<Draft<'a>>, EngineError> {
        let place = match conv.weights {
            Source::Stem => Place::Own(ShardId::Stem { task: self.plan.task }),
            Source::Shared { layer } => Place::Layer(layer),
        };
        let layer = layer(self.plan, conv, self.images, norm, |place, id| self.offset(place, id));
        let buffers = Buffers {
            x: self.map(conv.input),
            weights: self.weights(place),
            norms: self.own(),
            skip: self.map(conv.shortcut.as_ref().map_or(conv.input, |s| s.input)),
            y: self.map(conv.output),
            sums: self.sums,
        };
        layer.drafts(&self.gpu.kernels, variant, &buffers)
    }

    fn pool(&self, input: TensorId, output: TensorId) -> Result<Draft<'a>, EngineError> {
        let t = self.plan.tensor(input);
        let elements = self.images * t.channels / 4;
        Ok(Draft {
            kernel: self.gpu.kernels.get(Pipe::Pool)?,
            table: vec![elements as u32, (t.height * t.width) as u32],
            bindings: vec![self.map(input).binding(), self.map(output).binding()],
            workgroups: elements as u64,
        })
    }

    /// `start` is where the classifier's weight begins in the level's own parameters.
    fn classifier(&self, input: TensorId, output: TensorId, start: u32) -> Result<Draft<'a>, EngineError> {
        let (features, classes) = (self.plan.features() as u32, self.plan.classes() as u32);
        let bias = start + features * classes;
        let own = self.own();
        Ok(Draft {
            kernel: self.gpu.kernels.get(Pipe::Classifier)?,
            table: vec![self.images as u32, features / 4, classes, start / 4, bias],
            bindings: [self.map(input), own, own, self.map(output)].map(Memory::binding).into(),
            workgroups: (self.images as u64 * u64::from(classes)).div_ceil(Pipe::Classifier.threads()),
        })
    }

    fn map(&self, id: TensorId) -> &'a Memory {
        &self.maps[self.slots.of[id.0]]
    }

    fn own(&self) -> &'a Memory {
        let (task, level) = (self.plan.task, self.plan.level);
        self.weights(Place::Own(ShardId::Level { task, level }))
    }

    fn weights(&self, place: Place) -> &'a Memory {
        self.weights.memory(place).expect("the level's shards were uploaded before its program is made")
    }

    fn offset(&self, place: Place, id: ShardId) -> u32 {
        self.weights.offset(place, id).expect("the level's shards were uploaded before its program is made")
    }
}

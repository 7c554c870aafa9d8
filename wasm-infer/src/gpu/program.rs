//! A level for one batch size, ready to be sent to the GPU: its dispatches with their pipelines and bindings.

use super::device::Gpu;
use super::kernels::{Kernel, PARTS, THREADS, Variant};
use super::memory::{Account, Memory};
use super::weights::{Place, Weights};
use crate::error::EngineError;
use dvn::plan::{Conv, Slots, TensorId, Weights as Source};
use dvn::{Op, Plan, ShardId};
use wgpu::BufferUsages;

/// No shortcut, in a convolution's table.
const NO_SHORTCUT: u32 = u32::MAX;

/// Which kernels a program uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The ones that suit the GPU and the sizes.
    Suitable,
    /// Split over the inputs or not, whatever the sizes: for the self-test.
    Split(bool),
}

/// A level for one batch size.
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

/// What a step is made of, before the buffers are there.
struct Draft<'a> {
    kernel: &'a Kernel,
    table: Vec<u32>,
    /// In the order of the kernel's bindings, after the table.
    bindings: Vec<wgpu::BindingResource<'a>>,
    workgroups: u64,
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

/// What a program is made for.
pub(super) struct Job<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) plan: &'a Plan,
    pub(super) slots: &'a Slots,
    pub(super) images: usize,
    pub(super) weights: &'a Weights,
    pub(super) maps: &'a [Memory],
    pub(super) choice: Choice,
}

impl Job<'_> {
    /// Makes the program; to be called under an error scope. All of the level's shards are on the GPU.
    ///
    /// # Errors
    /// If a dispatch needs more workgroups than the GPU allows.
    pub(super) fn program(&self, account: &Account) -> Result<Program, EngineError> {
        let mut norm = 0;
        let mut drafts = Vec::with_capacity(self.plan.ops.len());
        for op in &self.plan.ops {
            drafts.push(match op {
                Op::Conv(conv) => {
                    let draft = self.convolution(conv, norm);
                    norm += 2 * self.plan.tensor(conv.output).channels as u32;
                    draft
                }
                Op::Pool { input, output } => self.pool(*input, *output),
                Op::Classifier { input, output } => self.classifier(*input, *output, norm),
            });
        }
        let alignment = self.gpu.limits.min_storage_buffer_offset_alignment as usize / 4;
        let mut words: Vec<u32> = Vec::new();
        let mut offsets = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            words.resize(words.len().next_multiple_of(alignment), 0);
            offsets.push(4 * words.len() as u64);
            words.extend_from_slice(&draft.table);
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let table = Memory::new(self.gpu, account, 4 * words.len() as u64, usage);
        self.gpu.queue.write_buffer(table.buffer(), 0, bytemuck::cast_slice(&words));
        let mut steps = Vec::with_capacity(drafts.len());
        for (draft, offset) in drafts.into_iter().zip(offsets) {
            steps.push(self.step(draft, &table, offset)?);
        }
        Ok(Program { steps, _table: table })
    }

    fn step(&self, draft: Draft, table: &Memory, offset: u64) -> Result<Step, EngineError> {
        let size = std::num::NonZeroU64::new(4 * draft.table.len() as u64);
        let table =
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: table.buffer(), offset, size });
        let bindings = std::iter::once(table).chain(draft.bindings).zip(0..);
        let entries: Vec<_> =
            bindings.map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource }).collect();
        let bindings = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &draft.kernel.layout,
            entries: &entries,
        });
        let most = u64::from(self.gpu.limits.max_compute_workgroups_per_dimension);
        let rows = draft.workgroups.div_ceil(most).max(1);
        if rows > most {
            return Err(EngineError::Limits {
                adapter: self.gpu.name().to_owned(),
                what: "workgroups of a dispatch",
                found: most * most,
                needed: draft.workgroups,
            });
        }
        let groups = [draft.workgroups.div_ceil(rows) as u32, rows as u32];
        Ok(Step { pipeline: draft.kernel.pipeline.clone(), bindings, groups })
    }

    fn convolution(&self, conv: &Conv, norm: u32) -> Draft<'_> {
        let plan = self.plan;
        let (input, output) = (plan.tensor(conv.input), plan.tensor(conv.output));
        let (place, spans) = match conv.weights {
            // The image is one span of one group of channels.
            Source::Stem => (Place::Own(ShardId::Stem { task: plan.task }), vec![(0, 1)]),
            Source::Shared { layer } => {
                let span = |s: &dvn::plan::Span| (s.packed.start as u32 / 4, s.packed.len() as u32 / 4);
                (Place::Layer(layer), conv.inputs.iter().map(span).collect())
            }
        };
        let out_c4 = output.channels as u32 / 4;
        let skip = conv.shortcut.as_ref().map(|s| (plan.tensor(s.input), s.stride));
        let mut table = vec![
            self.images as u32,
            input.height as u32,
            input.width as u32,
            input.channels.div_ceil(4) as u32,
            output.height as u32,
            output.width as u32,
            out_c4,
            conv.stride as u32,
            norm / 4,
            skip.map_or(0, |(t, _)| t.height as u32),
            skip.map_or(0, |(t, _)| t.width as u32),
            skip.map_or(0, |(t, _)| t.channels as u32 / 4),
            skip.map_or(0, |(_, stride)| stride as u32),
            spans.len() as u32,
        ];
        table.extend(spans.iter().flat_map(|&(first, count)| [first, count]));
        for to in &conv.outputs {
            for (within, packed) in (to.packed.start..to.packed.end).step_by(4).enumerate() {
                let carries = conv.shortcut.as_ref().and_then(|s| {
                    let span = s.spans.iter().find(|s| (s.to..s.to + s.len).contains(&packed))?;
                    Some(((span.from + packed - span.to) / 4) as u32)
                });
                table.push(carries.unwrap_or(NO_SHORTCUT));
                let rows = conv.inputs.iter().map(|from| {
                    let id = ShardId::Block { to: to.unit, from: from.unit };
                    let row = within * from.packed.len() / 4 * 9;
                    self.offset(place, id) + row as u32
                });
                match conv.weights {
                    Source::Stem => {
                        let row = (to.physical.start / 4 + within) * 9;
                        table.push(self.offset(place, ShardId::Stem { task: plan.task }) + row as u32);
                    }
                    Source::Shared { .. } => table.extend(rows),
                }
            }
        }
        let tiles = output.height.div_ceil(2) as u64 * output.width.div_ceil(2) as u64;
        let items = self.images as u64 * u64::from(out_c4) * tiles;
        let unit_stride = conv.stride == 1;
        let kernels = &self.gpu.kernels;
        let variant = match self.choice {
            Choice::Suitable => kernels.choose(items, unit_stride),
            Choice::Split(split) => Variant { split, unit_stride },
        };
        let parts = if variant.split { PARTS } else { 1 };
        let skip = conv.shortcut.as_ref().map_or(conv.input, |s| s.input);
        Draft {
            kernel: kernels.convolution(variant),
            table,
            bindings: vec![
                self.map(conv.input),
                self.weights(place).binding(),
                self.own().binding(),
                self.map(skip),
                self.map(conv.output),
            ],
            workgroups: (items * parts).div_ceil(THREADS),
        }
    }

    fn pool(&self, input: TensorId, output: TensorId) -> Draft<'_> {
        let t = self.plan.tensor(input);
        let elements = self.images * t.channels / 4;
        Draft {
            kernel: &self.gpu.kernels.pool,
            table: vec![elements as u32, (t.height * t.width) as u32],
            bindings: vec![self.map(input), self.map(output)],
            workgroups: elements as u64,
        }
    }

    /// `start` is where the classifier's weight begins in the level's own parameters.
    fn classifier(&self, input: TensorId, output: TensorId, start: u32) -> Draft<'_> {
        let (features, classes) = (self.plan.features() as u32, self.plan.classes() as u32);
        let bias = start + features * classes;
        Draft {
            kernel: &self.gpu.kernels.classifier,
            table: vec![self.images as u32, features / 4, classes, start / 4, bias],
            bindings: vec![self.map(input), self.own().binding(), self.own().binding(), self.map(output)],
            workgroups: (self.images as u64 * u64::from(classes)).div_ceil(THREADS),
        }
    }

    fn map(&self, id: TensorId) -> wgpu::BindingResource<'_> {
        self.maps[self.slots.of[id.0]].binding()
    }

    fn own(&self) -> &Memory {
        let (task, level) = (self.plan.task, self.plan.level);
        self.weights(Place::Own(ShardId::Level { task, level }))
    }

    fn weights(&self, place: Place) -> &Memory {
        self.weights.memory(place).expect("the level's shards were uploaded before its program is made")
    }

    fn offset(&self, place: Place, id: ShardId) -> u32 {
        self.weights.offset(place, id).expect("the level's shards were uploaded before its program is made")
    }
}

impl Program {
    /// Records the whole level in one pass.
    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for step in &self.steps {
            pass.set_pipeline(&step.pipeline);
            pass.set_bind_group(0, &step.bindings, &[]);
            pass.dispatch_workgroups(step.groups[0], step.groups[1], 1);
        }
    }
}

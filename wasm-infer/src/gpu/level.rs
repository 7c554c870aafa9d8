//! A level's operations as dispatches, for one batch size.

use super::device::Gpu;
use super::kernels::{Pipe, Variant};
use super::layer::{Buffers, Layer, Map, Row};
use super::memory::Memory;
use super::program::Draft;
use super::weights::{Place, Weights};
use crate::error::EngineError;
use dvn::plan::{Conv, Slots, TensorId, Weights as Source};
use dvn::{Op, Plan, ShardId};

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

/// What a level's program is made for.
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

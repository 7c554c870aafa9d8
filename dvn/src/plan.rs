//! The plan: one level of one task as a straight list of operations over named tensors.
//!
//! Trainer, engines, exports and the cost model all read this list; none of them works the network's shape out again.
//! Tensors are N H W C. The channels of a level's tensors are its units' channels one after another, in the order in
//! which the units joined ("packed"), so that a level's maps are the first channels of the next level's.

use crate::error::DefinitionError;
use crate::network::Network;
use crate::shard::ShardId;
use crate::unit::Unit;
use std::ops::Range;

/// Index into [`Plan::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub usize);

/// A tensor of one image: `height` x `width` x `channels`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The operation that makes it, or `image`.
    pub name: String,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Packed channels.
    pub channels: usize,
}

impl Tensor {
    /// Elements of one image.
    pub fn elements(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// A unit's channels in one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The unit.
    pub unit: Unit,
    /// Its channels in the whole backbone.
    pub physical: Range<usize>,
    /// Its channels in the level's tensor.
    pub packed: Range<usize>,
}

/// Which weights a convolution reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The task's own stem: 3 input channels, the rows of the level's units.
    Stem,
    /// Shared layer number `layer` (from 0, in the order of [`Network::layers`]): the blocks from every input span to
    /// every output span.
    Shared {
        /// The layer.
        layer: usize,
    },
}

/// Channels that a shortcut adds: `len` channels from `from` in its input to `to` in the convolution's output, both
/// packed. Always within one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortcutSpan {
    /// First channel of the shortcut's input.
    pub from: usize,
    /// First channel of the output.
    pub to: usize,
    /// Channels.
    pub len: usize,
}

/// A parameter-free shortcut (He et al., option A): every `stride`-th pixel, missing channels zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// What is added.
    pub input: TensorId,
    /// 1, or 2 where the block halves the map.
    pub stride: usize,
    /// Which channels go where.
    pub spans: Vec<ShortcutSpan>,
}

/// `output = relu(scale * conv3x3(input) + shift + shortcut)`, padding 1, no bias; scale and shift are batch norm folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv {
    /// `stem` or the shared layer's name.
    pub name: String,
    /// Where the weights are.
    pub weights: Weights,
    /// What is read.
    pub input: TensorId,
    /// What is written.
    pub output: TensorId,
    /// Input channels by unit; empty for a stem, whose input is the image.
    pub inputs: Vec<Span>,
    /// Output channels by unit.
    pub outputs: Vec<Span>,
    /// Output row y and column x read the input around `stride * y`, `stride * x`.
    pub stride: usize,
    /// Added before the ReLU.
    pub shortcut: Option<Shortcut>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Convolution with its folded batch norm, shortcut and ReLU.
    Conv(Conv),
    /// Mean over all pixels.
    Pool {
        /// H x W x C.
        input: TensorId,
        /// 1 x 1 x C.
        output: TensorId,
    },
    /// `logits = weight * features + bias`.
    Classifier {
        /// 1 x 1 x C.
        input: TensorId,
        /// 1 x 1 x classes.
        output: TensorId,
    },
}

impl Op {
    /// Every tensor that the operation reads.
    pub fn reads(&self) -> impl Iterator<Item = TensorId> {
        let (input, shortcut) = match self {
            Op::Conv(c) => (c.input, c.shortcut.as_ref().map(|s| s.input)),
            Op::Pool { input, .. } | Op::Classifier { input, .. } => (*input, None),
        };
        std::iter::once(input).chain(shortcut)
    }

    /// The tensor that it writes.
    pub fn writes(&self) -> TensorId {
        match self {
            Op::Conv(c) => c.output,
            Op::Pool { output, .. } | Op::Classifier { output, .. } => *output,
        }
    }
}

/// One level of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From 0.
    pub task: usize,
    /// From 1.
    pub level: usize,
    /// In the order in which they joined.
    pub units: Vec<Unit>,
    /// What the operations read and write; the first is the image.
    pub tensors: Vec<Tensor>,
    /// In the order of execution. Every tensor is written once, before it is read.
    pub ops: Vec<Op>,
}

impl Network {
    /// The straight list of operations that computes `level` (from 1) of `task` (from 0).
    ///
    /// # Errors
    /// If there is no such task or level.
    pub fn plan(&self, task: usize, level: usize) -> Result<Plan, DefinitionError> {
        Plan::new(self, task, level)
    }
}

impl Plan {
    fn new(network: &Network, task: usize, level: usize) -> Result<Plan, DefinitionError> {
        let units = network.units(task, level)?.to_vec();
        let spec = &network.tasks()[task];
        let size = spec.input_size;
        let image = Tensor { name: "image".into(), height: size, width: size, channels: 3 };
        let mut plan = Plan { task, level, units, tensors: vec![image], ops: Vec::new() };

        let layers = network.layers();
        let stem = plan.spans(network, network.backbone().stem_width());
        let mut x =
            plan.push_conv("stem", Weights::Stem, TensorId(0), vec![], stem, network.stem_stride(task), None);
        for (b, pair) in layers.chunks_exact(2).enumerate() {
            let (inputs, outputs) =
                (plan.spans(network, pair[0].inputs), plan.spans(network, pair[0].outputs));
            let spans = inputs.iter().zip(&outputs).map(|(i, o)| ShortcutSpan {
                from: i.packed.start,
                to: o.packed.start,
                len: i.packed.len().min(o.packed.len()),
            });
            let shortcut = Shortcut { input: x, stride: pair[0].stride, spans: spans.collect() };
            let weights = |c| Weights::Shared { layer: 2 * b + c };
            let middle =
                plan.push_conv(&pair[0].name, weights(0), x, inputs, outputs.clone(), pair[0].stride, None);
            x = plan.push_conv(
                &pair[1].name,
                weights(1),
                middle,
                outputs.clone(),
                outputs,
                pair[1].stride,
                Some(shortcut),
            );
        }
        let channels = plan.tensor(x).channels;
        let pooled = plan.push_tensor("pool", 1, 1, channels);
        plan.ops.push(Op::Pool { input: x, output: pooled });
        let logits = plan.push_tensor("classifier", 1, 1, spec.classes);
        plan.ops.push(Op::Classifier { input: pooled, output: logits });
        Ok(plan)
    }

    fn spans(&self, network: &Network, width: usize) -> Vec<Span> {
        let mut end = 0;
        let span = |&unit: &Unit| {
            let physical = network.split().range(width, unit);
            let packed = end..end + physical.len();
            end = packed.end;
            Span { unit, physical, packed }
        };
        self.units.iter().map(span).collect()
    }

    fn push_tensor(&mut self, name: &str, height: usize, width: usize, channels: usize) -> TensorId {
        self.tensors.push(Tensor { name: name.into(), height, width, channels });
        TensorId(self.tensors.len() - 1)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one convolution, used three times above")]
    fn push_conv(
        &mut self,
        name: &str,
        weights: Weights,
        input: TensorId,
        inputs: Vec<Span>,
        outputs: Vec<Span>,
        stride: usize,
        shortcut: Option<Shortcut>,
    ) -> TensorId {
        let channels = outputs.last().map_or(0, |s| s.packed.end);
        let (height, width) = (self.tensor(input).height, self.tensor(input).width);
        let output = self.push_tensor(name, height.div_ceil(stride), width.div_ceil(stride), channels);
        let name = name.to_owned();
        self.ops.push(Op::Conv(Conv { name, weights, input, output, inputs, outputs, stride, shortcut }));
        output
    }

    /// The same operations for images of another size, `size` x `size`, with the strides kept: what a trainer runs
    /// while it shows its images smaller.
    pub fn at_size(&self, size: usize) -> Plan {
        let mut plan = self.clone();
        (plan.tensors[0].height, plan.tensors[0].width) = (size, size);
        for conv in self.convs() {
            let (height, width) = (plan.tensor(conv.input).height, plan.tensor(conv.input).width);
            let output = &mut plan.tensors[conv.output.0];
            (output.height, output.width) = (height.div_ceil(conv.stride), width.div_ceil(conv.stride));
        }
        plan
    }

    /// The tensor `id`.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0]
    }

    /// The convolutions, in the order of execution; scale and shift of the n-th are the level's n-th.
    pub fn convs(&self) -> impl Iterator<Item = &Conv> {
        self.ops.iter().filter_map(|op| if let Op::Conv(c) = op { Some(c) } else { None })
    }

    /// Channels that reach the classifier.
    pub fn features(&self) -> usize {
        self.tensors[self.tensors.len() - 2].channels
    }

    /// Outputs of the classifier.
    pub fn classes(&self) -> usize {
        self.logits().channels
    }

    /// The last tensor: 1 x 1 x classes.
    pub fn logits(&self) -> &Tensor {
        &self.tensors[self.tensors.len() - 1]
    }

    /// The shards that the level needs, in the order in which its operations first use them.
    pub fn shards(&self) -> Vec<ShardId> {
        let (task, level) = (self.task, self.level);
        let blocks =
            self.units.iter().flat_map(|&to| self.units.iter().map(move |&from| ShardId::Block { to, from }));
        [ShardId::Stem { task }, ShardId::Level { task, level }].into_iter().chain(blocks).collect()
    }

    /// Shares buffers between tensors that are never needed at once. The image, the pooled features and the logits
    /// take part like any other tensor.
    pub fn slots(&self) -> Slots {
        let mut last_use: Vec<usize> = vec![0; self.tensors.len()];
        for (i, op) in self.ops.iter().enumerate() {
            last_use[op.writes().0] = i;
            for id in op.reads() {
                last_use[id.0] = i;
            }
        }
        // Nobody overwrites the answer.
        last_use[self.tensors.len() - 1] = usize::MAX;
        let mut slots = Slots { of: vec![0; self.tensors.len()], elements: vec![self.tensors[0].elements()] };
        let mut free_from = vec![last_use[0]];
        for (i, op) in self.ops.iter().enumerate() {
            let id = op.writes().0;
            let need = self.tensors[id].elements();
            // Of the buffers whose tensor is done before this operation, the one that grows least.
            let idle = (0..free_from.len()).filter(|&s| free_from[s] < i);
            let best = idle.min_by_key(|&s| (need.saturating_sub(slots.elements[s]), slots.elements[s]));
            let slot = best.unwrap_or_else(|| {
                free_from.push(0);
                slots.elements.push(0);
                free_from.len() - 1
            });
            slots.elements[slot] = slots.elements[slot].max(need);
            slots.of[id] = slot;
            free_from[slot] = last_use[id];
        }
        slots
    }
}

/// Which buffer each tensor lives in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Buffer of each tensor of the plan.
    pub of: Vec<usize>,
    /// f32 elements that each buffer needs for one image.
    pub elements: Vec<usize>,
}

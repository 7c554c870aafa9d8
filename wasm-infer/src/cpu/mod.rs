//! The CPU engine: a plan over the convolutions of `cpu-kernels`.
//!
//! Weights are kept once, and a convolution reads a level's blocks where they lie; what it transforms them to is scratch
//! memory that every layer reuses. So what is resident is the shards' own bytes. Feature maps live in the plan's slots and
//! are reused between runs. A run allocates nothing but its answer, once one of its level and batch size has been.

mod weights;

use crate::checks::{check_input, check_shard};
use crate::error::EngineError;
use crate::map;
use cpu_kernels::{
    FilterBlocks, Filters, Input, Map, Output, Run, Shape, Shortcut, Span, Workspace, average_pool, forward,
};
use dvn::plan::{Conv, Slots, TensorId, Weights as Source};
use dvn::shard::LevelParameters;
use dvn::{Network, Op, Plan, Shard, ShardId};
use std::sync::Arc;
use weights::Weights;

/// Runs levels on the CPU.
#[derive(Debug)]
pub struct CpuEngine {
    network: Network,
    weights: Weights,
    /// A stem's rows that a level uses.
    stem: Vec<f32>,
    programs: map::Map<(usize, usize), Arc<Program>>,
    maps: Vec<Vec<f32>>,
    workspace: Workspace,
}

/// A plan with what is worked out of it once.
#[derive(Debug)]
struct Program {
    plan: Plan,
    slots: Slots,
    shards: Vec<ShardId>,
    convs: Vec<Channels>,
}

/// A batch is run so many images at a time: enough that transforming the weights counts for little.
const IMAGES: usize = 16;
/// Or more, while their feature maps stay in a cache of so many bytes.
const MAP_BYTES: usize = 2 << 20;

impl Program {
    fn images_at_once(&self) -> usize {
        let one = 4 * self.slots.elements.iter().sum::<usize>();
        IMAGES.max(MAP_BYTES / one)
    }
}

/// How a convolution's channels are divided.
#[derive(Debug)]
struct Channels {
    /// What its shortcut carries; empty where it has none.
    spans: Vec<Span>,
    /// Its inputs by unit.
    inputs: Vec<Run>,
    /// Its outputs by unit.
    outputs: Vec<Run>,
}

impl Channels {
    fn new(conv: &Conv) -> Channels {
        let spans = conv.shortcut.iter().flat_map(|s| &s.spans);
        let runs = |spans: &[dvn::plan::Span]| {
            spans.iter().map(|s| Run { end: s.packed.end, index: s.unit.index() }).collect()
        };
        Channels {
            spans: spans.map(|s| Span { from: s.from, to: s.to, len: s.len }).collect(),
            inputs: runs(&conv.inputs),
            outputs: runs(&conv.outputs),
        }
    }
}

impl CpuEngine {
    /// An engine without weights.
    pub fn new(network: Network) -> CpuEngine {
        CpuEngine {
            network,
            weights: Weights::default(),
            stem: Vec::new(),
            programs: map::Map::new(),
            maps: Vec::new(),
            workspace: Workspace::new(),
        }
    }

    /// Keeps a shard, in place of an earlier one of the same name.
    ///
    /// # Errors
    /// If the network has no such shard, or its shapes are others.
    pub fn insert(&mut self, id: ShardId, shard: Shard) -> Result<(), EngineError> {
        check_shard(&self.network, id, &shard)?;
        self.weights.insert(&self.network, id, shard);
        Ok(())
    }

    /// Frees every shard that is not named, and the feature maps.
    pub fn retain(&mut self, keep: &[ShardId]) {
        self.weights.retain(keep);
        self.maps.clear();
    }

    /// The shards that are kept.
    pub fn resident(&self) -> Vec<ShardId> {
        self.weights.ids().collect()
    }

    /// Bytes of the shards that are kept: 4 for each of their numbers.
    pub fn resident_bytes(&self) -> u64 {
        self.weights.bytes()
    }

    /// Bytes allocated for feature maps: those of the largest level and part of a batch since the last
    /// [`CpuEngine::retain`].
    pub fn activation_bytes(&self) -> u64 {
        self.maps.iter().map(|m| 4 * m.capacity() as u64).sum()
    }

    /// Bytes of scratch memory: a level's stem, and what the convolutions keep.
    pub fn scratch_bytes(&self) -> u64 {
        4 * self.stem.capacity() as u64 + self.workspace.bytes() as u64
    }

    /// Runs `level` (from 1) of `task` (from 0) on `images` normalised images, N H W C. Gives the logits, images x
    /// classes.
    ///
    /// # Errors
    /// If there is no such level, one of its shards is missing, or the input has another length.
    pub fn run(
        &mut self,
        task: usize,
        level: usize,
        input: &[f32],
        images: usize,
    ) -> Result<Vec<f32>, EngineError> {
        let mut logits = Vec::new();
        self.run_into(task, level, input, images, &mut logits)?;
        Ok(logits)
    }

    /// The same, with the logits put in the place of what is in `logits`. Allocates nothing once `logits` has room and a run of
    /// this level, on as many images, has been.
    ///
    /// # Errors
    /// As for [`CpuEngine::run`].
    pub fn run_into(
        &mut self,
        task: usize,
        level: usize,
        input: &[f32],
        images: usize,
        logits: &mut Vec<f32>,
    ) -> Result<(), EngineError> {
        let program = self.program(task, level)?;
        let plan = &program.plan;
        if let Some(&shard) = program.shards.iter().find(|id| !self.weights.has(id)) {
            return Err(EngineError::MissingShard { shard, task: task + 1, level });
        }
        check_input(plan, input.len(), images)?;
        logits.clear();
        logits.reserve(images * plan.classes());
        let one = plan.tensors[0].elements();
        for part in input.chunks(one * program.images_at_once()) {
            logits.extend_from_slice(self.run_part(&program, part, part.len() / one));
        }
        Ok(())
    }

    fn program(&mut self, task: usize, level: usize) -> Result<Arc<Program>, EngineError> {
        if let Some(program) = self.programs.get(&(task, level)) {
            return Ok(program.clone());
        }
        let plan = self.network.plan(task, level)?;
        let convs = plan.convs().map(Channels::new).collect();
        let program = Arc::new(Program { slots: plan.slots(), shards: plan.shards(), convs, plan });
        self.programs.insert((task, level), program.clone());
        Ok(program)
    }

    /// Runs so many images at once; gives their logits.
    fn run_part(&mut self, program: &Program, input: &[f32], images: usize) -> &[f32] {
        let Program { plan, slots, convs, .. } = program;
        self.maps.resize_with(self.maps.len().max(slots.elements.len()), Vec::new);
        for (map, elements) in self.maps.iter_mut().zip(&slots.elements) {
            let len = map.len().max(elements * images);
            map.reserve_exact(len - map.len());
            map.resize(len, 0.0);
        }
        let slot = |id: TensorId| (slots.of[id.0], images * plan.tensor(id).elements());
        let (first, len) = slot(TensorId(0));
        self.maps[first][..len].copy_from_slice(input);

        let level = self.weights.level(plan.task, plan.level);
        let mut convs = convs.iter().zip(&level.norms);
        for op in &plan.ops {
            let (out, len) = slot(op.writes());
            // Nothing that an operation reads lies in the buffer that it writes (`Plan::slots`).
            let mut map = std::mem::take(&mut self.maps[out]);
            let read = |id: TensorId| {
                let (slot, len) = slot(id);
                &self.maps[slot][..len]
            };
            match op {
                Op::Conv(conv) => {
                    let (channels, norm) =
                        convs.next().expect("a level has a norm for each convolution: checked");
                    let input = plan.tensor(conv.input);
                    let shape = Shape {
                        images,
                        height: input.height,
                        width: input.width,
                        inputs: input.channels,
                        outputs: plan.tensor(conv.output).channels,
                        stride: conv.stride,
                    };
                    let shortcut = conv.shortcut.as_ref().map(|s| {
                        let t = plan.tensor(s.input);
                        Shortcut {
                            x: read(s.input),
                            height: t.height,
                            width: t.width,
                            channels: t.channels,
                            stride: s.stride,
                            spans: &channels.spans,
                        }
                    });
                    let output =
                        Output::Inference { scale: &norm.scale, shift: &norm.shift, shortcut, relu: true };
                    let x = Input::Plain(read(conv.input));
                    let weights = match conv.weights {
                        Source::Stem => {
                            let stem = self.weights.stem(plan.task);
                            self.stem.clear();
                            for row in stem.chunks_exact(stem.len() / 27) {
                                let units = conv.outputs.iter().map(|s| &row[s.physical.clone()]);
                                units.for_each(|unit| self.stem.extend_from_slice(unit));
                            }
                            Filters::from(&self.stem)
                        }
                        Source::Shared { layer } => Filters::Blocks(FilterBlocks {
                            inputs: &channels.inputs,
                            outputs: &channels.outputs,
                            table: self.weights.layer(layer),
                            columns: self.network.levels(),
                        }),
                    };
                    forward(&mut self.workspace, &shape, x, weights, &mut map[..len], output);
                }
                Op::Pool { input, .. } => {
                    let t = plan.tensor(*input);
                    let shape = Map { images, height: t.height, width: t.width, channels: t.channels };
                    average_pool(&mut self.workspace, &shape, read(*input), &mut map[..len]);
                }
                Op::Classifier { input, .. } => classify(level, read(*input), &mut map[..len], images),
            }
            self.maps[out] = map;
        }
        let (slot, len) = slot(TensorId(plan.tensors.len() - 1));
        &self.maps[slot][..len]
    }
}

/// `logits = weight * features + bias` for each image.
fn classify(level: &LevelParameters, features: &[f32], logits: &mut [f32], images: usize) {
    let (channels, classes) = (features.len() / images, level.classifier_bias.len());
    for (x, out) in features.chunks_exact(channels).zip(logits.chunks_exact_mut(classes)) {
        let rows = level.classifier_weight.chunks_exact(channels).zip(&level.classifier_bias);
        for (o, (row, bias)) in out.iter_mut().zip(rows) {
            *o = bias + row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
        }
    }
}

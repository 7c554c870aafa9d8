//! The GPU engine: a plan as compute shaders over wgpu.
//!
//! | file | what it does |
//! | --- | --- |
//! | `watch` | what the device says of work |
//! | `kernels`, `sources`, `shaders/` | the pipelines, the variants of the convolution |
//! | `tuning` | which variants were the fastest |
//! | `device` | limits, errors, loss |
//! | `memory`, `reading` | counted buffers, numbers on their way back |
//! | `weights` | resident shards |
//! | `program` | dispatches with pipelines and bindings |
//! | `layer` | a convolution as the shaders see it |
//! | `level` | a plan's operations as dispatches |
//! | `choice` | which variant carries out a layer |
//! | `measure` | times the variants of a layer |
//! | `report` | what is used for a level, and what else could be |
//! | `trial`, `selftest`, `random` | every kernel against the CPU engine |
//! | `request` | asks for a GPU |
//!
//! From the ground up: none of them names one below it.
//!
//! Maps are `[images][channels / 4][height][width]`, four channels an element. A level is one compute pass and one
//! submit, and only the logits come back.

#[cfg(target_arch = "wasm32")]
mod browser;
mod choice;
mod device;
mod kernels;
mod layer;
mod level;
mod measure;
mod memory;
mod program;
mod random;
mod reading;
mod report;
mod request;
mod selftest;
mod sources;
mod trial;
mod tuning;
mod watch;
mod weights;

use crate::checks::{check_input, check_resident, check_shard, images_at_once};
use crate::error::EngineError;
use crate::map::Map;
use choice::choose;
pub use choice::{Choice, Origin};
pub use device::{Gpu, GpuOptions};
use dvn::plan::{Conv, Slots};
use dvn::{Network, Plan, Shard, ShardId};
pub use kernels::Variant;
use layer::Layer;
use level::{Job, slot_bytes};
use memory::{Account, Memory};
use program::Program;
use reading::{Reading, Staging};
pub use report::{LayerKernel, LayerTimes};
use std::cell::RefCell;
use std::sync::Arc;
use weights::Weights;
use wgpu::BufferUsages;

/// Programs that are kept: levels times batch sizes in use.
const MAX_PROGRAMS: usize = 64;

/// Runs levels on a GPU.
///
/// While a run waits for the GPU, shards may be inserted and freed and other runs begun: the GPU carries them out in
/// the order of the calls.
#[derive(Debug)]
pub struct GpuEngine {
    gpu: Arc<Gpu>,
    network: Network,
    choice: Choice,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    weights: Weights,
    maps: Vec<Memory>,
    /// What a kernel leaves for the next dispatch of the same layer.
    sums: Option<Memory>,
    plans: Map<(usize, usize), Arc<Planned>>,
    programs: Map<(usize, usize, usize), Arc<Program>>,
    map_account: Account,
    other_account: Account,
}

impl State {
    /// Frees the feature maps, and the programs that name them.
    fn forget_maps(&mut self) {
        self.programs.clear();
        self.maps.clear();
        self.sums = None;
    }
}

/// A plan with what is worked out of it once.
#[derive(Debug)]
struct Planned {
    plan: Plan,
    slots: Slots,
    /// Bytes that each slot's buffer needs for one image.
    bytes: Vec<u64>,
}

impl GpuEngine {
    /// An engine without weights on a GPU.
    pub fn new(gpu: Arc<Gpu>, network: Network) -> GpuEngine {
        GpuEngine::with_choice(gpu, network, Choice::Fastest)
    }

    /// An engine whose kernels are chosen in another way.
    pub fn with_choice(gpu: Arc<Gpu>, network: Network, choice: Choice) -> GpuEngine {
        let state = State {
            weights: Weights::new(Account::default()),
            maps: Vec::new(),
            sums: None,
            plans: Map::new(),
            programs: Map::new(),
            map_account: Account::default(),
            other_account: Account::default(),
        };
        GpuEngine { gpu, network, choice, state: RefCell::new(state) }
    }

    /// The GPU.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Keeps a shard, in place of an earlier one of the same name. It is uploaded when a level first needs it, or by
    /// [`GpuEngine::settle`].
    ///
    /// # Errors
    /// If the network has no such shard, or its shapes are others.
    pub fn insert(&self, id: ShardId, shard: Shard) -> Result<(), EngineError> {
        check_shard(&self.network, id, &shard)?;
        let state = &mut *self.state.borrow_mut();
        if state.weights.insert(&self.gpu, &self.network, id, shard) {
            state.programs.clear();
        }
        Ok(())
    }

    /// Uploads what waits, if that is more than `most` bytes: memory does not fill with what belongs on the GPU. One call at
    /// a time keeps to one layer's extra copy.
    ///
    /// # Errors
    /// If the GPU is too small, out of memory or lost.
    pub async fn settle(&self, most: u64) -> Result<(), EngineError> {
        let (shards, bytes) = self.state.borrow().weights.waiting();
        if bytes <= most {
            return Ok(());
        }
        if let Some(reason) = self.gpu.lost() {
            return Err(EngineError::DeviceLost { reason });
        }
        self.bring(&shards, "weights").await
    }

    /// Frees every shard that is not named, and the feature maps.
    pub fn retain(&self, keep: &[ShardId]) {
        let state = &mut *self.state.borrow_mut();
        state.weights.retain(&self.gpu, keep);
        // Programs name the layers' buffers too.
        state.forget_maps();
    }

    /// The shards that are kept.
    pub fn resident(&self) -> Vec<ShardId> {
        self.state.borrow().weights.ids().collect()
    }

    /// Bytes of the shards that are kept, on the GPU or on their way to it: 4 for each of their numbers, and for a stem
    /// a third more, as its three input channels are filled up to four.
    pub fn resident_bytes(&self) -> u64 {
        self.state.borrow().weights.bytes()
    }

    /// Bytes of the buffers for feature maps, partial sums of theirs included: those of the largest level and batch since the last
    /// [`GpuEngine::retain`].
    pub fn activation_bytes(&self) -> u64 {
        self.state.borrow().map_account.bytes()
    }

    /// The most bytes of weights that were on the GPU at once since the last call.
    pub fn peak_weight_bytes(&self) -> u64 {
        self.state.borrow().weights.peak()
    }

    /// Bytes of the other buffers: tables of sizes, logits on their way back.
    pub fn scratch_bytes(&self) -> u64 {
        self.state.borrow().other_account.bytes()
    }

    /// Runs `level` (from 1) of `task` (from 0) on `images` normalised images, N H W C. Gives the logits, images x
    /// classes.
    ///
    /// # Errors
    /// If there is no such level, one of its shards is missing, the input has another length, the GPU is too small, out
    /// of memory or lost. After running out of memory the levels that ran before still do.
    pub async fn run(
        &self,
        task: usize,
        level: usize,
        input: &[f32],
        images: usize,
    ) -> Result<Vec<f32>, EngineError> {
        let planned = self.planned(task, level)?;
        let plan = &planned.plan;
        check_resident(plan, |id| self.state.borrow().weights.has(id))?;
        check_input(plan, input.len(), images)?;
        if let Some(reason) = self.gpu.lost() {
            return Err(EngineError::DeviceLost { reason });
        }
        if images == 0 {
            return Ok(Vec::new());
        }
        let at_once = self.at_once(&planned, images)?;
        self.upload(plan).await?;
        self.measure(&planned, at_once).await;
        // While that waited, shards may have come and gone.
        self.upload(plan).await?;
        let (reading, outcome) = self.gpu.watch(|| self.submit(&planned, input, images, at_once));
        let logits = reading?.numbers(&self.gpu, outcome, "the feature maps").await;
        if logits.is_err() {
            // Buffers that could not be had must not be used again.
            self.state.borrow_mut().forget_maps();
        }
        logits
    }

    /// How many of the images fit the GPU at once.
    fn at_once(&self, planned: &Planned, images: usize) -> Result<usize, EngineError> {
        let largest = planned.bytes.iter().copied().max().unwrap_or(0);
        match self.gpu.largest_binding() / largest.max(1) {
            0 => Err(self.too_small("bytes of a buffer", largest)),
            fit => Ok(images_at_once(&planned.plan, images).min(fit as usize)),
        }
    }

    fn planned(&self, task: usize, level: usize) -> Result<Arc<Planned>, EngineError> {
        let state = &mut *self.state.borrow_mut();
        if let Some(planned) = state.plans.get(&(task, level)) {
            return Ok(planned.clone());
        }
        let plan = self.network.plan(task, level)?;
        let slots = plan.slots();
        let bytes = slot_bytes(&plan, &slots);
        let planned = Arc::new(Planned { plan, slots, bytes });
        state.plans.insert((task, level), planned.clone());
        Ok(planned)
    }

    /// Brings the level's shards to the GPU.
    async fn upload(&self, plan: &Plan) -> Result<(), EngineError> {
        let shards = plan.shards();
        if self.state.borrow().weights.on_gpu(&shards) {
            return Ok(());
        }
        self.bring(&shards, &format!("the weights of level {}", plan.level)).await?;
        // A shard may have been freed while the others were on their way.
        check_resident(plan, |id| self.state.borrow().weights.has(id))
    }

    /// Brings these shards to the GPU, as far as they wait; `what` they are, for errors.
    async fn bring(&self, shards: &[ShardId], what: &str) -> Result<(), EngineError> {
        loop {
            let stage = || self.state.borrow_mut().weights.stage(&self.gpu, shards);
            let (staged, outcome) = self.gpu.watch(stage);
            let staged = staged.map_err(|needed| self.too_small("bytes of a buffer", needed))?;
            let Some(upload) = staged else { return Ok(()) };
            self.gpu.judge(outcome.await, what)?;
            let state = &mut *self.state.borrow_mut();
            state.weights.commit(upload);
            state.programs.clear();
        }
    }

    /// Sends the level to the GPU, in parts if the batch is large. All of its shards are there.
    fn submit(
        &self,
        planned: &Planned,
        input: &[f32],
        images: usize,
        at_once: usize,
    ) -> Result<Reading, EngineError> {
        let state = &mut *self.state.borrow_mut();
        let gpu = &*self.gpu;
        let Planned { plan, slots, .. } = planned;
        let logit_bytes = 4 * plan.classes() as u64;
        let staging = Staging::new(gpu, &state.other_account, images as u64 * logit_bytes);
        let image = plan.tensors[0].elements();
        let mut done = 0;
        for part in input.chunks(at_once * image) {
            let count = part.len() / image;
            let program = self.program(state, planned, count)?;
            gpu.queue.write_buffer(state.maps[slots.of[0]].buffer(), 0, bytemuck::cast_slice(&four(part)));
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            program.record(&mut encoder, 1);
            let logits = state.maps[slots.of[plan.tensors.len() - 1]].buffer();
            let (at, size) = (done as u64 * logit_bytes, count as u64 * logit_bytes);
            encoder.copy_buffer_to_buffer(logits, 0, staging.buffer(), at, size);
            gpu.queue.submit([encoder.finish()]);
            done += count;
        }
        Ok(staging.read())
    }

    /// The level's program, with room in the maps.
    fn program(
        &self,
        state: &mut State,
        planned: &Planned,
        images: usize,
    ) -> Result<Arc<Program>, EngineError> {
        let Planned { plan, slots, .. } = planned;
        let key = (plan.task, plan.level, images);
        // It goes with the maps that it names.
        if let Some(program) = state.programs.get(&key) {
            return Ok(program.clone());
        }
        let chosen = |(_, layer): (&Conv, Layer)| {
            let (variant, _) = choose(&self.gpu, &layer, self.choice);
            (variant, layer.sum_bytes(variant))
        };
        let (variants, sums): (Vec<_>, Vec<_>) = layers(plan, images).map(chosen).unzip();
        self.make_room(state, planned, images, sums.into_iter().max().unwrap_or(0));
        let (weights, maps, sums) = (&state.weights, &state.maps[..], state.sums.as_ref());
        let job = Job { gpu: &self.gpu, plan, slots, images, weights, maps, sums };
        let program = Arc::new(Program::new(&self.gpu, &state.other_account, job.level(&variants)?)?);
        if state.programs.len() >= MAX_PROGRAMS {
            state.programs.clear();
        }
        state.programs.insert(key, program.clone());
        Ok(program)
    }

    /// Makes the feature maps large enough, and the partial sums.
    fn make_room(&self, state: &mut State, planned: &Planned, images: usize, sums: u64) {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        for (slot, one) in planned.bytes.iter().enumerate() {
            let needed = one * images as u64;
            if state.maps.get(slot).is_some_and(|m| m.bytes() >= needed) {
                continue;
            }
            state.programs.clear();
            // The old one goes first: both at once would be a peak for nothing.
            state.maps.truncate(slot);
            state.maps.push(Memory::new(&self.gpu, &state.map_account, needed, usage));
        }
        if sums > state.sums.as_ref().map_or(0, Memory::bytes) {
            state.programs.clear();
            state.sums = None;
            state.sums = Some(Memory::new(&self.gpu, &state.map_account, sums, BufferUsages::STORAGE));
        }
    }

    fn too_small(&self, what: &'static str, needed: u64) -> EngineError {
        let (adapter, found) = (self.gpu.name().to_owned(), self.gpu.largest_binding());
        EngineError::Limits { adapter, what, found, needed }
    }
}

/// The convolutions of a plan as the shaders see them, but for where the weights are.
fn layers(plan: &Plan, images: usize) -> impl Iterator<Item = (&Conv, Layer)> {
    level::convolutions(plan)
        .map(move |(conv, norm)| (conv, level::layer(plan, conv, images, norm, |_, _| 0)))
}

/// RGB pixels as groups of four channels, the last one zero.
fn four(rgb: &[f32]) -> Vec<f32> {
    rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 0.0]).collect()
}

// Without the feature there is no adapter to test on.
#[cfg(all(test, feature = "native"))]
mod memory_tests;
#[cfg(all(test, feature = "native"))]
mod tests;

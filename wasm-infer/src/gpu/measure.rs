//! Times the variants of a level's layers on this device, once.

use super::choice::{Choice, candidates};
use super::device::Gpu;
use super::kernels::Variant;
use super::level::{self, Job};
use super::program::Program;
use super::watch::Outcome;
use super::{GpuEngine, Planned};
use dvn::plan::Conv;
use futures_channel::oneshot;

/// A layer is repeated for about so many milliseconds: less drowns in the cost of a submit.
const ENOUGH: f64 = 2.0;
/// Repetitions of the first trial, which tells how many are enough, and the most.
const TRIAL: u32 = 2;
const MOST: u32 = 128;
/// So many images tell what there is to tell of a large batch.
const IMAGES: usize = 16;
/// How often that is done; the shortest counts.
const ROUNDS: usize = 2;

/// What is timed: a convolution of a level on so many images, whose scales are the level's `norm`-th and following numbers.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) planned: &'a Planned,
    pub(super) conv: &'a Conv,
    pub(super) norm: u32,
    pub(super) images: usize,
}

impl GpuEngine {
    /// Measures those of the level's layers that nothing is known of, as far as the time allowed goes. The level's shards
    /// are on the GPU. What cannot be measured is left to the rule.
    pub(super) async fn measure(&self, planned: &Planned, images: usize) {
        let key = (planned.plan.task, planned.plan.level, images);
        let settled = self.state.borrow().programs.contains_key(&key);
        if settled || self.choice != Choice::Fastest || !self.gpu.measures() {
            return;
        }
        for (conv, norm) in level::convolutions(&planned.plan) {
            let layer = |images| level::layer(&planned.plan, conv, images, norm, |_, _| 0);
            let shape = layer(images).shape();
            // Unless that makes another shape of it.
            let few = images.min(IMAGES);
            let images = if layer(few).shape() == shape { few } else { images };
            let candidates = candidates(&self.gpu, &layer(images));
            if candidates.len() < 2 || self.gpu.tuning().knows(&shape) {
                continue;
            }
            let mut times = Vec::new();
            let mut repetitions = None;
            for variant in candidates {
                if !self.gpu.tuning().time_left() {
                    break;
                }
                let start = now();
                let case = Case { planned, conv, norm, images };
                let time = self.time(case, variant, ENOUGH, &mut repetitions).await;
                self.gpu.tuning().spent += now() - start;
                // Without the rule's own time there is nothing to hold the others against.
                let Some(time) = time else { break };
                times.push((variant, time));
            }
            self.gpu.tuning().settle(shape, &times);
            self.state.borrow_mut().programs.clear();
        }
    }

    /// Milliseconds of a layer by one variant; none if something came in between. It is repeated for about `enough`
    /// milliseconds, or as often as the first variant of a shape was.
    pub(super) async fn time(
        &self,
        case: Case<'_>,
        variant: Variant,
        enough: f64,
        repetitions: &mut Option<u32>,
    ) -> Option<f64> {
        let (program, outcome) = self.gpu.watch(|| self.trial(case, variant));
        if !matches!(outcome.await, Outcome::Done) {
            // Buffers that could not be had must not be used again.
            self.state.borrow_mut().forget_maps();
            return None;
        }
        let program = program?;
        // The first dispatch may still compile.
        time(&self.gpu, &program, 1).await;
        let repetitions = match *repetitions {
            Some(n) => n,
            None => {
                let trial = time(&self.gpu, &program, TRIAL).await.max(1e-3);
                let enough = f64::from(TRIAL) * enough / trial;
                *repetitions.insert((enough as u32).clamp(1, MOST))
            }
        };
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            best = best.min(time(&self.gpu, &program, repetitions).await);
        }
        Some(best / f64::from(repetitions))
    }

    /// The program of one layer; none if the level's shards are gone.
    fn trial(&self, case: Case, variant: Variant) -> Option<Program> {
        let Case { planned, conv, norm, images } = case;
        let state = &mut *self.state.borrow_mut();
        if !state.weights.on_gpu(&planned.plan.shards()) {
            return None;
        }
        let layer = level::layer(&planned.plan, conv, images, norm, |_, _| 0);
        self.make_room(state, planned, images, layer.sum_bytes(variant));
        let job = Job {
            gpu: &self.gpu,
            plan: &planned.plan,
            slots: &planned.slots,
            images,
            weights: &state.weights,
            maps: &state.maps,
            sums: state.sums.as_ref(),
        };
        let drafts = job.convolution(conv, norm, variant).ok()?;
        Program::new(&self.gpu, &state.other_account, drafts).ok()
    }
}

/// Milliseconds until so many repetitions of a program are done.
async fn time(gpu: &Gpu, program: &Program, repetitions: u32) -> f64 {
    let start = now();
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    program.record(&mut encoder, repetitions);
    gpu.queue.submit([encoder.finish()]);
    finished(gpu).await;
    now() - start
}

/// Waits until the GPU has done everything that was submitted.
pub(super) async fn finished(gpu: &Gpu) {
    let (sender, done) = oneshot::channel();
    gpu.queue.on_submitted_work_done(move || {
        // Nobody waits any more if the run was given up.
        let _ = sender.send(());
    });
    gpu.nudge();
    let _ = done.await;
}

/// Milliseconds since some moment.
#[cfg(not(target_arch = "wasm32"))]
fn now() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    1e3 * START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

#[cfg(target_arch = "wasm32")]
fn now() -> f64 {
    super::browser::now()
}

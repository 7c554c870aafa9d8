//! A step of learning: the sum over tasks and levels of the cross-entropy of one batch each (joint learning, paper eq. 4), and for
//! tasks that are only kept, of the distance from what they answered before (sequential learning, eq. 6).

use super::frozen::{Frozen, Level};
use super::old_tasks::OldTasks;
use super::optimizer::Sgd;
use super::team::{Sum, Team};
use crate::config::{Keep, Training};
use crate::data::Batch;
use crate::network::oracle::{self, Statistics};
use crate::network::trunk::{Saved, Times};
use crate::network::{BatchStatistics, LevelLayout, Parameters, RUNNING_SHARE, Trunk};
use candle_core::backprop::GradStore;
use candle_core::{D, Device, Result, Tensor, Var};
use dvn::{DefinitionError, Network, Plan};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one level did in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LevelResult {
    /// Mean loss of an image.
    pub loss: f64,
    /// Images that the level got right; of a task that is only kept, those with the answer that they had before.
    pub hits: usize,
}

/// By task, then level - 1; none of a level that was not run.
pub type Results = Vec<Vec<Option<LevelResult>>>;

/// A forward pass of a trunk.
enum Pass {
    /// By the project's own kernels.
    Kernels(Saved),
    /// By candle's built-in operations: the features with their graph.
    BuiltIn { features: Tensor, packed: Var, statistics: Vec<BatchStatistics> },
    /// Of a trunk that learns nothing.
    Fixed,
}

/// What a level is to answer to each image of a batch.
struct Goal {
    /// Probabilities, [n, classes].
    targets: Tensor,
    /// What logits are divided by before the softmax.
    temperature: f64,
    /// The loss's share in the sum of all.
    weight: f64,
}

/// A network in training.
pub struct Joint {
    /// By task, then level - 1: the plan at the images' own size, and the packed layout (the same at any size).
    plans: Vec<Vec<Level>>,
    /// The levels that are run, by task.
    learned: Vec<Vec<usize>>,
    /// What no step changes.
    frozen: Frozen,
    /// All trained numbers and the running statistics.
    pub parameters: Parameters,
    /// The optimizer's momentum, one for each trained number.
    pub velocity: Vec<f32>,
    gradient: Vec<f32>,
    /// Of the level that runs: its trunk's parameters and their gradient.
    packed: [Vec<f32>; 2],
    trunk: Trunk,
    size: Option<usize>,
    optimizer: Duration,
    device: Device,
    /// Whether trunks run on the project's own kernels; else through candle's built-in operations.
    kernels: bool,
    team: Arc<Team>,
    /// Gradients that the team is still summing.
    pending: Vec<(usize, usize, Sum)>,
    /// Of sequential learning.
    old: Option<OldTasks>,
}

impl Joint {
    /// A network with fresh parameters.
    ///
    /// # Errors
    /// None for a network that was put together by [`Network::new`].
    pub fn new(network: &Network, seed: u64, device: Device) -> std::result::Result<Joint, DefinitionError> {
        let mut plans = Vec::new();
        for task in 0..network.tasks().len() {
            let mut levels = Vec::new();
            for level in 1..=network.levels() {
                let plan = network.plan(task, level)?;
                let layout = LevelLayout::new(&plan);
                levels.push((Arc::new(plan), layout));
            }
            plans.push(levels);
        }
        let parameters = Parameters::new(network, seed);
        let count = parameters.values.len();
        Ok(Joint {
            learned: vec![(1..=network.levels()).collect(); plans.len()],
            frozen: Frozen::default(),
            plans,
            parameters,
            velocity: vec![0.0; count],
            gradient: vec![0.0; count],
            packed: Default::default(),
            trunk: Trunk::default(),
            size: None,
            optimizer: Duration::ZERO,
            kernels: device.is_cpu(),
            device,
            team: Arc::default(),
            pending: Vec::new(),
            old: None,
        })
    }

    /// Learns these levels of each task, of those that are kept too, and no others.
    pub fn learn(&mut self, levels: Vec<Vec<usize>>) {
        self.learned = levels;
        self.freeze();
    }

    /// The levels that each task learns or has learned.
    pub fn learned(&self) -> &[Vec<usize>] {
        &self.learned
    }

    /// Keeps the first tasks as `old` knows them: no batch of theirs is needed.
    pub fn keep(&mut self, old: OldTasks) {
        self.old = Some(old);
        self.freeze();
    }

    /// Works out what no step changes.
    fn freeze(&mut self) {
        let kept = match &self.old {
            Some(old) if old.keeps() != Keep::Answers => old.len(),
            _ => 0,
        };
        let levels: Vec<Vec<&Level>> = self
            .plans
            .iter()
            .zip(&self.learned)
            .map(|(plans, learned)| learned.iter().map(|l| &plans[l - 1]).collect())
            .collect();
        let (kept, learned) = levels.split_at(kept);
        let features = self.keeps(Keep::Features);
        self.frozen = Frozen::new(&self.parameters, &learned.concat(), &kept.concat(), features);
    }

    /// Whether there are old tasks, of which this is kept.
    fn keeps(&self, what: Keep) -> bool {
        self.old.as_ref().is_some_and(|old| old.keeps() == what)
    }

    /// Makes all numbers those of the old tasks' network, before the first step; `batch` is one of the new task's.
    pub fn start_from_old(&mut self, batch: &Batch) {
        let Some(old) = &self.old else { return };
        self.parameters = old.before().clone();
        if old.keeps() != Keep::Answers {
            return;
        }
        let seen: Vec<Batch> = (0..old.len()).map(|task| old.seen_by(task, batch)).collect();
        for (task, batch) in seen.iter().enumerate() {
            for level in self.learned[task].clone() {
                self.unfold(task, level, batch);
            }
        }
    }

    /// Gives a task the features of another with the same order of units: its stem, and the batch norms of these levels, folded.
    pub fn take_features(&mut self, from: usize, to: usize, levels: &[usize]) {
        let [own, stem] = [from, to].map(|task| self.parameters.stem(task));
        self.parameters.values.copy_within(own, stem.start);
        for level in levels {
            let [(from, _), (to, _)] = [from, to].map(|task| &self.plans[task][level - 1]);
            let norms = self.parameters.folded_norms(from);
            self.parameters.set_folded(to, &norms);
        }
    }

    /// The tasks that are kept.
    pub fn old(&self) -> Option<&OldTasks> {
        self.old.as_ref()
    }

    /// Trains together with other processes, each with its own part of every batch. Only the project's own kernels know
    /// teams.
    pub fn in_team(mut self, team: Arc<Team>) -> Joint {
        self.trunk.join(team.clone());
        self.team = team;
        self
    }

    /// Runs trunks through candle's built-in operations on the CPU too: for comparisons.
    pub fn with_built_in_operations(mut self) -> Joint {
        self.kernels = false;
        self
    }

    /// Makes a level's folded batch norms ordinary ones, with the statistics that `batch` has: the level computes with them, and
    /// with the running ones, what it does now. Its weights must be in place, and the batch at its full size.
    pub fn unfold(&mut self, task: usize, level: usize, batch: &Batch) {
        self.at_size(batch.size);
        let (plan, layout) = &self.plans[task][level - 1];
        self.parameters.gather(plan, layout, &mut self.packed[0]);
        let (_, statistics) = self.trunk.forward_folded(plan, &batch.images, &self.packed[0]);
        self.parameters.unfold(plan, &statistics);
    }

    /// Frees the memory of images of another size.
    fn at_size(&mut self, size: usize) {
        if self.size.replace(size).is_some_and(|before| before != size) {
            self.trunk.clear();
        }
    }

    /// Where the steps' time went: in trunks, and in the optimizer.
    pub fn times(&self) -> (Times, Duration) {
        (self.trunk.times, self.optimizer)
    }

    /// One step: one batch of every task through every level of it that is learned, then the optimizer. Tasks whose answers are kept
    /// take the first batch, there is none of their own.
    ///
    /// # Errors
    /// candle's.
    pub fn step(&mut self, batches: &[Batch], rate: f32, training: &Training) -> Result<Results> {
        let old = self.old.as_ref().map_or(0, OldTasks::len);
        let mut results = Vec::new();
        for task in 0..old {
            results.push(if self.keeps(Keep::Answers) {
                self.old_task(task, &batches[0], training)?
            } else {
                vec![None; self.plans[task].len()]
            });
        }
        for (i, batch) in batches.iter().enumerate() {
            results.push(self.task(old + i, batch, training)?);
        }
        for (task, level, sum) in std::mem::take(&mut self.pending) {
            let plan = &self.plans[task][level - 1].0;
            let classes = plan.classes();
            let sum = sum.wait();
            let (sum, bias) = sum.split_at(sum.len() - classes);
            let (packed, weight) = sum.split_at(sum.len() - classes * plan.features());
            self.accumulate(task, level, [packed, weight, bias]);
        }
        self.share(&mut results);
        let sgd = Sgd { rate, momentum: training.momentum, decay: training.weight_decay };
        let decayed = self.parameters.decayed();
        let start = Instant::now();
        self.frozen.save(&self.parameters.values);
        sgd.step(&mut self.parameters.values, &mut self.velocity, &mut self.gradient, decayed);
        self.frozen.restore(&mut self.parameters.values);
        self.optimizer += start.elapsed();
        Ok(results)
    }

    /// Adds the gradients of one task's batch.
    fn task(&mut self, task: usize, batch: &Batch, training: &Training) -> Result<Vec<Option<LevelResult>>> {
        self.at_size(batch.size);
        let mut results = vec![None; self.plans[task].len()];
        let learned = self.learned[task].clone();
        let largest = learned.last().copied();
        let mut teacher = None;
        for level in learned.into_iter().rev() {
            let is_largest = Some(level) == largest;
            let classes = self.plans[task][level - 1].0.classes();
            let smoothing = if is_largest { training.label_smoothing } else { 0.0 };
            let mut targets = targets(&batch.labels, classes, smoothing, &self.device)?;
            if let Some(teacher) = &teacher {
                let share = training.distillation;
                targets = ((targets * (1.0 - share))? + (teacher * share)?)?;
            }
            let goal = Goal { targets, temperature: 1.0, weight: 1.0 };
            let (loss, logits) = self.level(task, level, batch, &goal)?;
            if is_largest && training.distillation > 0.0 {
                teacher = Some(log_softmax(&logits)?.exp()?);
            }
            results[level - 1] = Some(LevelResult { loss, hits: hits(&logits, &batch.labels)? });
        }
        Ok(results)
    }

    /// Adds the gradients that keep an old task's answers on another task's batch.
    fn old_task(
        &mut self,
        task: usize,
        batch: &Batch,
        training: &Training,
    ) -> Result<Vec<Option<LevelResult>>> {
        self.at_size(batch.size);
        let mut results = vec![None; self.plans[task].len()];
        let Some(old) = &self.old else { return Ok(results) };
        let batch = &old.seen_by(task, batch);
        for level in self.learned[task].clone() {
            let before = self.logits_before(task, level, batch)?;
            let temperature = OldTasks::TEMPERATURE;
            let targets = log_softmax(&(&before / temperature)?)?.exp()?;
            let goal = Goal { targets, temperature, weight: training.retention };
            let (loss, logits) = self.level(task, level, batch, &goal)?;
            let before = before.argmax(D::Minus1)?.to_vec1::<u32>()?;
            let before: Vec<u16> = before.into_iter().map(|answer| answer as u16).collect();
            results[level - 1] = Some(LevelResult { loss, hits: hits(&logits, &before)? });
        }
        Ok(results)
    }

    /// What a level of an old task answered before, [n, classes].
    fn logits_before(&mut self, task: usize, level: usize, batch: &Batch) -> Result<Tensor> {
        let plan = self.plan(task, level, batch.size);
        let Some(old) = &self.old else { candle_core::bail!("no old tasks") };
        old.before().gather(&plan, &self.plans[task][level - 1].1, &mut self.packed[0]);
        let [weight, bias] = classifier(old.before(), &plan, &self.device)?;
        let features = self.folded_features(&plan, batch)?;
        Ok(features.matmul(&weight.t()?)?.broadcast_add(&bias)?.detach())
    }

    /// What a trunk with folded batch norms makes of a batch; its parameters are in `packed[0]`.
    fn folded_features(&mut self, plan: &Plan, batch: &Batch) -> Result<Tensor> {
        let (n, packed) = (batch.labels.len(), &self.packed[0]);
        if self.kernels {
            let (features, _) = self.trunk.forward_folded(plan, &batch.images, packed);
            return Tensor::from_vec(features, (n, plan.features()), &self.device);
        }
        let images = Tensor::from_slice(&batch.images, (n, batch.size, batch.size, 3), &self.device)?;
        let packed = Tensor::from_slice(packed, packed.len(), &self.device)?;
        oracle::trunk(plan, &images, &packed, Statistics::Folded)
    }

    /// A level's plan for images of this size.
    fn plan(&self, task: usize, level: usize, size: usize) -> Arc<Plan> {
        let plan = &self.plans[task][level - 1].0;
        if plan.tensors[0].height == size { plan.clone() } else { Arc::new(plan.at_size(size)) }
    }

    /// Adds the gradient of one level; gives its loss, unweighted, and its logits.
    fn level(&mut self, task: usize, level: usize, batch: &Batch, goal: &Goal) -> Result<(f64, Tensor)> {
        let plan = self.plan(task, level, batch.size);
        let (features, pass) = self.forward(&plan, level, batch)?;
        let features = Var::from_tensor(&features)?;
        let [weight, bias] = classifier(&self.parameters, &plan, &self.device)?;
        let logits = features.matmul(&weight.t()?)?.broadcast_add(&bias)?;
        let images = batch.labels.len() as f64;
        let likelihood = log_softmax(&(&logits / goal.temperature)?)?;
        let loss = (likelihood.mul(&goal.targets)?.sum_all()? * (-1.0 / images))?;
        let gradients = loss.backward()?;
        // A weight within the loss would lose the gradients' graph where it is 0.
        let weighted = |v: &Var| gradient(&gradients, v)? * goal.weight;
        let numbers = |v: &Var| weighted(v)?.flatten_all()?.to_vec1();
        let (d_weight, d_bias): (Vec<f32>, Vec<f32>) = (numbers(&weight)?, numbers(&bias)?);
        let statistics = self.backward(&plan, batch, pass, &weighted(&features)?)?;
        self.parameters.update_running(&plan, &statistics, RUNNING_SHARE);

        if self.team.size() == 1 {
            let packed = std::mem::take(&mut self.packed[1]);
            self.accumulate(task, level, [&packed, &d_weight, &d_bias]);
            self.packed[1] = packed;
        } else {
            // The mean over the team's images is the mean of its processes' means.
            let share = 1.0 / self.team.size() as f32;
            let mut own = [&self.packed[1][..], &d_weight, &d_bias].concat();
            own.iter_mut().for_each(|g| *g *= share);
            self.pending.push((task, level, self.team.start_sum(own)));
        }
        Ok((f64::from(loss.to_scalar::<f32>()?), logits.detach()))
    }

    /// Runs a level's trunk: its pooled features, and what its backward pass needs.
    fn forward(&mut self, plan: &Plan, level: usize, batch: &Batch) -> Result<(Tensor, Pass)> {
        let n = batch.labels.len();
        let layout = &self.plans[plan.task][level - 1].1;
        self.parameters.gather(plan, layout, &mut self.packed[0]);
        if self.keeps(Keep::Features) {
            return Ok((self.folded_features(plan, batch)?, Pass::Fixed));
        }
        let packed = &self.packed[0];
        if self.kernels {
            let (features, saved) = self.trunk.forward(plan, &batch.images, packed);
            return Ok((
                Tensor::from_vec(features, (n, plan.features()), &self.device)?,
                Pass::Kernels(saved),
            ));
        }
        let images = Tensor::from_slice(&batch.images, (n, batch.size, batch.size, 3), &self.device)?;
        let packed = Var::from_slice(packed, layout.total, &self.device)?;
        let mut statistics = Vec::new();
        let features = oracle::trunk(plan, &images, &packed, Statistics::Batch(&mut statistics))?;
        Ok((features.detach(), Pass::BuiltIn { features, packed, statistics }))
    }

    /// Makes `packed[1]` the gradient of a level's trunk; gives the batch's statistics.
    fn backward(
        &mut self,
        plan: &Plan,
        batch: &Batch,
        pass: Pass,
        d_features: &Tensor,
    ) -> Result<Vec<BatchStatistics>> {
        let [packed, d_packed] = &mut self.packed;
        match pass {
            Pass::Kernels(mut saved) => {
                let statistics = std::mem::take(&mut saved.statistics);
                let d_features: Vec<f32> = d_features.flatten_all()?.to_vec1()?;
                self.trunk.backward(plan, &batch.images, packed, saved, &d_features, d_packed);
                Ok(statistics)
            }
            Pass::BuiltIn { features, packed, statistics } => {
                let gradients = features.mul(d_features)?.sum_all()?.backward()?;
                *d_packed = gradient(&gradients, &packed)?.to_vec1()?;
                Ok(statistics)
            }
            Pass::Fixed => {
                d_packed.clear();
                d_packed.resize(packed.len(), 0.0);
                Ok(Vec::new())
            }
        }
    }

    /// Adds a level's gradient: the packed trunk's, the classifier weight's, its bias's.
    fn accumulate(&mut self, task: usize, level: usize, [packed, weight, bias]: [&[f32]; 3]) {
        let (plan, layout) = &self.plans[task][level - 1];
        self.parameters.scatter_add(plan, layout, packed, &mut self.gradient);
        let ranges = [self.parameters.classifier_weight(plan), self.parameters.classifier_bias(plan)];
        for (range, own) in ranges.into_iter().zip([weight, bias]) {
            self.gradient[range].iter_mut().zip(own).for_each(|(f, g)| *f += g);
        }
    }

    /// Makes one process's results those of the team.
    fn share(&self, results: &mut Results) {
        let levels = || results.iter().flatten().flatten();
        let mut sums: Vec<f64> = levels().flat_map(|r| [r.loss, r.hits as f64]).collect();
        self.team.sum(&mut sums);
        let size = self.team.size() as f64;
        for (result, sum) in results.iter_mut().flatten().flatten().zip(sums.chunks_exact(2)) {
            *result = LevelResult { loss: sum[0] / size, hits: sum[1] as usize };
        }
    }
}

/// A level's classifier: weight, [classes, features], and bias.
fn classifier(parameters: &Parameters, plan: &Plan, device: &Device) -> Result<[Var; 2]> {
    let own = |range: Range<usize>, shape: &[usize]| {
        Var::from_vec(parameters.values[range].to_vec(), shape, device)
    };
    let weight = own(parameters.classifier_weight(plan), &[plan.classes(), plan.features()])?;
    Ok([weight, own(parameters.classifier_bias(plan), &[plan.classes()])?])
}

fn gradient<'a>(gradients: &'a GradStore, of: &Var) -> Result<&'a Tensor> {
    match gradients.get(of) {
        Some(gradient) => Ok(gradient),
        None => candle_core::bail!("a parameter that the loss does not depend on"),
    }
}

/// One-hot rows, smoothed: `1 - smoothing` at the label, the rest spread over all classes.
fn targets(labels: &[u16], classes: usize, smoothing: f64, device: &Device) -> Result<Tensor> {
    let mut rows = vec![(smoothing / classes as f64) as f32; labels.len() * classes];
    for (row, &label) in rows.chunks_exact_mut(classes).zip(labels) {
        row[usize::from(label)] += (1.0 - smoothing) as f32;
    }
    Tensor::from_vec(rows, (labels.len(), classes), device)
}

fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

fn hits(logits: &Tensor, labels: &[u16]) -> Result<usize> {
    let answers = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
    Ok(answers.iter().zip(labels).filter(|(a, l)| **a == u32::from(**l)).count())
}

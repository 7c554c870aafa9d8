//! A training run from its configuration to the model folder.

use super::checkpoint::{Checkpoint, Head, VERSION};
use super::joint::Joint;
use super::output::Output;
use super::progress::{At, Progress};
use crate::config::{self, Config};
use crate::data::augment::Augment;
use crate::data::{self, Dataset, Loader, Prefetch, Scale, Statistics};
use crate::evaluate::{self, engines};
use crate::export;
use crate::plot;
use crate::report::Report;
use anyhow::{Context, ensure};
use candle_core::Device;
use dvn::Network;
use dvn::folder::ModelFolder;
use dvn::manifest::{Accuracy, Input, Training};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A checkpoint is written at least this often, if nothing else is asked for.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// All steps done; the model folder is written.
    Finished(Report),
    /// Stopped from outside after a checkpoint.
    Interrupted {
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
    },
}

/// A run that is ready to start.
pub struct Run {
    config: Config,
    config_text: String,
    command: String,
    out: PathBuf,
    output: Output,
    checkpoint_every: Duration,
    sets: Vec<Arc<Dataset>>,
    tests: Vec<Dataset>,
    statistics: Vec<Statistics>,
    network: Network,
    joint: Joint,
    step: u64,
    steps: u64,
    best: Option<f64>,
    seconds: f64,
}

impl Run {
    /// The checkpoint that a run in `out` writes.
    pub fn last_checkpoint(out: &Path) -> PathBuf {
        Output::last_checkpoint_of(out)
    }

    /// Writes a checkpoint at least this often; after every step if it is zero.
    pub fn checkpoint_every(&mut self, interval: Duration) {
        self.checkpoint_every = interval;
    }

    /// Reads the data, puts the network together and makes sure that `out` can be written. `checkpoint` is where to go on.
    ///
    /// # Errors
    /// If data, network, output folder or checkpoint are not usable.
    pub fn new(
        config: Config,
        config_text: String,
        command: String,
        data_dir: &Path,
        out: &Path,
        device: Device,
        checkpoint: Option<Checkpoint>,
    ) -> anyhow::Result<Run> {
        // First of all: a run that cannot keep what it learns need not read its data.
        let output = Output::open(out)?;
        let sets: Vec<Dataset> = config::load(&config, data::Split::Train, data_dir)?;
        let tests = config::load(&config, data::Split::Test, data_dir)?;
        let network = config.network(&sets.iter().collect::<Vec<_>>())?;
        let statistics: Vec<Statistics> = sets.iter().map(Dataset::statistics).collect();
        let largest = sets.iter().map(Dataset::len).max().unwrap_or(0);
        let steps = (config.training.epochs * largest as f64 / config.training.batch as f64).ceil() as u64;

        let mut joint = Joint::new(&network, config.seed, device)?;
        let mut run = Run {
            sets: sets.into_iter().map(Arc::new).collect(),
            step: 0,
            best: None,
            seconds: 0.0,
            command,
            out: out.to_owned(),
            output,
            checkpoint_every: CHECKPOINT_EVERY,
            config_text,
            tests,
            statistics,
            network,
            steps: steps.max(1),
            joint: {
                if let Some(c) = &checkpoint {
                    let p = &mut joint.parameters;
                    let lengths = [p.values.len(), joint.velocity.len(), p.running.len()];
                    ensure!(
                        lengths == [c.values.len(), c.velocity.len(), c.running.len()],
                        "the checkpoint holds {} parameters, this configuration's network has {}",
                        c.values.len(),
                        lengths[0]
                    );
                    p.values.clone_from(&c.values);
                    p.running.clone_from(&c.running);
                    joint.velocity.clone_from(&c.velocity);
                }
                joint
            },
            config,
        };
        if let Some(c) = checkpoint {
            ensure!(
                c.head.config == run.config_text,
                "the checkpoint belongs to another configuration: resume with the one that it was started with"
            );
            (run.step, run.best, run.seconds) = (c.head.step.min(run.steps), c.head.best, c.head.seconds);
            run.command = c.head.command;
        }
        let four = |numbers: usize| 4 * numbers as u64;
        let p = &run.joint.parameters;
        let checkpoint_bytes = four(2 * p.values.len() + p.running.len());
        run.output.check_room(checkpoint_bytes, four(p.values.len()))?;
        Ok(run)
    }

    /// What will be trained, for people.
    pub fn describe(&self) -> String {
        let sets = self.sets.iter().map(|s| format!("{} ({} images)", s.name, s.len()));
        format!(
            "{}: {}, {} units, {:.2} M parameters in all; {}; {} steps of {} images a task{}",
            self.config.name,
            self.network.backbone(),
            self.network.levels(),
            self.network.total_parameters() as f64 / 1e6,
            sets.collect::<Vec<_>>().join(", "),
            self.steps,
            self.config.training.batch,
            match self.step {
                0 => String::new(),
                step if step == self.steps =>
                    "; all of them are done already: only evaluating and exporting".into(),
                step => format!("; going on at step {step}"),
            }
        )
    }

    fn loaders(&self) -> anyhow::Result<Vec<Loader>> {
        let training = &self.config.training;
        let loader = |(task, (set, statistics)): (usize, (&Arc<Dataset>, &Statistics))| {
            let augment = Augment { cutout: training.cutout, ..Augment::standard(set.size) };
            let loader = Loader::new(set.clone(), training.batch, self.config.seed, task)?;
            Ok(loader.with_augment(augment).with_statistics(statistics))
        };
        self.sets.iter().zip(&self.statistics).enumerate().map(loader).collect()
    }

    /// Trains until all steps are done or `stop`, asked after each step with the steps done, says so.
    ///
    /// # Errors
    /// If a file cannot be written or a step fails; the last checkpoint is intact then.
    pub fn train(&mut self, stop: impl Fn(u64) -> bool) -> anyhow::Result<Outcome> {
        let folder = self.output.training().to_owned();
        let place = || format!("{}", folder.display());
        // A kill at any later moment finds a checkpoint of this run to go on from, and a folder that takes no checkpoint
        // is noticed before time is spent.
        self.checkpoint().write(&self.output.last_checkpoint())?;
        std::fs::write(folder.join("config.toml"), &self.config_text).with_context(place)?;
        let names = self.sets.iter().map(|s| s.name.clone()).collect();
        let mut progress = Progress::new(self.step, self.steps, &folder, names).with_context(place)?;
        let half = (self.config.training.half_size * self.steps as f64) as u64;
        let scale = move |step| if step < half { Scale::Half } else { Scale::Full };
        let mut batches = Prefetch::new(self.loaders()?, self.step..self.steps, scale)?;
        let epoch_images = self.sets.iter().map(|s| s.len()).max().unwrap_or(1) as f64;
        let mut saved = Instant::now();
        while let Some(batch) = batches.next_step() {
            let start = Instant::now();
            let rate = self.config.training.rate_at(self.step, self.steps);
            let results = self.joint.step(&batch, rate, &self.config.training)?;
            if results.iter().flatten().any(|r| !r.loss.is_finite()) {
                anyhow::bail!(
                    "the loss is no longer a number at step {}: lower training.rate (now {rate}); the last \
                     checkpoint is intact",
                    self.step
                );
            }
            let images = batch.iter().map(|b| b.labels.len()).sum();
            batches.recycle(batch);
            self.step += 1;
            self.seconds += start.elapsed().as_secs_f64();
            let epoch = self.step as f64 * self.config.training.batch as f64 / epoch_images;
            let waited = batches.waited().as_secs_f64();
            let at = At { step: self.step, epoch, rate, seconds: self.seconds, waited };
            progress.step(at, images, &results).with_context(place)?;

            let evaluations = self.config.training.evaluations;
            let due = |step: u64| step * evaluations / self.steps;
            // At half size the running statistics are of no use at full size: nothing to evaluate yet.
            if due(self.step) > due(self.step - 1) && self.step < self.steps && self.step > half {
                let report = self.evaluate(self.config.training.evaluation_images, |_| {})?;
                progress.evaluation(self.step, &report.tasks).with_context(place)?;
                self.keep_best(&report)?;
            }
            let stopping = stop(self.step);
            if stopping || saved.elapsed() >= self.checkpoint_every || self.step == self.steps {
                self.checkpoint().write(&self.output.last_checkpoint())?;
                saved = Instant::now();
            }
            if stopping && self.step < self.steps {
                progress.finish();
                return Ok(Outcome::Interrupted { step: self.step, steps: self.steps });
            }
        }
        progress.say("all steps done; evaluating every level on all test images");
        let report = self.evaluate(usize::MAX, |_| {})?;
        progress.evaluation(self.step, &report.tasks).with_context(place)?;
        self.keep_best(&report)?;
        progress.finish();
        self.export(&report)?;
        // Pictures are no reason to call a finished run failed.
        if let Err(error) = plot::write(&self.out) {
            eprintln!("the run's pictures could not be drawn: {error:#}");
        }
        Ok(Outcome::Finished(report))
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            head: Head {
                version: VERSION,
                config: self.config_text.clone(),
                command: self.command.clone(),
                step: self.step,
                best: self.best,
                seconds: self.seconds,
                sha256: String::new(),
            },
            values: self.joint.parameters.values.clone(),
            velocity: self.joint.velocity.clone(),
            running: self.joint.parameters.running.clone(),
        }
    }

    /// Keeps the checkpoint with the best mean accuracy. The model folder is made from the last one all the same: choosing
    /// on test images would flatter it.
    fn keep_best(&mut self, report: &Report) -> anyhow::Result<()> {
        let accuracies: Vec<f64> =
            report.tasks.iter().flat_map(|t| &t.levels).filter_map(|l| l.accuracy).collect();
        let mean = accuracies.iter().sum::<f64>() / accuracies.len().max(1) as f64;
        if self.best.is_none_or(|best| mean > best) {
            self.best = Some(mean);
            self.checkpoint().write(&self.output.best_checkpoint())?;
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<Input> {
        self.tests.iter().zip(&self.statistics).map(|(set, s)| config::input(set, s)).collect()
    }

    fn evaluate(&self, at_most: usize, tick: impl FnMut(usize)) -> anyhow::Result<Report> {
        let parameters = &self.joint.parameters;
        let mut engine = engines::cpu(&self.network, |id| Ok(export::shard(&self.network, parameters, id)?))?;
        evaluate::evaluate(&mut engine, &self.network, &self.inputs(), &self.tests, at_most, tick)
    }

    fn export(&self, report: &Report) -> anyhow::Result<()> {
        let largest = self.sets.iter().map(|s| s.len()).max().unwrap_or(1) as f64;
        let training = Training {
            command: self.command.clone(),
            program: format!("dvn-train {}", env!("CARGO_PKG_VERSION")),
            seed: self.config.seed,
            epochs: self.step as f64 * self.config.training.batch as f64 / largest,
        };
        let mut manifest =
            export::manifest(&self.config, &self.network, &self.tests, &self.statistics, training)?;
        for (task, report) in manifest.tasks.iter_mut().zip(&report.tasks) {
            for (level, report) in task.levels.iter_mut().zip(&report.levels) {
                let measured = report.accuracy.zip(report.images);
                level.accuracy = measured.map(|(percent, images)| Accuracy { percent, images, seeds: 1 });
            }
        }
        let parameters = &self.joint.parameters;
        ModelFolder::write(&self.out, manifest, &self.network, |id| {
            Ok(export::shard(&self.network, parameters, id)?)
        })?;
        Ok(())
    }
}

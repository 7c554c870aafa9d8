//! A training run from its configuration to the model folder.

use super::average::Average;
use super::checkpoint::{Checkpoint, Head, VERSION};
use super::features;
use super::joint::{Joint, Results};
use super::old_tasks::{self, OldTasks};
use super::output::Output;
use super::progress::{At, Progress, Steps};
use super::setup::{Setup, Start};
use super::take_over::{self, take_over};
use super::team::Team;
use crate::config::{self, Config, Keep};
use crate::data::augment::Augment;
use crate::data::{self, Batch, Dataset, Loader, Prefetch, Scale, Statistics};
use crate::evaluate::{self, engines};
use crate::export;
use crate::network::Parameters;
use crate::plot;
use crate::report::{Report, units};
use anyhow::{Context, bail, ensure};
use dvn::Network;
use dvn::folder::ModelFolder;
use dvn::manifest::{Accuracy, Input, Task, Training};
use std::borrow::Cow;
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
    /// Of the leading process.
    output: Option<Output>,
    checkpoint_every: Duration,
    /// The tasks that are kept, before those that are learned.
    old: Vec<Task>,
    /// Training images of those that are learned.
    sets: Vec<Arc<Dataset>>,
    /// Test images of all tasks; none of an old one that the data folder has not.
    tests: Vec<Dataset>,
    /// Of all tasks.
    statistics: Vec<Statistics>,
    network: Network,
    joint: Joint,
    average: Option<Average>,
    team: Arc<Team>,
    step: u64,
    steps: u64,
    best: Option<f64>,
    seconds: f64,
    /// What a model that the run starts from gave it, for people.
    taken: Option<String>,
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

    /// Reads the data, puts the network together and makes sure that the folder can be written.
    ///
    /// # Errors
    /// If data, network, output folder or checkpoint are not usable.
    pub fn new(setup: Setup) -> anyhow::Result<Run> {
        let Setup { config, text, command, data, out, device, start, team } = setup;
        ensure!(
            team.size() == 1 || device.is_cpu(),
            "{} processes together train on CPUs only: give --device cpu",
            team.size()
        );
        if let Start::From(model) | Start::AddTo(model) = start {
            let same = out.canonicalize().is_ok_and(|out| model.canonicalize().is_ok_and(|m| m == out));
            ensure!(!same, "{} is the model that the run starts from: choose another folder", out.display());
        }
        // First of all: a run that cannot keep what it learns need not read its data.
        let output = team.leads().then(|| Output::open(out)).transpose()?;
        let model = match start {
            Start::From(model) | Start::AddTo(model) => Some(ModelFolder::open(model)?),
            Start::Fresh | Start::Checkpoint(_) => None,
        };
        let old = match (&start, &model) {
            (Start::Checkpoint(checkpoint), _) => checkpoint.head.old.clone(),
            (Start::AddTo(_), Some(model)) => model.manifest().tasks.clone(),
            _ => Vec::new(),
        };
        let sets: Vec<Dataset> = config::load(&config, data::Split::Train, data)?;
        if !old.is_empty() {
            let [set] = &sets[..] else {
                bail!("a model learns one more task at a time, but the configuration has {}", sets.len());
            };
            old_tasks::check(&old, set)?;
        }
        let mut tests = Vec::new();
        if team.leads() {
            tests.extend(old.iter().map(|task| old_tasks::test_images(task, data)));
            tests.extend(config::load(&config, data::Split::Test, data)?);
        }
        let network = config.network(old_tasks::specs(&old), &sets.iter().collect::<Vec<_>>())?;
        let known = old.iter().map(|t| Statistics::from(t.input));
        let statistics: Vec<Statistics> = known.chain(sets.iter().map(Dataset::statistics)).collect();
        let largest = sets.iter().map(Dataset::len).max().unwrap_or(0);
        let steps = (config.training.epochs * largest as f64 / config.training.batch as f64).ceil() as u64;
        let mut learned: Vec<Vec<usize>> = old.iter().map(Task::trained).collect();
        learned.extend(config.learned(network.levels())?);
        let mut joint = Joint::new(&network, config.seed, device)?.in_team(team.clone());
        joint.learn(learned);
        let mut run = Run {
            sets: sets.into_iter().map(Arc::new).collect(),
            step: 0,
            best: None,
            seconds: 0.0,
            taken: None,
            command,
            out: out.to_owned(),
            output,
            checkpoint_every: CHECKPOINT_EVERY,
            config_text: text,
            old,
            tests,
            statistics,
            network,
            steps: steps.max(1),
            joint,
            average: None,
            team,
            config,
        };
        if let Some(model) = &model {
            match run.old[..] {
                [] => run.start_from(model)?,
                _ => run.add_to(model)?,
            }
        }
        let averaging = run.config.training.average > 0.0;
        run.average = averaging.then(|| Average::new(&run.joint.parameters));
        if let Start::Checkpoint(checkpoint) = start {
            run.go_on(*checkpoint)?;
        }
        if let Some(output) = &run.output {
            let four = |numbers: usize| 4 * numbers as u64;
            let p = &run.joint.parameters;
            let averages = usize::from(run.average.is_some()) * (p.values.len() + p.running.len());
            let before = run.joint.old().map_or(0, |old| old.before().values.len());
            let checkpoint_bytes = four(2 * p.values.len() + p.running.len() + averages + before);
            output.check_room(checkpoint_bytes, four(p.values.len()))?;
        }
        Ok(run)
    }

    /// Takes over what a checkpoint holds.
    fn go_on(&mut self, c: Checkpoint) -> anyhow::Result<()> {
        ensure!(
            c.head.config == self.config_text,
            "the checkpoint belongs to another configuration: resume with the one that it was started with"
        );
        let p = &mut self.joint.parameters;
        let lengths = |a: Option<&Average>| a.map(|a| [a.values.len(), a.running.len()]);
        let expected = [p.values.len(), self.joint.velocity.len(), p.running.len()];
        ensure!(
            expected == [c.values.len(), c.velocity.len(), c.running.len()]
                && lengths(self.average.as_ref()) == lengths(c.average.as_ref()),
            "the checkpoint holds {} parameters{}, this configuration's network has {}{}",
            c.values.len(),
            if c.average.is_some() { " and an average" } else { "" },
            expected[0],
            if self.average.is_some() { " and an average" } else { "" },
        );
        (p.values, p.running, self.joint.velocity) = (c.values, c.running, c.velocity);
        self.average = c.average;
        if !self.old.is_empty() {
            let values = c.before.unwrap_or_default();
            let (found, expected) = (values.len(), self.joint.parameters.values.len());
            ensure!(
                found == expected,
                "the checkpoint holds {found} parameters of the old tasks, expected {expected}"
            );
            let mut before = self.joint.parameters.clone();
            before.values = values;
            self.keep_old(before);
        }
        (self.step, self.best, self.seconds) = (c.head.step.min(self.steps), c.head.best, c.head.seconds);
        self.command = c.head.command;
        Ok(())
    }

    /// Takes over what can be used of a trained model.
    fn start_from(&mut self, model: &ModelFolder) -> anyhow::Result<()> {
        let batches: Vec<Batch> =
            self.loaders()?.iter_mut().map(|loader| loader.batch_at(0, Scale::Full)).collect();
        self.taken = Some(take_over(model, &self.network, &self.sets, &mut self.joint, &batches)?);
        Ok(())
    }

    /// Takes over all that a trained model holds, and keeps its tasks.
    fn add_to(&mut self, model: &ModelFolder) -> anyhow::Result<()> {
        take_over::check(model, &self.network)?;
        let mut before = self.joint.parameters.clone();
        old_tasks::restore(model, &self.network, &mut before)?;
        self.keep_old(before);
        let mut loaders = self.loaders()?;
        let batch = loaders[0].batch_at(0, Scale::Full);
        self.joint.start_from_old(&batch);
        features::give(&self.network, &self.old, &mut self.joint, &batch)
    }

    /// Keeps the old tasks as they are in `before`.
    fn keep_old(&mut self, before: Parameters) {
        let (old, new) = self.statistics.split_at(self.old.len());
        self.joint.keep(OldTasks::new(before, old, &new[0]).keeping(self.config.training.keep));
    }

    /// What will be trained, for people.
    pub fn describe(&self) -> String {
        let kept = self.old.iter().map(|t| format!("{} (kept, without images)", t.name));
        let sets = self.sets.iter().map(|s| format!("{} ({} images)", s.name, s.len()));
        format!(
            "{}: {}, {}, {:.2} M parameters in all; {}; {} steps of {} images a task{}{}{}",
            self.config.name,
            self.network.backbone(),
            units(self.network.levels()),
            self.network.total_parameters() as f64 / 1e6,
            kept.chain(sets).collect::<Vec<_>>().join(", "),
            self.steps,
            self.config.training.batch,
            match self.team.size() {
                1 => String::new(),
                size => format!(", shared by {size} processes"),
            },
            match self.step {
                0 => String::new(),
                step if step == self.steps =>
                    "; all of them are done already: only evaluating and exporting".into(),
                step => format!("; going on at step {step}"),
            },
            self.taken.as_ref().map(|taken| format!("\n{taken}")).unwrap_or_default(),
        )
    }

    fn loaders(&self) -> anyhow::Result<Vec<Loader>> {
        let training = &self.config.training;
        let loader = |(task, (set, statistics)): (usize, (&Arc<Dataset>, &Statistics))| {
            let augment = Augment { cutout: training.cutout, ..Augment::standard(set.size) };
            let loader = Loader::new(set.clone(), training.batch, self.config.seed, task)?;
            let loader = loader.with_part(self.team.rank(), self.team.size())?;
            Ok(loader.with_augment(augment).with_statistics(statistics))
        };
        self.sets.iter().zip(&self.statistics[self.old.len()..]).enumerate().map(loader).collect()
    }

    /// Steps that show the images at half their size.
    fn half(&self) -> u64 {
        (self.config.training.half_size * self.steps as f64) as u64
    }

    fn batches(&self) -> anyhow::Result<Prefetch> {
        let half = self.half();
        let scale = move |step| if step < half { Scale::Half } else { Scale::Full };
        Ok(Prefetch::new(self.loaders()?, self.step..self.steps, scale)?)
    }

    /// Whether the run is evaluated after the step just done.
    fn evaluation_is_due(&self) -> bool {
        let due = |step: u64| step * self.config.training.evaluations / self.steps;
        // At half size the running statistics are of no use at full size: nothing to evaluate yet.
        due(self.step) > due(self.step - 1) && self.step < self.steps && self.step > self.half()
    }

    /// One step of the team; every process calls it. `stop` says whether this process was asked to stop; gives whether one
    /// was.
    fn advance(&mut self, batch: &[Batch], stop: impl Fn(u64) -> bool) -> anyhow::Result<(Results, bool)> {
        let start = Instant::now();
        let rate = self.config.training.rate_at(self.step, self.steps);
        let results = self.joint.step(batch, rate, &self.config.training)?;
        if results.iter().flatten().flatten().any(|r| !r.loss.is_finite()) {
            bail!(
                "the loss is no longer a number at step {}: lower training.rate (now {rate}); the last checkpoint is \
                 intact",
                self.step
            );
        }
        self.step += 1;
        if let Some(average) = &mut self.average {
            average.update(&self.joint.parameters, self.step, self.config.training.average);
        }
        self.seconds += start.elapsed().as_secs_f64();
        let mut stopping = [f64::from(u8::from(stop(self.step)))];
        self.team.sum(&mut stopping);
        if self.evaluation_is_due() || self.step == self.steps {
            ensure!(
                self.team.agrees(&self.joint.parameters.values),
                "the processes' weights are no longer the same at step {}: they must run the same program on the same kind \
                 of machine; the last checkpoint is intact",
                self.step
            );
        }
        Ok((results, stopping[0] > 0.0))
    }

    /// Does the part of a process that does not lead, until the run ends. Gives the steps done.
    ///
    /// # Errors
    /// If a step fails.
    pub fn follow(&mut self, stop: impl Fn(u64) -> bool) -> anyhow::Result<u64> {
        let mut batches = self.batches()?;
        while let Some(batch) = batches.next_step() {
            let (_, stopping) = self.advance(&batch, &stop)?;
            batches.recycle(batch);
            if stopping {
                break;
            }
        }
        Ok(self.step)
    }

    /// Trains until all steps are done or `stop`, asked after each step with the steps done, says so.
    ///
    /// # Errors
    /// If a file cannot be written or a step fails; the last checkpoint is intact then.
    pub fn train(&mut self, stop: impl Fn(u64) -> bool) -> anyhow::Result<Outcome> {
        let output = self.output.take().context("only the leading process of a team writes a run's files")?;
        let folder = output.training().to_owned();
        let place = || format!("{}", folder.display());
        // A kill at any later moment finds a checkpoint of this run to go on from, and a folder that takes no checkpoint
        // is noticed before time is spent.
        self.checkpoint().write(&output.last_checkpoint())?;
        std::fs::write(folder.join("config.toml"), &self.config_text).with_context(place)?;
        let names = self.tests.iter().map(|s| s.name.clone()).collect();
        let steps = Steps { all: self.steps, half_size: self.half() };
        let mut progress = Progress::new(self.step, steps, &folder, names).with_context(place)?;
        let mut batches = self.batches()?;
        let epoch_images = self.sets.iter().map(|s| s.len()).max().unwrap_or(1) as f64;
        let mut saved = Instant::now();
        while let Some(batch) = batches.next_step() {
            let rate = self.config.training.rate_at(self.step, self.steps);
            let (results, stopping) = self.advance(&batch, &stop)?;
            // What an old task sees are the new one's.
            let shown = batch.iter().map(|b| b.labels.len()).sum::<usize>() * self.team.size();
            let images = shown / batch.len().max(1);
            batches.recycle(batch);
            let epoch = self.step as f64 * self.config.training.batch as f64 / epoch_images;
            let waited = batches.waited().as_secs_f64();
            let at = At { step: self.step, epoch, rate, seconds: self.seconds, waited };
            progress.step(at, images, &results).with_context(place)?;

            if self.evaluation_is_due() {
                let report = self.evaluate(self.config.training.evaluation_images, |_| {})?;
                progress.evaluation(self.step, &report.tasks).with_context(place)?;
                self.keep_best(&report, &output)?;
            }
            if stopping || saved.elapsed() >= self.checkpoint_every || self.step == self.steps {
                self.checkpoint().write(&output.last_checkpoint())?;
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
        self.keep_best(&report, &output)?;
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
                old: self.old.clone(),
            },
            values: self.joint.parameters.values.clone(),
            velocity: self.joint.velocity.clone(),
            running: self.joint.parameters.running.clone(),
            average: self.average.clone(),
            before: self.joint.old().map(|old| old.before().values.clone()),
        }
    }

    /// Keeps the checkpoint with the best mean accuracy. The model folder is made from the last one all the same: choosing
    /// on test images would flatter it.
    fn keep_best(&mut self, report: &Report, output: &Output) -> anyhow::Result<()> {
        let trained = report.tasks.iter().flat_map(|t| &t.levels).filter(|l| !l.untrained);
        let accuracies: Vec<f64> = trained.filter_map(|l| l.accuracy).collect();
        let mean = accuracies.iter().sum::<f64>() / accuracies.len().max(1) as f64;
        if self.best.is_none_or(|best| mean > best) {
            self.best = Some(mean);
            self.checkpoint().write(&output.best_checkpoint())?;
        }
        Ok(())
    }

    /// What the model is made of.
    fn parameters(&self) -> Cow<'_, Parameters> {
        match &self.average {
            Some(average) => Cow::Owned(average.of(&self.joint.parameters)),
            None => Cow::Borrowed(&self.joint.parameters),
        }
    }

    fn inputs(&self) -> Vec<Input> {
        self.tests.iter().zip(&self.statistics).map(|(set, s)| config::input(set, s)).collect()
    }

    fn evaluate(&self, at_most: usize, tick: impl FnMut(usize)) -> anyhow::Result<Report> {
        let parameters = self.parameters();
        let mut engine =
            engines::cpu(&self.network, |id| Ok(export::shard(&self.network, &parameters, id)?))?;
        let (inputs, tests) = (self.inputs(), &self.tests);
        let mut report = evaluate::evaluate(&mut engine, &self.network, &inputs, tests, at_most, tick)?;
        report.mark_untrained(self.joint.learned());
        Ok(report)
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
                level.untrained = report.untrained;
                let measured = report.accuracy.zip(report.images);
                level.accuracy = measured.map(|(percent, images)| Accuracy { percent, images, seeds: 1 });
            }
        }
        let unchanged = self.config.training.keep != Keep::Answers;
        for (task, old) in manifest.tasks.iter_mut().zip(&self.old) {
            task.title.clone_from(&old.title);
            for (level, old) in task.levels.iter_mut().zip(&old.levels) {
                // What has not changed need not be measured again.
                level.accuracy = level.accuracy.or(old.accuracy.filter(|_| unchanged));
            }
        }
        let parameters = self.parameters();
        ModelFolder::write(&self.out, manifest, &self.network, |id| {
            Ok(export::shard(&self.network, &parameters, id)?)
        })?;
        Ok(())
    }
}

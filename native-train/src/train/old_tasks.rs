//! Sequential learning (paper eq. 6): a trained network learns one more task, and keeps its answers for those that it knows
//! without an image of theirs. The old tasks see the new one's images, and every level is held to what it answered before by the
//! distillation loss of Learning without Forgetting (Li and Hoiem 2016).
//!
//! The old tasks' batch norms are those of any task in training, with the new images' statistics. A model folder holds scales and
//! shifts, which are made into such batch norms by a first batch ([`Joint::start_from_old`](super::Joint::start_from_old)): at
//! first each level is what it was, for the old images too, and from then on its scales follow the statistics as far as these move.

use crate::config::Keep;
use crate::data::{self, Batch, Dataset, Images, Statistics};
use crate::import;
use crate::network::Parameters;
use anyhow::{Context, ensure};
use dvn::folder::ModelFolder;
use dvn::manifest::Task;
use dvn::{Network, Shard, ShardId, TaskSpec};
use std::path::Path;

/// What the first tasks of a network were before it learned another.
pub struct OldTasks {
    /// Their batch norms folded.
    before: Parameters,
    /// By task: what a normalised value of the new task is multiplied by, and what is added then, to be one of this task's.
    colours: Vec<[[f32; 3]; 2]>,
    keep: Keep,
}

impl OldTasks {
    /// Of the distillation loss (Hinton, Vinyals and Dean 2015); 2 as in Learning without Forgetting.
    pub const TEMPERATURE: f64 = 2.0;

    /// The tasks of `before`, whose batch norms are folded, how their images are normalised, and how the new task's are.
    pub fn new(before: Parameters, old: &[Statistics], new: &Statistics) -> OldTasks {
        let colours = |old: &Statistics| {
            let factor = |c: usize| new.std[c] / old.std[c];
            let summand = |c: usize| (new.mean[c] - old.mean[c]) / old.std[c];
            [std::array::from_fn(factor), std::array::from_fn(summand)]
        };
        OldTasks { before, colours: old.iter().map(colours).collect(), keep: Keep::Answers }
    }

    /// With this of them kept, not their answers.
    pub fn keeping(self, keep: Keep) -> OldTasks {
        OldTasks { keep, ..self }
    }

    /// What of them is kept.
    pub fn keeps(&self) -> Keep {
        self.keep
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.colours.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.colours.is_empty()
    }

    /// The network as it was, batch norms folded.
    pub fn before(&self) -> &Parameters {
        &self.before
    }

    /// A batch of the new task, normalised as the images of `task` are.
    pub fn seen_by(&self, task: usize, batch: &Batch) -> Batch {
        let [factor, summand] = self.colours[task];
        let mut seen = batch.clone();
        for pixel in seen.images.chunks_exact_mut(3) {
            for (c, v) in pixel.iter_mut().enumerate() {
                *v = *v * factor[c] + summand[c];
            }
        }
        seen
    }
}

/// Makes sure that `set` can be learned by a network that knows `old`.
///
/// # Errors
/// If its images are of another size, or it is one of them.
pub fn check(old: &[Task], set: &Dataset) -> anyhow::Result<()> {
    for task in old {
        ensure!(task.name != set.name, "the model knows {} already", task.name);
        let (own, new) = (task.input.size, set.size);
        ensure!(
            own == new,
            "{} has images of {new} x {new} pixels, but {}, which the model is to keep, takes {own} x {own}: they must be of \
             one size",
            set.name,
            task.name
        );
    }
    Ok(())
}

/// What a network needs to know of the tasks of a model.
pub fn specs(old: &[Task]) -> Vec<TaskSpec> {
    let spec =
        |t: &Task| TaskSpec { classes: t.classes.len(), input_size: t.input.size, order: t.order.clone() };
    old.iter().map(spec).collect()
}

/// The test images of a task that the run keeps. It can do without: then there are none.
pub fn test_images(task: &Task, data: &Path) -> Dataset {
    let none = || Dataset {
        name: task.name.clone(),
        classes: task.classes.clone(),
        size: task.input.size,
        images: Images::new(task.input.size, Vec::new()),
        labels: Vec::new(),
    };
    match data::load(&task.name, data::Split::Test, data) {
        Ok(set) if set.classes == task.classes && set.size == task.input.size => set,
        Ok(_) => {
            eprintln!(
                "{}: the data folder's has other classes or sizes than the model's: not measured",
                task.name
            );
            none()
        }
        Err(error) => {
            eprintln!("{}: no test images, so what it keeps is not measured: {error}", task.name);
            none()
        }
    }
}

/// Gives a network, whose first tasks are those of `model`, all that is in it, batch norms folded. The tasks after them start with
/// the first one's stem.
///
/// # Errors
/// If a file of the model cannot be used.
pub fn restore(model: &ModelFolder, network: &Network, parameters: &mut Parameters) -> anyhow::Result<()> {
    for id in model.network().shards() {
        let shard = model.read(id).with_context(|| format!("{}", model.path().display()))?;
        import::shard(network, parameters, id, &shard)?;
        match (id, &shard) {
            (ShardId::Level { task, level }, Shard::Level(own)) => {
                parameters.set_folded(&network.plan(task, level)?, &own.norms);
            }
            (ShardId::Stem { task: 0 }, _) => {
                for task in model.network().tasks().len()..network.tasks().len() {
                    import::shard(network, parameters, ShardId::Stem { task }, &shard)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

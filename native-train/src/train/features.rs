//! What a task starts with of the tasks that the model knows already, where more of these is kept than their answers.

use super::{Joint, OldTasks};
use crate::config::Keep;
use crate::data::Batch;
use anyhow::{bail, ensure};
use dvn::Network;
use dvn::manifest::Task;

/// Gives the task after the old ones what it starts with of theirs, if more of them is kept than their answers; `batch` is one of the
/// new task's.
///
/// # Errors
/// As [`source`].
pub fn give(network: &Network, old: &[Task], joint: &mut Joint, batch: &Batch) -> anyhow::Result<()> {
    let (new, learned) = (old.len(), joint.learned().to_vec());
    match joint.old().map_or(Keep::Answers, OldTasks::keeps) {
        Keep::Answers => {}
        Keep::Weights => {
            let Some(source) = same_order(network, new) else { return Ok(()) };
            let mut common = learned[new].clone();
            common.retain(|level| learned[source].contains(level));
            joint.take_features(source, new, &common);
            common.iter().for_each(|&level| joint.unfold(new, level, batch));
        }
        Keep::Features => {
            let names: Vec<&str> = old.iter().map(|t| &t.name[..]).collect();
            let from = source(network, new, &names, &learned)?;
            joint.take_features(from, new, &learned[new]);
        }
    }
    Ok(())
}

/// The first task that has the order of units of task `new` after it.
fn same_order(network: &Network, new: usize) -> Option<usize> {
    let tasks = network.tasks();
    (0..new).find(|&t| tasks[t].order == tasks[new].order)
}

/// The task whose features task `new` can have: the first with its order of units. `names` are those of
/// the old tasks, `learned` the levels that each task has learned, the new one's those that it is to learn.
///
/// # Errors
/// If there is none, or it has not learned the levels.
pub fn source(
    network: &Network,
    new: usize,
    names: &[&str],
    learned: &[Vec<usize>],
) -> anyhow::Result<usize> {
    let tasks = network.tasks();
    let numbers = |t: usize| tasks[t].order.iter().map(|u| u.number()).collect::<Vec<_>>();
    let Some(source) = same_order(network, new) else {
        bail!(
            "keep = \"features\" takes those of an old task with the same order of units: the new task's is {:?}, {}",
            numbers(new),
            (0..new).map(|t| format!("that of {} {:?}", names[t], numbers(t))).collect::<Vec<_>>().join(", ")
        );
    };
    let (trained, levels) = (&learned[source], &learned[new]);
    ensure!(
        levels.iter().all(|l| trained.contains(l)),
        "keep = \"features\" takes those of {}, which knows the levels {trained:?}: the new task is to learn {levels:?}",
        names[source]
    );
    Ok(source)
}

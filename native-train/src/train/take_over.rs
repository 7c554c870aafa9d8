//! Starting from a trained model: its weights in place of random ones.

use super::Joint;
use crate::data::{Batch, Dataset};
use crate::import;
use anyhow::{Context, ensure};
use dvn::folder::ModelFolder;
use dvn::{Network, Shard, ShardId, Unit};
use std::sync::Arc;

/// Gives a network that is about to be trained what it can use of a trained model with the same backbone and units: the
/// shared weights, and for each task the stem and the batch norms of the model's task with the same order, of two such of
/// the one with the same name; the classifier too where the classes are the same. The rest stays as it is.
///
/// A model folder holds batch norms folded with statistics that it does not tell. They are measured anew on `batches`, one
/// of each task, at full size. Gives what was taken, for people.
///
/// # Errors
/// If the model does not fit, or a file of it cannot be used.
pub fn take_over(
    model: &ModelFolder,
    network: &Network,
    sets: &[Arc<Dataset>],
    joint: &mut Joint,
    batches: &[Batch],
) -> anyhow::Result<String> {
    check(model, network)?;
    let path = model.path().display();
    let read = |id| model.read(id).with_context(|| format!("{path}"));

    for id in network.shards() {
        if let ShardId::Block { .. } = id {
            import::shard(network, &mut joint.parameters, id, &read(id)?)?;
        }
    }
    let mut taken = format!("starting from {path}: the shared weights");
    for (task, (spec, set)) in network.tasks().iter().zip(sets).enumerate() {
        let Some(source) = source(model, &spec.order, &set.name) else {
            taken += &format!("; nothing more for {}, whose order of units no task there has", set.name);
            continue;
        };
        let stem = read(ShardId::Stem { task: source })?;
        import::shard(network, &mut joint.parameters, ShardId::Stem { task }, &stem)?;
        let from = &model.manifest().tasks[source];
        let same_classes = from.classes == set.classes;
        for level in 1..=network.levels() {
            let shard = read(ShardId::Level { task: source, level })?;
            if same_classes {
                import::shard(network, &mut joint.parameters, ShardId::Level { task, level }, &shard)?;
            }
            if let Shard::Level(own) = &shard {
                joint.parameters.set_folded(&network.plan(task, level)?, &own.norms);
                joint.unfold(task, level, &batches[task]);
            }
        }
        let classifier = if same_classes { ", classifiers" } else { "" };
        taken += &format!("; for {} the stem, batch norms{classifier} of {}", set.name, from.name);
    }
    Ok(taken)
}

/// Makes sure that a model has the backbone and the units of a network.
///
/// # Errors
/// If it has not.
pub fn check(model: &ModelFolder, network: &Network) -> anyhow::Result<()> {
    let kind = |n: &Network| format!("{} with units of {:?}", n.backbone(), n.split().fractions());
    let (own, theirs) = (kind(network), kind(model.network()));
    let path = model.path().display();
    ensure!(own == theirs, "{path} is {theirs}, but the configuration asks for {own}: they must be the same");
    Ok(())
}

/// The model's task that a task of this order and name starts from.
fn source(model: &ModelFolder, order: &[Unit], name: &str) -> Option<usize> {
    let tasks = &model.manifest().tasks;
    (0..tasks.len()).filter(|&t| tasks[t].order == order).min_by_key(|&t| tasks[t].name != name)
}

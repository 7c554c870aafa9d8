//! Model folders with the weights that training starts from: for measuring how fast a network is.

use crate::export;
use crate::network::Parameters;
use dvn::folder::ModelFolder;
use dvn::manifest::{Input, Manifest, Task};
use dvn::{DefinitionError, ModelError, Network, TaskSpec};
use std::path::Path;

/// Writes `network` with random weights, the same ones for the same `seed`, as a model folder at `path`. Tasks are called
/// `task-1`, `task-2`; images are normalised to -1 to 1.
///
/// # Errors
/// If a file cannot be written.
pub fn write(network: &Network, seed: u64, path: &Path) -> Result<ModelFolder, ModelError> {
    let parameters = Parameters::new(network, seed);
    let task = |(t, spec): (usize, &TaskSpec)| {
        let mut levels = export::levels(network, t)?;
        levels.iter_mut().for_each(|level| level.untrained = true);
        Ok(Task {
            name: format!("task-{}", t + 1),
            title: format!("Task {}", t + 1),
            classes: (1..=spec.classes).map(|c| format!("class {c}")).collect(),
            input: Input { size: spec.input_size, mean: [0.5; 3], std: [0.5; 3] },
            order: spec.order.clone(),
            levels,
        })
    };
    let tasks: Result<Vec<Task>, DefinitionError> = network.tasks().iter().enumerate().map(task).collect();
    let manifest = Manifest::new(format!("untrained {}", network.backbone()), network, tasks?, None);
    ModelFolder::write(path, manifest, network, |id| Ok(export::shard(network, &parameters, id)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::engines;
    use dvn::{Split, order};

    #[test]
    fn an_untrained_model_runs_and_its_numbers_stay_in_bounds() {
        let orders = order::default_orders(2, 1).unwrap();
        let tasks = vec![TaskSpec { classes: 10, input_size: 8, order: orders[0].clone() }];
        let network = Network::new("resnet-42".parse().unwrap(), Split::parse("2").unwrap(), tasks).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let model = write(&network, 1, folder.path()).unwrap();
        let mut engine = engines::cpu(model.network(), |id| Ok(model.read(id)?)).unwrap();
        for level in 1..=2 {
            let input: Vec<f32> = (0..192).map(|i| (i % 13) as f32 / 6.0 - 1.0).collect();
            let logits = engine.run(0, level, &input, 1).unwrap();
            // Neither dead nor so far apart that a softmax would say nothing of them.
            let (low, high) = logits.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
            assert!(high - low > 1e-3 && high - low < 60.0, "level {level}: {logits:?}");
        }
    }
}

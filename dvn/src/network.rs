//! A network: backbone, units and tasks together, checked once.

use crate::backbone::{Backbone, Layer};
use crate::error::DefinitionError;
use crate::unit::{Split, Unit};

/// What a task needs of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// Classes of the data set.
    pub classes: usize,
    /// Height and width of an input image, pixels.
    pub input_size: usize,
    /// All units, in the order in which they join.
    pub order: Vec<Unit>,
}

/// The most tasks one network may have.
pub const MAX_TASKS: usize = 256;
/// The most classes a task may have.
pub const MAX_CLASSES: usize = 65_536;
/// The largest input image, pixels a side.
pub const MAX_INPUT: usize = 1024;

/// Backbone, units and tasks: everything that fixes the shapes of all weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    backbone: Backbone,
    split: Split,
    tasks: Vec<TaskSpec>,
}

impl Network {
    /// Puts a network together.
    ///
    /// # Errors
    /// If a unit gets no channels in some layer, there are no or too many tasks, or a task's classes, input size or
    /// order are impossible.
    pub fn new(backbone: Backbone, split: Split, tasks: Vec<TaskSpec>) -> Result<Network, DefinitionError> {
        for stage in backbone.stages() {
            for unit in split.iter() {
                if split.range(stage.width, unit).is_empty() {
                    return Err(DefinitionError::EmptyUnit { unit: unit.number(), width: stage.width });
                }
            }
        }
        if tasks.is_empty() || tasks.len() > MAX_TASKS {
            return Err(DefinitionError::TaskCount { found: tasks.len(), max: MAX_TASKS });
        }
        for (t, task) in tasks.iter().enumerate() {
            let bounded = |what, found, max| match found {
                n if n == 0 || n > max => {
                    Err(DefinitionError::Task { task: t + 1, what, found, min: 1, max })
                }
                _ => Ok(()),
            };
            bounded("number of classes", task.classes, MAX_CLASSES)?;
            bounded("input size", task.input_size, MAX_INPUT)?;
            let mut sorted = task.order.clone();
            sorted.sort_unstable();
            if !sorted.iter().copied().eq(split.iter()) {
                let found = task.order.iter().map(|u| u.number()).collect();
                return Err(DefinitionError::Order { task: t + 1, found, units: split.units() });
            }
        }
        Ok(Network { backbone, split, tasks })
    }

    /// The physical network.
    pub fn backbone(&self) -> Backbone {
        self.backbone
    }

    /// How units share the channels.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// The tasks, from 0.
    pub fn tasks(&self) -> &[TaskSpec] {
        &self.tasks
    }

    /// Levels of every task: as many as there are units.
    pub fn levels(&self) -> usize {
        self.split.units()
    }

    /// The shared convolutions, in order of use.
    pub fn layers(&self) -> Vec<Layer> {
        self.backbone.layers()
    }

    /// The units of level `level` (from 1) of `task` (from 0), in the order in which they joined.
    ///
    /// # Errors
    /// If there is no such task or level.
    pub fn units(&self, task: usize, level: usize) -> Result<&[Unit], DefinitionError> {
        let count = self.tasks.len();
        let spec =
            self.tasks.get(task).ok_or(DefinitionError::NoSuch { what: "task", found: task + 1, count })?;
        if level == 0 || level > self.levels() {
            return Err(DefinitionError::NoSuch { what: "level", found: level, count: self.levels() });
        }
        Ok(&spec.order[..level])
    }

    /// Stride of a task's stem: 1 up to 63 pixels, 2 from 64, 3 from 96, so that all bring their maps to about 32 x 32
    /// (the paper's J3 joins sizes 32, 64 and 96).
    pub fn stem_stride(&self, task: usize) -> usize {
        self.tasks.get(task).map_or(1, |t| (t.input_size / 32).max(1))
    }
}

//! What can be wrong with a network's definition and with a model folder.

/// A network that cannot be: said with what was found and what was expected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// An unknown backbone.
    #[error("backbone {found:?}: expected {expected}")]
    Backbone {
        /// The text.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// No units or too many.
    #[error("{found} units: expected 1 to {max}")]
    UnitCount {
        /// How many.
        found: usize,
        /// The most.
        max: usize,
    },
    /// Fractions that do not divide a whole.
    #[error("unit fractions {found:?}: expected positive numbers that sum to 1")]
    Fractions {
        /// The fractions.
        found: Vec<f64>,
    },
    /// A split that cannot be read.
    #[error("units {found:?}: expected a count such as 4, or fractions such as 1/2,1/4,1/4")]
    SplitText {
        /// The text.
        found: String,
    },
    /// An order that cannot be read.
    #[error("order {found:?}: expected unit numbers such as 3 2 1 4")]
    OrderText {
        /// The text.
        found: String,
    },
    /// A unit that gets no channels.
    #[error(
        "unit {unit} gets no channels of a layer of {width}: give it a larger fraction, or take a wider backbone"
    )]
    EmptyUnit {
        /// The unit's number.
        unit: usize,
        /// Channels of the layer.
        width: usize,
    },
    /// The rule gives every unit at most one task.
    #[error("{tasks} tasks over {units} units: with more tasks than units every task's order must be given")]
    MoreTasksThanUnits {
        /// Tasks.
        tasks: usize,
        /// Units.
        units: usize,
    },
    /// An order that is no permutation of the units.
    #[error("task {task}: order {found:?} must name each of the {units} units once")]
    Order {
        /// The task, from 1.
        task: usize,
        /// The order's unit numbers.
        found: Vec<usize>,
        /// Units of the network.
        units: usize,
    },
    /// A task whose classes or input size are out of bounds.
    #[error("task {task}: {what} {found} is not between {min} and {max}")]
    Task {
        /// The task, from 1.
        task: usize,
        /// Which of its numbers.
        what: &'static str,
        /// The number.
        found: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// No or too many tasks.
    #[error("{found} tasks: expected 1 to {max}")]
    TaskCount {
        /// How many.
        found: usize,
        /// The most allowed.
        max: usize,
    },
    /// A task or level that the network does not have.
    #[error("{what} {found}: this network has {what}s 1 to {count}")]
    NoSuch {
        /// "task" or "level".
        what: &'static str,
        /// From 1.
        found: usize,
        /// How many there are.
        count: usize,
    },
    /// Too many combinations of the tasks' levels to search them all.
    #[error("{tasks} tasks of {levels} levels each: more than {max} combinations are not searched")]
    Combinations {
        /// Tasks.
        tasks: usize,
        /// Levels of each.
        levels: usize,
        /// The most combinations.
        max: usize,
    },
    /// A budget that cannot be read.
    #[error("budget {found:?}: expected parameters such as 2M or 1900000, or bytes such as 8MB or 7.5MiB")]
    Budget {
        /// The text.
        found: String,
    },
}

/// A model folder, or a file of it, that cannot be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// `model.json` is not what it should be.
    #[error("model.json: {reason}")]
    Json {
        /// Where and why.
        reason: String,
    },
    /// Another format, or another version of it.
    #[error("model.json: format {found}; this program reads {expected}")]
    Version {
        /// Format and version found.
        found: String,
        /// Format and version that can be read.
        expected: String,
    },
    /// The network that `model.json` describes cannot be.
    #[error("model.json: {0}")]
    Definition(#[from] DefinitionError),
    /// `model.json` says something of itself that is not so.
    #[error("model.json: {what} is {found}, expected {expected}")]
    Inconsistent {
        /// Which statement.
        what: String,
        /// What it says.
        found: String,
        /// What follows from the network.
        expected: String,
    },
    /// A file name with path parts, or that no shard has.
    #[error("{file:?} is no shard's name: expected stem-T, unit-O-I or level-T-L.safetensors")]
    Name {
        /// The name.
        file: String,
    },
    /// A shard that the network does not have, or `model.json` does not list.
    #[error("{file}: not a shard of this model")]
    UnknownShard {
        /// The file.
        file: String,
    },
    /// A file whose length is not the one that `model.json` says.
    #[error("{file}: {found} bytes, expected {expected}")]
    Length {
        /// The file.
        file: String,
        /// Its length.
        found: u64,
        /// The length in `model.json`.
        expected: u64,
    },
    /// A file whose content is not the one that `model.json` says.
    #[error("{file}: SHA-256 {found}, expected {expected}: the file is damaged or was changed")]
    Hash {
        /// The file.
        file: String,
        /// Its hash.
        found: String,
        /// The hash in `model.json`.
        expected: String,
    },
    /// A file that is no safetensors file.
    #[error("{file}: not a readable safetensors file: {reason}")]
    Safetensors {
        /// The file.
        file: String,
        /// The reader's reason.
        reason: String,
    },
    /// A tensor that is not there.
    #[error("{file}: tensor {tensor} is missing")]
    MissingTensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// A tensor that should not be there.
    #[error("{file}: tensor {tensor} does not belong here")]
    SurplusTensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// A tensor of another type.
    #[error("{file}: tensor {tensor} is {found}, expected F32")]
    Dtype {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A tensor of another shape.
    #[error("{file}: tensor {tensor} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that follows from the network.
        expected: Vec<usize>,
    },
    /// A weight that is no number.
    #[error("{file}: tensor {tensor} holds {value} at element {index}")]
    NotFinite {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Position in row-major order.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The file system said no.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

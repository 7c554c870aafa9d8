//! Scratch memory.

/// Scratch memory that calls reuse: it grows to the largest call and is then never allocated again. Keep one for each
/// trainer or engine.
#[derive(Debug, Default)]
pub struct Workspace {
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
}

impl Workspace {
    /// An empty one.
    pub fn new() -> Workspace {
        Workspace::default()
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        4 * (self.a.capacity() + self.b.capacity())
    }
}

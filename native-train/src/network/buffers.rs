//! Feature maps that are used again: a step allocates nothing once it has run.

use std::ops::{Deref, DerefMut};

/// A run of f32 numbers out of a [`Pool`]. Its content is whatever was there.
#[derive(Debug, Default)]
pub struct Buffer {
    data: Vec<f32>,
    len: usize,
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

/// Buffers that nobody uses at present.
#[derive(Debug, Default)]
pub struct Pool(Vec<Buffer>);

impl Pool {
    /// A buffer of `len` numbers: the smallest idle one that is large enough, else a new one.
    pub fn take(&mut self, len: usize) -> Buffer {
        let fits = (0..self.0.len()).filter(|&i| self.0[i].data.len() >= len);
        let mut buffer = match fits.min_by_key(|&i| self.0[i].data.len()) {
            Some(i) => self.0.swap_remove(i),
            None => Buffer { data: vec![0.0; len], len },
        };
        buffer.len = len;
        buffer
    }

    /// Gives a buffer back.
    pub fn give(&mut self, buffer: Buffer) {
        if !buffer.data.is_empty() {
            self.0.push(buffer);
        }
    }

    /// Frees what is idle: after the images' size has changed the old sizes are of no use.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

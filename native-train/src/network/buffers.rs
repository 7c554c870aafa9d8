//! Feature maps that are used again: a step allocates nothing once it has run.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line: vectors that straddle two of them take twice the time.
const LINE: usize = 64;

/// A run of f32 numbers out of a [`Pool`], aligned to cache lines. Its content is whatever was there.
#[derive(Debug, Default)]
pub struct Buffer {
    data: Vec<f32>,
    /// Where the first cache line begins.
    start: usize,
    len: usize,
}

impl Buffer {
    fn new(len: usize) -> Buffer {
        let data = vec![0.0; len + LINE / size_of::<f32>() - 1];
        let start = data.as_ptr().align_offset(LINE);
        Buffer { data, start, len }
    }

    /// How long it may be.
    fn room(&self) -> usize {
        self.data.len() - self.start
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.start..][..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..][..self.len]
    }
}

/// Buffers that nobody uses at present.
#[derive(Debug, Default)]
pub struct Pool(Vec<Buffer>);

impl Pool {
    /// A buffer of `len` numbers: the smallest idle one that is large enough, else a new one.
    pub fn take(&mut self, len: usize) -> Buffer {
        let fits = (0..self.0.len()).filter(|&i| self.0[i].room() >= len);
        let mut buffer = match fits.min_by_key(|&i| self.0[i].room()) {
            Some(i) => self.0.swap_remove(i),
            None => Buffer::new(len),
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

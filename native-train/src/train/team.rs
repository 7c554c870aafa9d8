//! Data parallel training: several processes with the same weights, each with its part of every batch.
//!
//! Batch norm's statistics are those of the whole batch, summed over the processes forward and backward, so that a run does
//! not depend on their number but for rounding. Gradients are summed level by level while the next level runs; the largest
//! level goes first, so that what is left to wait for at a step's end is the smallest level's.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hasher};
use std::sync::mpsc::Receiver;

#[cfg(feature = "mpi")]
mod mpi;
mod start;
#[cfg(test)]
mod tests;

pub use start::{Session, launch};

/// What connects the processes of a team. Every process calls the same functions in the same order.
pub trait Link: Debug + Send + Sync {
    /// The sum over all processes, the same bits in each.
    fn sum(&self, values: Vec<f64>) -> Vec<f64>;
    /// Begins to sum a gradient over all processes; the receiver gets it.
    fn start_sum(&self, gradient: Vec<f32>) -> Receiver<Vec<f32>>;
    /// What the first process gives, in all of them.
    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8>;
}

/// The processes that train one network, seen from one of them.
#[derive(Debug, Default)]
pub struct Team {
    rank: usize,
    /// With the number of processes.
    link: Option<(usize, Box<dyn Link>)>,
}

impl Team {
    /// Process `rank` of `size` (from 0).
    pub fn new(rank: usize, size: usize, link: Box<dyn Link>) -> Team {
        Team { rank, link: Some((size, link)) }
    }

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.link.as_ref().map_or(1, |(size, _)| *size)
    }

    /// Whether this process writes the files and talks to the user.
    pub fn leads(&self) -> bool {
        self.rank == 0
    }

    /// Replaces values by their sums over all processes.
    pub fn sum(&self, values: &mut [f64]) {
        if let Some((_, link)) = &self.link {
            values.copy_from_slice(&link.sum(values.to_vec()));
        }
    }

    /// What the leading process gives, in all of them.
    pub fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        match &self.link {
            Some((_, link)) => link.broadcast(bytes),
            None => bytes,
        }
    }

    /// Begins to sum a gradient over all processes.
    pub fn start_sum(&self, gradient: Vec<f32>) -> Sum {
        match &self.link {
            Some((_, link)) => Sum::Pending(link.start_sum(gradient)),
            None => Sum::Done(gradient),
        }
    }

    /// Whether numbers have the same bits in every process.
    pub fn agrees(&self, numbers: &[f32]) -> bool {
        let mut hasher = DefaultHasher::new();
        numbers.iter().for_each(|n| hasher.write_u32(n.to_bits()));
        let own = hasher.finish().to_le_bytes();
        let mut others = [f64::from(u8::from(self.broadcast(own.to_vec()) != own))];
        self.sum(&mut others);
        others == [0.0]
    }
}

/// A sum over all processes that may still be under way.
#[derive(Debug)]
pub enum Sum {
    /// It is here.
    Done(Vec<f32>),
    /// It will come.
    Pending(Receiver<Vec<f32>>),
}

impl Sum {
    /// Waits for it.
    pub fn wait(self) -> Vec<f32> {
        match self {
            Sum::Done(values) => values,
            Sum::Pending(receiver) => {
                receiver.recv().expect("a link lives as long as its team, and answers every call")
            }
        }
    }
}

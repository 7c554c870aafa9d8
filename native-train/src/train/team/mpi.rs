//! A team over MPI.
//!
//! All calls are made on two threads with a communicator each, so that the small sums that a layer waits for never queue
//! behind a gradient.

use super::{Link, Team};
use anyhow::{Context, Result, ensure};
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// MPI counts with an `int`.
const PIECE: usize = 1 << 30;

type Job = Box<dyn FnOnce(&SimpleCommunicator) + Send>;

/// A thread with a communicator of its own.
#[derive(Debug)]
struct Line {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    /// All processes make their lines in the same order; the communicator is there when this comes back.
    fn new(name: &str) -> Result<Line> {
        let (jobs, waiting) = channel::<Job>();
        let (made, is_made) = channel();
        let work = move || {
            let communicator = SimpleCommunicator::world().duplicate();
            // Whoever asked has gone only if the process is ending.
            let _ = made.send(());
            for job in waiting {
                job(&communicator);
            }
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(work)?;
        is_made.recv().context("an MPI communicator could not be made")?;
        Ok(Line { jobs: Some(jobs), thread: Some(thread) })
    }

    fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SimpleCommunicator) -> T + Send + 'static,
    ) -> Receiver<T> {
        let (send, receiver) = channel();
        let job: Job = Box::new(move |communicator| {
            // Nobody waits for it any more if the step has failed.
            let _ = send.send(work(communicator));
        });
        if let Some(jobs) = &self.jobs {
            // The thread ends only after `jobs` is gone; MPI's own errors end the process.
            let _ = jobs.send(job);
        }
        receiver
    }

    fn run<T: Send + 'static>(&self, work: impl FnOnce(&SimpleCommunicator) -> T + Send + 'static) -> T {
        self.start(work).recv().expect("the thread ends after its last job")
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been told already.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Mpi {
    /// What somebody waits for.
    now: Line,
    gradients: Line,
}

impl Link for Mpi {
    fn sum(&self, values: Vec<f64>) -> Vec<f64> {
        self.now.run(move |communicator| {
            let mut sum = vec![0.0; values.len()];
            communicator.all_reduce_into(&values[..], &mut sum[..], SystemOperation::sum());
            sum
        })
    }

    fn start_sum(&self, gradient: Vec<f32>) -> Receiver<Vec<f32>> {
        self.gradients.start(move |communicator| {
            let mut sum = vec![0.0; gradient.len()];
            for (own, all) in gradient.chunks(PIECE).zip(sum.chunks_mut(PIECE)) {
                communicator.all_reduce_into(own, all, SystemOperation::sum());
            }
            sum
        })
    }

    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.now.run(move |communicator| {
            let root = communicator.process_at_rank(0);
            let mut length = bytes.len() as u64;
            root.broadcast_into(&mut length);
            let mut bytes = bytes;
            bytes.resize(length as usize, 0);
            for piece in bytes.chunks_mut(PIECE) {
                root.broadcast_into(piece);
            }
            bytes
        })
    }
}

/// Joins the processes that were started together.
pub(super) fn join() -> Result<(Universe, Team)> {
    let (universe, threading) = mpi::initialize_with_threading(Threading::Multiple)
        .context("MPI is in use in this process already")?;
    ensure!(
        threading == Threading::Multiple,
        "this MPI library gives {threading:?}, and dvn-train calls it from several threads: it needs a build with \
         MPI_THREAD_MULTIPLE"
    );
    let world = universe.world();
    let (rank, size) = (world.rank() as usize, world.size() as usize);
    let team = match size {
        1 => Team::default(),
        _ => {
            let link = Mpi { now: Line::new("mpi")?, gradients: Line::new("mpi-gradients")? };
            Team::new(rank, size, Box::new(link))
        }
    };
    Ok((universe, team))
}

/// Ends all processes.
pub(super) fn abort() -> ! {
    SimpleCommunicator::world().abort(1)
}

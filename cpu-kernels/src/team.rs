//! Threads that others have to start, as JavaScript does a browser's workers: they come by themselves and help.
//!
//! rayon would do, but adds 12 KB to the 190 of the engine that a visitor fetches, and lets its threads sleep between two
//! convolutions, where waking one takes as long as the smaller of these.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::mem::transmute;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};

/// Looks that a helper takes for new work before it sleeps: some 50 microseconds, longer than between two convolutions.
const LOOKS: usize = 20_000;

type Task<'a> = &'a (dyn Fn() + Sync);

/// The one team.
pub(crate) static TEAM: Team = Team::new();

/// From now on the caller of an operator has so many helpers. As many threads must [`help`] or be about to.
pub fn set_helpers(helpers: usize) {
    TEAM.helpers.store(helpers, SeqCst);
}

/// Helps whoever calls an operator; never returns.
pub fn help() -> ! {
    let mut round = 0;
    loop {
        round = TEAM.help(round);
    }
}

pub(crate) struct Team {
    helpers: AtomicUsize,
    /// Whether somebody has the team.
    taken: AtomicBool,
    /// What to do while `open` is not 0.
    task: UnsafeCell<Option<Task<'static>>>,
    /// Helpers that may join in still.
    open: AtomicUsize,
    /// Helpers that may join in still or are at work.
    pending: AtomicUsize,
    /// Grows with each task.
    round: AtomicUsize,
    asleep: AtomicUsize,
    lock: Mutex<()>,
    bell: Condvar,
}

// SAFETY: `task` is written by whoever took the team, while `open` and `pending` are 0: no helper reads it then.
unsafe impl Sync for Team {}

impl Team {
    const fn new() -> Team {
        Team {
            helpers: AtomicUsize::new(0),
            taken: AtomicBool::new(false),
            task: UnsafeCell::new(None),
            open: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            lock: Mutex::new(()),
            bell: Condvar::new(),
        }
    }

    /// Threads that work at once: the caller and its helpers.
    pub(crate) fn size(&self) -> usize {
        1 + self.helpers.load(SeqCst)
    }

    /// Calls `task` here, and on up to `calls - 1` helpers that are free meanwhile. They are done when this returns.
    pub(crate) fn run(&self, calls: usize, task: Task) {
        let helpers = self.helpers.load(SeqCst).min(calls - 1);
        if helpers == 0 || self.taken.swap(true, SeqCst) {
            return task();
        }
        // SAFETY: nobody else has the team, and the last task's helpers are done. This one's lifetime is forgotten for as
        // long as helpers may use it, which is until `pending` is 0 below.
        unsafe { *self.task.get() = Some(transmute::<Task<'_>, Task<'static>>(task)) };
        self.pending.store(helpers, SeqCst);
        self.open.store(helpers, SeqCst);
        self.round.fetch_add(1, SeqCst);
        // A helper counts itself before it looks at the round for the last time, so that none sleeps through this.
        if self.asleep.load(SeqCst) > 0 {
            let _lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.bell.notify_all();
        }
        let end = End(self);
        task();
        drop(end);
    }

    /// Waits for a round after `seen`, helps where help is wanted still, and gives that round.
    fn help(&self, seen: usize) -> usize {
        if !(0..LOOKS).any(|_| {
            spin_loop();
            self.round.load(SeqCst) != seen
        }) {
            let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.asleep.fetch_add(1, SeqCst);
            while self.round.load(SeqCst) == seen {
                lock = self.bell.wait(lock).unwrap_or_else(PoisonError::into_inner);
            }
            self.asleep.fetch_sub(1, SeqCst);
        }
        let round = self.round.load(SeqCst);
        if self.open.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok() {
            let done = Done(self);
            // SAFETY: it was written before `open`, and is left alone until `pending` is 0, which waits for `done`.
            if let Some(task) = unsafe { *self.task.get() } {
                task();
            }
            drop(done);
        }
        round
    }
}

/// Ends a round, however its task ends: lets nobody join in any more, and waits for those that did.
struct End<'a>(&'a Team);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let Team { open, pending, taken, .. } = self.0;
        pending.fetch_sub(open.swap(0, SeqCst), SeqCst);
        while pending.load(SeqCst) > 0 {
            spin_loop();
        }
        taken.store(false, SeqCst);
    }
}

/// Tells that a helper is done, however its task ends.
struct Done<'a>(&'a Team);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    /// A team of its own, whose helpers stay asleep at the end.
    fn team(helpers: usize) -> &'static Team {
        let team: &'static Team = Box::leak(Box::new(Team::new()));
        for _ in 0..helpers {
            thread::spawn(|| {
                let mut round = 0;
                loop {
                    round = team.help(round);
                }
            });
        }
        team.helpers.store(helpers, SeqCst);
        team
    }

    /// Shares `jobs` jobs out; how often each was done.
    fn share(team: &Team, calls: usize, jobs: usize) -> Vec<usize> {
        let next = AtomicUsize::new(0);
        let done: Vec<AtomicUsize> = (0..jobs).map(|_| AtomicUsize::new(0)).collect();
        team.run(calls, &|| {
            while let Some(job) = done.get(next.fetch_add(1, SeqCst)) {
                job.fetch_add(1, SeqCst);
            }
        });
        // Without synchronisation of its own: all helpers are done.
        done.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_job_is_done_once_before_the_end() {
        let team = team(3);
        for round in 0..3000 {
            let jobs = round % 17;
            assert_eq!(share(team, 1 + round % 5, jobs), vec![1; jobs], "round {round}");
        }
    }

    #[test]
    fn helpers_help_even_after_a_sleep() {
        let team = team(1);
        thread::sleep(Duration::from_millis(50));
        let here = thread::current().id();
        let helped = AtomicBool::new(false);
        team.run(2, &|| {
            if thread::current().id() != here {
                helped.store(true, SeqCst);
            }
            // Nobody can do it alone.
            while !helped.load(SeqCst) {
                spin_loop();
            }
        });
        assert!(helped.into_inner());
    }

    #[test]
    fn without_helpers_and_inside_a_task_the_caller_works_alone() {
        assert_eq!(Team::new().size(), 1);
        assert_eq!(share(&Team::new(), 4, 5), [1; 5]);
        let team = team(1);
        assert_eq!(team.size(), 2);
        team.run(2, &|| assert_eq!(share(team, 2, 5), [1; 5]));
    }

    #[test]
    fn several_callers_do_not_disturb_each_other() {
        let team = team(2);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..500).for_each(|_| assert_eq!(share(team, 3, 9), [1; 9])));
            }
        });
    }
}

//! Progress lines: what is being done, and how long it took.

use std::time::{Duration, Instant};

use anyhow::Result;

/// A numbered list of steps, told on standard output as they go.
pub struct Steps {
    total: usize,
    next: usize,
}

/// Whether a step had anything to do.
pub enum Done {
    /// It worked.
    Built,
    /// Everything was there already.
    Fresh,
}

impl Steps {
    /// A list of `total` steps, none of them begun.
    pub fn new(total: usize) -> Self {
        Self { total, next: 1 }
    }

    /// Runs one step between two lines that say so.
    pub fn step(&mut self, what: &str, work: impl FnOnce() -> Result<Done>) -> Result<()> {
        let label = format!("[{}/{}] {what}", self.next, self.total);
        self.next += 1;
        println!("{label} ...");
        let start = Instant::now();
        let done = work()?;
        let took = seconds(start.elapsed());
        match done {
            Done::Built => println!("{label}: done in {took}"),
            Done::Fresh => println!("{label}: up to date ({took})"),
        }
        Ok(())
    }
}

/// A duration as a person would say it.
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_durations_in_the_unit_that_fits() {
        assert_eq!(seconds(Duration::from_millis(340)), "0.3 s");
        assert_eq!(seconds(Duration::from_secs(59)), "59.0 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 05 s");
    }
}

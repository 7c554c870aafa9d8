//! How this process joins a team.

use super::Team;
use anyhow::Result;
use std::sync::Arc;

/// A process's membership. Drop it last: the processes part then.
pub struct Session {
    team: Arc<Team>,
    #[cfg(feature = "mpi")]
    _universe: mpi::environment::Universe,
}

/// Joins the processes that `mpirun` (or Slurm's `srun`) has started together; alone without them, and in a build without the
/// feature `mpi`.
///
/// # Errors
/// If the MPI library cannot be used from several threads, or several processes were started that do not know each other.
pub fn launch() -> Result<Session> {
    #[cfg(feature = "mpi")]
    {
        let (universe, team) = super::mpi::join()?;
        Ok(Session { team: Arc::new(team), _universe: universe })
    }
    #[cfg(not(feature = "mpi"))]
    {
        // Each process would train on its own, and all would write to one folder.
        let started = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"];
        let several =
            |name| std::env::var(name).is_ok_and(|v: String| v.trim().parse().is_ok_and(|n: usize| n > 1));
        if let Some(name) = started.into_iter().find(|name| several(*name)) {
            anyhow::bail!(
                "{name} says that several processes were started together, and this dvn-train was built without MPI: build \
                 it with `--features mpi`"
            );
        }
        Ok(Session { team: Arc::default() })
    }
}

impl Session {
    /// The processes.
    pub fn team(&self) -> &Arc<Team> {
        &self.team
    }

    /// Ends all processes after one has failed; comes back where there is only this one.
    pub fn abort(&self) {
        #[cfg(feature = "mpi")]
        if self.team.size() > 1 {
            super::mpi::abort();
        }
    }
}

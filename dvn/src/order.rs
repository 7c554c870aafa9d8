//! The orders in which units join a task's levels (paper section 3.2).

use crate::error::DefinitionError;
use crate::unit::Unit;

/// The paper's rule: start at `first`; then, again and again, the coupled set grows by an adjacent unit that is not
/// coupled yet, the lower-numbered one of two. So a level's units are always a contiguous interval.
///
/// For four units: 1 2 3 4; 2 1 3 4; 3 2 1 4; 4 3 2 1.
pub fn by_rule(units: usize, first: Unit) -> Vec<Unit> {
    let first = first.index().min(units.saturating_sub(1));
    (0..=first).rev().chain(first + 1..units).filter_map(Unit::from_index).collect()
}

/// The rule's orders of `tasks` tasks over `units` units.
///
/// With fewer tasks than units the first units are spread evenly: task `t` starts at unit
/// `1 + round((t - 1)(k - 1) / (T - 1))`, one task at unit 1, so that every unit is in about as many levels as any
/// other (what the paper's rule is for, eq. 5). A network of one unit has one order for any number of tasks.
///
/// # Errors
/// If there are more tasks than units, which are several: then the orders must be given.
pub fn default_orders(units: usize, tasks: usize) -> Result<Vec<Vec<Unit>>, DefinitionError> {
    if units > 1 && tasks > units {
        return Err(DefinitionError::MoreTasksThanUnits { tasks, units });
    }
    let first = |t: usize| if tasks < 2 { 0 } else { (2 * t * (units - 1) + tasks - 1) / (2 * (tasks - 1)) };
    Ok((0..tasks).filter_map(|t| Unit::from_index(first(t))).map(|u| by_rule(units, u)).collect())
}

/// Parses a given order, `3 2 1 4` or `3,2,1,4`.
///
/// # Errors
/// If a part is no unit's number. Whether all units are there is checked by [`crate::Network::new`].
pub fn parse(text: &str) -> Result<Vec<Unit>, DefinitionError> {
    let unit = |part: &str| part.parse::<usize>().ok().and_then(Unit::from_number);
    let parts = text.split([',', ' ']).filter(|p| !p.is_empty());
    parts.map(|p| unit(p).ok_or_else(|| DefinitionError::OrderText { found: text.to_owned() })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(units: usize, tasks: usize) -> Vec<Vec<usize>> {
        let orders = default_orders(units, tasks).unwrap();
        orders.iter().map(|o| o.iter().map(|u| u.number()).collect()).collect()
    }

    #[test]
    fn the_papers_orders_for_four_tasks() {
        assert_eq!(numbers(4, 4), [[1, 2, 3, 4], [2, 1, 3, 4], [3, 2, 1, 4], [4, 3, 2, 1]]);
        assert_eq!(numbers(2, 2), [[1, 2], [2, 1]]);
    }

    #[test]
    fn fewer_tasks_start_spread_out() {
        assert_eq!(numbers(4, 2), [[1, 2, 3, 4], [4, 3, 2, 1]]);
        assert_eq!(numbers(4, 3), [[1, 2, 3, 4], [3, 2, 1, 4], [4, 3, 2, 1]]);
        assert_eq!(numbers(4, 1), [[1, 2, 3, 4]]);
        assert_eq!(numbers(1, 1), [[1]]);
        assert_eq!(numbers(1, 3), [[1], [1], [1]]);
        assert!(default_orders(2, 3).is_err());
    }
}

//! Bounds of a question.

use domain::{Error, Role};

/// Bounds of a question.
#[derive(Clone, Copy, Debug)]
pub struct UsageLimits;

impl UsageLimits {
    /// Most groups.
    pub const GROUPS: usize = 6;
    /// Most sort keys.
    pub const ORDERS: usize = 8;
    /// Most rows of an answer, all parents together, with those passed over.
    pub const ROWS: usize = 10_000;
    /// Most parents of one batched question.
    pub const PARENTS: usize = 1_000;
    /// Deepest nesting of a filter and of `having`.
    pub const DEPTH: usize = 8;
    /// Most nodes of a filter and of `having`.
    pub const NODES: usize = 100;
    /// Most values in a filter, all nodes together.
    pub const VALUES: usize = 1_000;
    /// Longest text value, bytes.
    pub const TEXT_BYTES: usize = 200;
    /// Most time buckets of a period, the smallest that the groups tell apart: 400 days have 9,600 hours.
    pub const BUCKETS: usize = 10_000;
    /// Most SIMs or devices that travel to the cubes for one question.
    pub const CARRIED: usize = 200_000;

    /// Seconds and bytes of memory that a statement may take. Who works for the tenant as a whole asks larger questions.
    pub const fn of_statement(role: Role) -> (u32, u64) {
        match role {
            Role::CustomerUser | Role::Viewer => (15, 1 << 30),
            _ => (30, 4 << 30),
        }
    }
}

/// Too much of something.
pub(super) fn beyond(what: &str, limit: usize, actual: u64) -> Error {
    Error::limit(
        format!("{what}: {actual}, and {limit} is the limit"),
        limit as u64,
        actual,
    )
}

/// Counts the nodes, levels and values of a tree that may be as deep as the client likes: `below` tells what is below a
/// node, and how many values it has itself.
///
/// # Errors
/// `LIMIT_EXCEEDED` when the tree is too deep or too large.
pub(super) fn check_tree<'a, T>(
    what: &str,
    root: &'a T,
    below: impl Fn(&'a T) -> (Vec<&'a T>, usize),
) -> domain::Result<()> {
    let (mut nodes, mut values) = (0, 0);
    let mut open = vec![(root, 1)];
    while let Some((node, depth)) = open.pop() {
        nodes += 1;
        let (parts, own) = below(node);
        values += own;
        open.extend(parts.into_iter().map(|part| (part, depth + 1)));
        for (of, limit, actual) in [
            ("levels", UsageLimits::DEPTH, depth),
            ("conditions", UsageLimits::NODES, nodes),
            ("values", UsageLimits::VALUES, values),
        ] {
            if actual > limit {
                let text = format!("{what} has at most {limit} {of}");
                return Err(Error::limit(text, limit as u64, actual as u64));
            }
        }
    }
    Ok(())
}

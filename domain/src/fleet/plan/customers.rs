//! Customers by what a row may call them.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::fleet::known::{Known, KnownCustomer, Target};

/// The customers that a row may mean, by what it may call them.
#[derive(Default)]
pub(super) struct Customers {
    by_name: HashMap<String, Target>,
    by_lower: HashMap<String, Target>,
    by_slug: HashMap<String, Target>,
    new_by_lower: HashMap<String, Target>,
    new_by_slug: HashMap<String, Target>,
    /// The last number that made a slug of its own.
    numbers: HashMap<String, u32>,
    archived: HashSet<Uuid>,
}

impl Customers {
    pub(super) fn known(known: &Known) -> Self {
        let mut customers = Self::default();
        for KnownCustomer {
            id,
            slug,
            name,
            archived,
        } in &known.customers
        {
            let target = Target::Known(*id);
            customers.by_name.entry(name.clone()).or_insert(target);
            let lower = name.to_lowercase();
            customers.by_lower.entry(lower).or_insert(target);
            customers.by_slug.insert(slug.clone(), target);
            customers.archived.extend(archived.then_some(*id));
        }
        customers
    }

    /// One that is stored goes before one that is planned.
    pub(super) fn find(&self, name: &str) -> Option<Target> {
        let lower = name.to_lowercase();
        let known = self.by_name.get(name).or_else(|| self.by_lower.get(&lower));
        let known = known.or_else(|| self.by_slug.get(name));
        let new = || {
            let by_lower = self.new_by_lower.get(&lower);
            by_lower.or_else(|| self.new_by_slug.get(name))
        };
        known.or_else(new).copied()
    }

    pub(super) fn add(&mut self, slug: &str, name: &str, new: Target) {
        self.new_by_lower.insert(name.to_lowercase(), new);
        self.new_by_slug.insert(slug.to_owned(), new);
    }

    pub(super) fn is_archived(&self, id: Uuid) -> bool {
        self.archived.contains(&id)
    }

    /// The slug itself, or with the first number that is free. Names such as `Müller` and `Möller` are two customers.
    pub(super) fn free_slug(&mut self, slug: &str) -> String {
        let taken =
            |slug: &str| self.by_slug.contains_key(slug) || self.new_by_slug.contains_key(slug);
        if !taken(slug) {
            return slug.to_owned();
        }
        let number = self.numbers.entry(slug.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{slug}-{number}");
            if !taken(&numbered) {
                return numbered;
            }
        }
    }
}

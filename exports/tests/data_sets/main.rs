//! Data sets as files on real engines: what callers get of each, and lists of several pages.

mod pages;
mod roles;
mod slow;
mod world;

//! Questions to the cubes.

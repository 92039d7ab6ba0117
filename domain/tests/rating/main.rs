//! Rating, by months that chance makes up: against the published program, and by what holds of any month.

mod chance;
mod made_up;
mod property;
mod published;

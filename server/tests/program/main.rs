//! The program as its users meet it: started as a process on real engines, spoken to over HTTP and by commands.

mod command;
mod crash;
mod disk;
mod folder;
mod http;
mod playground;
mod quarantine;
mod readiness;
mod starving;
mod stop;
mod support;
mod verify;

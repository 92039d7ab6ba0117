//! The program as its users meet it: started as a process on real engines, spoken to over HTTP and by commands.

mod away;
mod command;
mod crash;
mod cross_origin;
mod disk;
mod engine_lost;
mod evidence;
mod export;
mod folder;
mod http;
mod jobs;
mod kept;
mod pairing;
mod playground;
mod quarantine;
mod readiness;
mod readme;
mod settings;
mod starving;
mod stop;
mod support;
mod turns;
mod verify;
mod voiceless;

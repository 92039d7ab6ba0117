//! A disk of a server's own, with little room.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::Server;

/// The command with a disk at this folder that only it sees. Without root this takes user namespaces, in which Postgres runs as the
/// user itself.
pub(crate) fn mounted(serve: &Command, folder: &Path, megabytes: u32) -> Command {
    let mut command = Command::new("/usr/bin/unshare");
    let mount =
        format!("mount -t tmpfs -o size={megabytes}m,mode=0711 simcube-test \"$0\" && exec \"$@\"");
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    if !user.is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["--mount", "/bin/bash", "-c", &mount])
        .arg(folder);
    if !user.is_root() {
        let map = [
            format!("--map-user={}", user.as_raw()),
            format!("--map-group={}", group.as_raw()),
        ];
        command.args(["/usr/bin/unshare", "--user"]).args(map);
    }
    command.arg(serve.get_program()).args(serve.get_args());
    command.env_clear();
    for (name, value) in serve.get_envs() {
        command.env(name, value.expect("a value"));
    }
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.current_dir(serve.get_current_dir().expect("a folder"));
    command
}

/// A folder as a server sees it that was started so.
pub(crate) fn seen(server: &Server, folder: &Path) -> PathBuf {
    let root = format!("/proc/{}/root", server.id());
    Path::new(&root).join(folder.strip_prefix("/").expect("absolute"))
}

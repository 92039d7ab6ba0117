//! Lists the example operations at build time, so that a new file in `operations/` needs no other edit.

use std::{env, fs, io, path::PathBuf};

#[expect(
    clippy::disallowed_methods,
    reason = "this is how Cargo says where to write"
)]
fn out_folder() -> io::Result<PathBuf> {
    env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other("OUT_DIR is not set"))
}

fn main() -> io::Result<()> {
    let out = out_folder()?;
    // Cargo runs build scripts in the folder of the package.
    let folder = env::current_dir()?.join("operations");
    println!("cargo::rerun-if-changed=operations");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "graphql")
        {
            names.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort();
    let mut list = String::from("&[\n");
    for name in &names {
        // The text and not its path: a build folder may be shared by checkouts, and one of them may be gone.
        let text = fs::read_to_string(folder.join(format!("{name}.graphql")))?;
        list.push_str(&format!("    ({name:?}, {text:?}),\n"));
    }
    list.push_str("]\n");
    fs::write(out.join("operations.rs"), list)
}

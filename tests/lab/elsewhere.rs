//! Shows a program a folder at the place where its configuration looks for it, without leaving a trace on this machine.

use std::path::Path;

/// Makes a root directory of its own (in a mount namespace that ends with the program) in which everything stands where
/// it does on this machine, and the folder at one more place; what leads to that place is made of nothing but links to
/// what is there, so that a directory can be added.
const SCRIPT: &str = r#"
set -eu
root=$1 folder=$2 place=$3
shift 3
mirror() {
    mount -t tmpfs none "$root$1"
    for entry in "$1"/* "$1"/.[!.]*; do
        entry=/${entry#"${entry%%[!/]*}"}
        if [ -L "$entry" ]; then cp -P "$entry" "$root$entry"
        elif [ -d "$entry" ]; then mkdir "$root$entry" && mount --rbind "$entry" "$root$entry"
        elif [ -f "$entry" ]; then : >"$root$entry" && mount --bind "$entry" "$root$entry"
        fi
    done
}
mirror ''
known=''
for name in $(echo "${place#/}" | tr / ' '); do
    [ -d "$known/$name" ] || break
    known=$known/$name
    mirror "$known"
done
mkdir -p "$root$place"
mount --bind "$folder" "$root$place"
exec chroot "$root" "$@"
"#;

/// The command that runs `command` where `folder` stands at `place` as well. `run` keeps the new root directory.
pub fn command<'c>(folder: &'c str, place: &'c str, root: &'c str, command: &[&'c str]) -> Vec<&'c str> {
    std::fs::create_dir_all(Path::new(root)).unwrap_or_else(|e| panic!("{root}: {e}"));
    [&["unshare", "-m", "sh", "-c", SCRIPT, "sh", root, folder, place], command].concat()
}
